"""Images that are pushed: by digest, found from other machines, and what is said where a registry does not let us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bighead_ci.docker_engine import connect
from bighead_ci.errors import InputError, RetryError
from bighead_ci.images.containers import ContainerImageBuilder, Place
from bighead_ci.ports.progress import silent
from fakes.docker_bench import base_image, registry_at, remove_images, why_no_base, why_no_registry
from fakes.recipes import ENGINE, late_recipe, late_tree

pytestmark = pytest.mark.timeout(900)  # whoever comes first makes a base image
USERS = "team:$2b$04$lNq8mXQm7Q7EXfN7tPG0R.4d7nDcb8oU5lO1KbZbWjXo0GqGQyq6W\n"
"""Of the registry; nobody knows the password."""


@pytest.fixture
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if reason := why_no_base() or why_no_registry():
        pytest.skip(f"NOT RUN, no image is pushed to a registry because {reason}")
    with registry_at(tmp_path, users=getattr(request, "param", "")) as address:
        yield address


def builder_at(directory: Path, registry: str) -> ContainerImageBuilder:
    """Another directory: another machine's, as far as what it has itself goes."""
    return ContainerImageBuilder(connect(), Place(directory, base_image(), f"{registry}/models"), ENGINE)


def forget(builder: ContainerImageBuilder, reference: str) -> None:
    """The engine has the image no more."""
    remove_images(connect(), builder)
    connect().images.remove(connect().images.get(reference).id, force=True)


def test_a_pushed_image_is_named_by_the_digest_that_the_registry_answered(registry: str, tmp_path: Path) -> None:
    """And is found by that, by its key, and by who never had it."""
    builder, tree = builder_at(tmp_path / "one", registry), late_tree()
    recipe = late_recipe(tree)
    assert builder.built("late", recipe.key) is None
    image = builder.ensure(recipe, tree, silent)
    assert image.reference.startswith(f"{registry}/models/late@sha256:")
    forget(builder, image.reference)
    other = builder_at(tmp_path / "two", registry)
    assert other.built("late", recipe.key) == image
    found = other.find(image.reference)
    assert found is not None
    assert (found.key, found.model) == (recipe.key, "late")
    assert other.ensure(recipe, late_tree({"model.py": "what is there is not built again\n"}), silent) == image
    forget(builder, image.reference)


def test_an_image_that_the_registry_lost_is_pushed_again(registry: str, tmp_path: Path) -> None:
    """Though the engine has it: nodes pull from the registry."""
    builder, tree = builder_at(tmp_path / "one", registry), late_tree()
    recipe = late_recipe(tree)
    image = builder.ensure(recipe, tree, silent)
    for link in (tmp_path / "registry").rglob(f"_manifests/**/{image.reference[-64:]}/link"):
        link.unlink()
    assert builder.find(image.reference) is None
    assert builder.ensure(recipe, tree, silent) == image
    assert builder.find(image.reference) is not None
    forget(builder, image.reference)


@pytest.mark.parametrize("registry", [USERS], indirect=True)
def test_a_registry_without_credentials_is_said_before_anything_is_built(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do; and no secret of anybody."""
    (tmp_path / "client").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "client"))
    builder, tree = builder_at(tmp_path / "one", registry), late_tree()
    said: list[str] = []
    with pytest.raises(InputError, match=f"{registry}.*docker login") as raised:
        builder.ensure(late_recipe(tree), tree, said.append)
    assert said == []
    assert "team" not in str(raised.value)
    assert not list((tmp_path / "one").glob("*.tar"))


def test_a_registry_that_is_gone_is_tried_again_later(registry: str, tmp_path: Path) -> None:
    """Before anything is built."""
    builder, tree = builder_at(tmp_path / "one", "127.0.0.1:9"), late_tree()
    said: list[str] = []
    with pytest.raises(RetryError, match=r"127\.0\.0\.1:9"):
        builder.ensure(late_recipe(tree), tree, said.append)
    assert said == []
    assert registry


def test_a_base_comes_from_a_registry(registry: str, tmp_path: Path) -> None:
    """By its digest, where the engine has it not."""
    client = connect()
    source = client.images.get(base_image().rpartition("@")[2])
    source.tag(f"{registry}/bases/debian", "1")
    lines = [*client.images.push(f"{registry}/bases/debian", "1", stream=True, decode=True)]
    digest = next(line["aux"]["Digest"] for line in lines if "aux" in line)
    client.images.remove(f"{registry}/bases/debian:1")
    reference = f"{registry}/bases/debian@{digest}"
    builder, tree = ContainerImageBuilder(client, Place(tmp_path / "one", reference), ENGINE), late_tree()
    image = client.images.get(builder.name_in_engine(builder.ensure(late_recipe(tree), tree, silent).reference))
    assert image.labels["org.opencontainers.image.base.digest"] == digest
    assert json.dumps(image.attrs["RootFS"]["Layers"]).startswith(json.dumps(source.attrs["RootFS"]["Layers"])[:-1])
    remove_images(client, builder)
    client.images.remove(reference)
