"""What an environment's machines share: artifacts that a promotion publishes, features that are materialised for it."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.materialize import materialize
from bighead_ci.delivery.promote import promote
from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.progress import silent
from bighead_ci.scorers.artifact import artifact_digest
from bighead_ci.scorers.published import fetch_artifact
from fakes.context import FakeContext
from fakes.memory_tree import PROD
from fakes.shipping import merge_version, promote_and_merge


@pytest.fixture
def shared(context: FakeContext) -> FakeContext:
    """`staging` runs processes, `prod` containers, which the double treats as if they were on other machines."""
    text = PROD.replace("platform: local", "platform: docker")
    context.change_main({"environments/prod/environment.yaml": text}, "prod runs containers")
    return context


@pytest.fixture
def promotable(shared: FakeContext) -> FakeContext:
    """`late/v2` serves in staging."""
    merge_version(shared, "v2")
    promote_and_merge(shared, "staging", "v2")
    return shared


def test_an_artifact_is_published_where_the_environments_machines_fetch_it(promotable: FakeContext) -> None:
    """Whole, and by the promotion alone; where machines see this one's directories nothing is."""
    assert promotable.objects.names() == []
    promotion = promote(promotable, "late", "prod")
    assert promotion is not None
    record = promotable.records.by_run("run0")
    assert record is not None
    fetched = fetch_artifact(promotable.objects, record.artifact, promotable.reports / "fetched")
    assert artifact_digest(fetched) == record.artifact


def test_a_store_that_does_not_answer_opens_no_pull_request(promotable: FakeContext) -> None:
    """The same command is tried again later."""
    before = promotable.branches()
    promotable.objects.out_of_reach = True
    with pytest.raises(RetryError, match="out of reach"):
        promote(promotable, "late", "prod")
    assert promotable.branches() == before


def test_features_are_materialised_for_an_environment(shared: FakeContext) -> None:
    """Into its own store, and not into this machine's."""
    materialize(shared, None, silent, "prod")
    assert set(shared.opened_stores) == {"prod"}
    assert shared.online_store.writes == 0


def test_an_environment_that_is_not_there_has_no_online_store(shared: FakeContext) -> None:
    """It is named, with those there are."""
    with pytest.raises(InputError, match="nowhere"):
        materialize(shared, None, silent, "nowhere")
