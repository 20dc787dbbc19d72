"""Which images are kept, who needs them, and what is let go of."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.kept_images import (
    KeptImage,
    bill_of,
    build_images,
    collect_images,
    kept_images,
    verified_images,
)
from bighead_ci.delivery.promote import promote
from bighead_ci.documents.image import ImageRef
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext, model_version
from fakes.recipes import late_recipe, late_tree
from fakes.shipping import pass_canary, ship


def left_over(context: FakeContext) -> ImageRef:
    """An image of code that main has no more."""
    tree = late_tree({"model.py": "def build(parameters): return 7\n"})
    return context.images.ensure(late_recipe(tree), tree, silent)


def served(context: FakeContext) -> str:
    """The image that has the traffic of prod."""
    release = context.release("prod")
    assert release is not None
    return release.stable.image


def kept(context: FakeContext, releases: int = 20) -> dict[str, KeptImage]:
    found = kept_images(context, context.main(), releases)
    return {one.reference: one for one in found}


def test_every_image_is_listed_with_who_needs_it(context: FakeContext) -> None:
    """Releases by environment and commit, versions of main by name; nobody needs what main has no more."""
    ship(context, "v2")
    other = left_over(context)
    found = kept(context)
    assert found.keys() == context.images.held.keys()
    stable = served(context)
    assert [who.partition(" at ")[0] for who in found[stable].needed_by] == [
        "late/v2 of main",
        "prod/late",
        "staging/late",
    ]
    assert found[other.reference].needed_by == []


def test_only_what_nobody_needs_is_let_go_of(context: FakeContext) -> None:
    """Once; all else is found as before."""
    ship(context, "v2")
    other = left_over(context)
    before = set(context.images.held)
    said: list[str] = []
    gone = collect_images(context, context.main(), 20, said.append)
    assert [one.reference for one in gone] == [other.reference]
    assert set(context.images.held) == before - {other.reference}
    assert len(said) == 1
    assert collect_images(context, context.main(), 20, said.append) == []


def test_a_release_is_reached_as_far_back_as_is_asked_for(context: FakeContext) -> None:
    """What only an older release names, of code that main has no more, is needed while a rollback should reach it."""
    ship(context, "v2")
    old = served(context)
    ship(context, "v3", skill=1.2)
    for folder in ("models/late/v1", "models/late/v2"):
        files = {path: None for path in context.repository.tree(context.tip).files() if path.startswith(f"{folder}/")}
        context.change_main(files, f"without {folder}")
    pass_canary(context)
    context.change_main({"environments/staging/late.yaml": None}, "staging without it")
    edits = len(context.main().log.all())
    far, near = kept(context, edits)[old].needed_by, kept(context, 1)[old].needed_by
    assert {who for who in far if not who.startswith(("prod/late at", "staging/late at"))} == set()
    assert len(far) > len(near)


def test_what_an_open_pull_request_brings_is_needed(context: FakeContext) -> None:
    """The image that its check built, and what a promotion would have a release name."""
    pull = context.propose("late-v2", model_version("v2"))
    assert check_pull_request(context, pull.number, silent).state == "passed"
    assert {who for one in kept(context).values() for who in one.needed_by} == {
        f"late/v2 of pull request {pull.number}"
    }
    context.approve_and_merge(pull.number)
    promotion = promote(context.acting("ada"), "late", "staging", "v2")
    assert promotion is not None
    number = promotion.pull_request.number
    assert any(f"pull request {number}" in one.needed_by for one in kept(context).values())


def test_an_image_that_a_release_names_and_that_is_gone_is_named(context: FakeContext) -> None:
    """With every release that names it."""
    ship(context, "v2")
    image = served(context)
    assert image in verified_images(context, context.main()).whole
    context.images.remove(image)
    found = verified_images(context, context.main())
    assert found.whole == []
    ((reference, who),) = found.missing.items()
    assert reference == image
    assert [one.partition(" at ")[0] for one in who] == ["prod/late", "staging/late"]


def test_images_of_environments_of_containers_are_among_them(context: FakeContext) -> None:
    """Those of their own builder, beside the directories that records name; each is collected where it is."""
    path = "environments/prod/environment.yaml"
    text = context.repository.tree(context.tip).read(path).decode()
    context.change_main({path: text.replace("platform: local", "platform: docker")}, "prod runs containers")
    tree = late_tree({"model.py": "def build(parameters): return 7\n"})
    other = context.container_images.ensure(late_recipe(tree), tree, silent)
    assert kept(context)[other.reference].needed_by == []
    assert [one.reference for one in collect_images(context, context.main(), 20, silent)] == [other.reference]
    assert context.container_images.find(other.reference) is None


def test_what_is_in_an_image_is_asked_of_who_has_it(context: FakeContext) -> None:
    """Nobody: that is said."""
    image = left_over(context)
    assert b"CycloneDX" in bill_of(context, context.main(), image.reference)
    context.images.remove(image.reference)
    with pytest.raises(InputError, match=r"there is no image .* `bighead images list` shows all"):
        bill_of(context, context.main(), image.reference)


def test_the_images_of_a_version_are_built_beforehand(context: FakeContext) -> None:
    """All that it may need, by the builder of the environment, once."""
    said: list[str] = []
    done = build_images(context, context.main(), "late", "v1", "prod", said.append)
    assert list(done) == ["train", "serve", "serve-code"]
    assert {one.reference for one in done.values()} == context.images.held.keys()
    assert len(said) == 3
    assert build_images(context, context.main(), "late", "v1", "prod", said.append) == done
    assert len(said) == 3
    for model, environment in (("early", "prod"), ("late", "nowhere")):
        with pytest.raises(InputError, match=r"early|nowhere"):
            build_images(context, context.main(), model, "v1", environment, silent)
