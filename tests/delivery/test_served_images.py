"""Promotion to an environment whose images are not those that records name: `prod` runs containers here."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.release_file import render_release
from bighead_ci.delivery.check import check_pull_request
from bighead_ci.delivery.deliver import deliver
from bighead_ci.delivery.promote import promote
from bighead_ci.delivery.rollback import check_rollback, rollback
from bighead_ci.documents.record import RunRecord
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from fakes.context import FakeContext
from fakes.engine import MemoryEngine
from fakes.memory_tree import PROD, STAGING
from fakes.shipping import merge_version, pass_canary, promote_and_merge, ship

PROD_FILE = "environments/prod/environment.yaml"


@pytest.fixture
def containers(context: FakeContext) -> FakeContext:
    """`staging` runs processes, `prod` containers."""
    context.change_main({PROD_FILE: PROD.replace("platform: local", "platform: docker")}, "prod runs containers")
    return context


def recorded(context: FakeContext, run: str = "run0") -> RunRecord:
    """A record."""
    record = context.records.by_run(run)
    assert record is not None
    return record


def test_a_release_names_the_image_of_its_environments_builder(containers: FakeContext) -> None:
    """Staging serves the record's own image, prod another one of the same key."""
    ship(containers, "v2")
    record = recorded(containers)
    staging, prod = containers.release("staging"), containers.release("prod")
    assert staging is not None
    assert prod is not None
    assert staging.stable.image == record.image
    manifest = containers.container_images.find(prod.stable.image)
    assert manifest is not None
    assert manifest.key == record.images["serve"].key
    assert containers.images.find(prod.stable.image) is None


def test_the_image_is_built_once_and_before_its_pull_request_is_opened(containers: FakeContext) -> None:
    """Whoever promotes is told; an image that is there is not built again."""
    merge_version(containers, "v2")
    promote_and_merge(containers, "staging", "v2")
    assert containers.container_images.held == {}
    said: list[str] = []
    promote(containers, "late", "prod", progress=said.append)
    assert said[0] == "late/v2: building its image for prod"
    assert len(containers.container_images.held) == 1
    again: list[str] = []
    promote(containers, "late", "prod", progress=again.append)
    assert again == ["late/v2: publishing its artifact for prod"]


def test_a_canary_passes_and_is_taken_back_there(containers: FakeContext) -> None:
    """Gates know that staging serves the same record in an image of its own; the way back needs the old container's."""
    ship(containers, "v2")
    ship(containers, "v3", skill=1.2)
    pass_canary(containers)
    assert containers.split("prod") == {"v3": 100}
    assert check_rollback(containers, "late", "prod").possible
    pull = rollback(containers, "late", "prod")
    assert check_pull_request(containers, pull.number, silent).state == "passed"


def test_a_way_back_to_a_container_whose_image_is_gone_is_refused(containers: FakeContext) -> None:
    """That the same version's image for processes is still there helps nobody."""
    ship(containers, "v2")
    old = containers.release("prod")
    assert old is not None
    ship(containers, "v3", skill=1.2)
    pass_canary(containers)
    del containers.container_images.held[old.stable.image]
    (missing,) = [one for one in check_rollback(containers, "late", "prod").preconditions if not one.holds]
    assert missing.what.startswith("v2 image")


def test_the_image_of_another_platform_is_refused(containers: FakeContext) -> None:
    """It is of the same record, and nothing there could run it."""
    merge_version(containers, "v2")
    promote_and_merge(containers, "staging", "v2")
    opened = promote(containers, "late", "prod")
    assert opened is not None
    tree = containers.repository.tree(opened.pull_request.head)
    release = containers.main(opened.pull_request.source).desired.release("prod", "late")
    assert release is not None
    foreign = release.stable.model_copy(update={"image": recorded(containers).image})
    text = render_release(release.model_copy(update={"variants": [foreign]}))
    assert "environments/prod/late.yaml" in tree.files()
    pull = containers.propose(opened.pull_request.source, {"environments/prod/late.yaml": text})
    report = check_pull_request(containers, pull.number, silent)
    assert report.state == "invalid"
    assert report.problems == [
        f"environments/prod/late.yaml: variants.0.image: is no image of record run0 that prod has; got {foreign.image}"
    ]


def test_a_record_of_another_engine_has_no_image_made_by_this_one(containers: FakeContext) -> None:
    """It would hold other files than those that were judged; the refusal says what helps."""
    merge_version(containers, "v2")
    promote_and_merge(containers, "staging", "v2")
    containers.upgrade_engine(MemoryEngine().edited("errors.py"))
    with pytest.raises(InputError, match=r"late/v2: prod has no image of record run0, .* pull request that touches"):
        promote(containers, "late", "prod")


def test_a_closed_promotion_to_containers_is_not_opened_again(context: FakeContext) -> None:
    """Although the image that it proposed is not the one that the record names."""
    context.change_main(
        {"environments/staging/environment.yaml": STAGING.replace("platform: local", "platform: docker")}, "containers"
    )
    before = context.tip
    merge_version(context, "v2")
    (pull,) = context.forge.find("open")
    context.forge.close(pull.number)
    assert deliver(context, before, silent).promotions == []
