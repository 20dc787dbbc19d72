"""How an object differs from what main says, and what may be applied at all."""

from __future__ import annotations

import pytest

from bighead_ci.errors import InputError
from bighead_ci.platforms.kubernetes.committed import read_committed
from bighead_ci.platforms.kubernetes.drift import changes

OURS = b"kind: %s\napiVersion: v1\nmetadata: {name: a, labels: {app.kubernetes.io/managed-by: bighead}}\n"


def test_a_field_is_named_by_its_path_and_items_by_their_names() -> None:
    """With what it is and what main says."""
    live = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"env": [{"name": "X", "value": "1"}], "n": 3}}
    said = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"env": [{"name": "X", "value": "2"}]}}
    assert changes(live, said) == [
        "Deployment a: spec.env.X.value is 1, main says 2",
        "Deployment a: spec.n is 3, main says not there",
    ]


def test_what_the_server_keeps_by_itself_is_no_difference() -> None:
    """Versions, owners of fields, and the status."""
    live = {"kind": "K", "metadata": {"name": "a", "resourceVersion": "1", "managedFields": []}, "status": {"x": 1}}
    assert changes(live, {"kind": "K", "metadata": {"name": "a", "resourceVersion": "2"}}) == []


def test_a_file_may_hold_several_objects_and_a_comment() -> None:
    """As a renderer writes them."""
    found = read_committed({"a.yaml": b"# rendered\n---\n" + OURS % b"Service" + b"---\n" + OURS % b"ConfigMap"}, "w")
    assert [one["kind"] for one in found.objects] == ["Service", "ConfigMap"]


@pytest.mark.parametrize("content", [b"{", b"kind: Service\napiVersion: v1\nmetadata: {name: a}\n"])
def test_a_file_that_is_no_manifest_of_ours_is_refused_by_name(content: bytes) -> None:
    """What lacks the label could never be pruned."""
    with pytest.raises(InputError, match=r"prod/rendered/tiny/a\.yaml"):
        read_committed({"a.yaml": content}, "environments/prod/rendered/tiny")
