"""What planning makes of locks that versions share: keys, pipelines, verdicts, and what may be edited in place."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.loading import load_environment
from bighead_ci.definitions.lock_file import HEADER
from bighead_ci.definitions.release_file import render_release
from bighead_ci.definitions.shared_locks import lock_naming, shared_path
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.plan import Plan
from bighead_ci.documents.release import Variant
from bighead_ci.errors import InputError
from bighead_ci.planning.change import plan_change
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.locks import lock_problems
from bighead_ci.planning.releases import promoted
from bighead_ci.planning.verdict_inputs import touched, verdict_inputs
from fakes.engine import MemoryEngine
from fakes.memory_tree import MemoryTree, repository

ENGINE = MemoryEngine()
FOLDER = "models/late/v1"
OTHER_FOLDER = "models/late/v2"
NUMPY = f"numpy==2.4.6 \\\n    --hash=sha256:{'0' * 64}\n"
TORCH = f"torch==2.13.0 \\\n    --hash=sha256:{'1' * 64}\n"
ALONE = f"{HEADER}nothing\n{NUMPY}{TORCH}"
SHARED = shared_path(NUMPY.encode())
ADDED = lock_naming(NUMPY.encode()).decode() + TORCH
WHOLE_SHARED = shared_path((NUMPY + TORCH).encode())
WAYS = {
    "alone": {f"{FOLDER}/training.lock": ALONE},
    "added": {f"{FOLDER}/training.lock": ADDED, SHARED: NUMPY},
    "shared": {f"{FOLDER}/training.lock": lock_naming((NUMPY + TORCH).encode()).decode(), WHOLE_SHARED: NUMPY + TORCH},
}
SERVES = Variant(
    version="v1", image=f"local/m@{digest_of('i')}", artifact=digest_of("a"), run="r", commit="c" * 40, weight=100
)
RELEASE = {
    "environments/prod/late.yaml": render_release(
        promoted(None, SERVES, load_environment(MemoryTree(repository()), "prod").canary)
    )
}


def tree(files: dict[str, str]) -> MemoryTree:
    return MemoryTree(repository(**files))


def inputs_of(files: dict[str, str]) -> VersionInputs:
    inputs = Inputs(Files(tree(files)), ENGINE)
    return inputs.of(inputs.definitions.model("late", "v1"))


def plan(before: dict[str, str], after: dict[str, str]) -> Plan:
    return plan_change(tree(before), tree(after), "a" * 40, "b" * 40, ENGINE)


@pytest.mark.parametrize("way", WAYS)
def test_how_a_lock_is_kept_is_in_no_key(way: str) -> None:
    """What it says is: the same pins give the keys, images and packages that one file of them all gives."""
    assert inputs_of(WAYS[way]) == inputs_of(WAYS["alone"])
    less = inputs_of({f"{FOLDER}/training.lock": f"{HEADER}nothing\n{NUMPY}"})
    assert inputs_of(WAYS[way]).stage_key("train") != less.stage_key("train")
    assert inputs_of(WAYS[way]).image_key("train") != less.image_key("train")


@pytest.mark.parametrize("way", WAYS)
def test_a_lock_may_be_kept_otherwise_under_a_release(way: str) -> None:
    """Of what serves nothing changes: no key, nothing to train, no new version; with one pin more it would."""
    found = plan(WAYS["alone"] | RELEASE, WAYS[way] | RELEASE)
    assert (found.models, found.kind) == ([], "other")
    with pytest.raises(InputError, match=r"may not be edited in place \(training\.lock\)"):
        plan(WAYS[way] | RELEASE, {f"{FOLDER}/training.lock": f"{HEADER}nothing\n{NUMPY}"} | RELEASE)


def test_a_shared_lock_concerns_those_whose_own_locks_change() -> None:
    """By itself it makes nobody train; a version that does is refused if it cannot be read."""
    assert plan(WAYS["added"], WAYS["added"] | {WHOLE_SHARED: NUMPY + TORCH}).models == []
    assert plan(WAYS["added"], {**WAYS["added"], SHARED: f"{NUMPY}\n"}).models == []
    (model,) = plan(
        WAYS["added"], {**WAYS["added"], f"{FOLDER}/training.lock": lock_naming(NUMPY.encode()).decode()}
    ).models
    assert (model.id, model.because) == ("late/v1", ["model files changed"])
    with pytest.raises(InputError, match="there is no models/_locks/"):
        plan(WAYS["added"], {f"{FOLDER}/training.lock": ADDED, f"{FOLDER}/model.py": "x = 1\n"})


def test_a_lock_whose_shared_lock_is_missing_lacks_nothing_else() -> None:
    """One problem, not one more for each distribution that would be in there."""
    inputs = Inputs(Files(tree({f"{FOLDER}/training.lock": ADDED, f"{FOLDER}/model.py": "import numpy\n"})), ENGINE)
    assert lock_problems(inputs, inputs.definitions.model("late", "v1")) == []


def test_dvc_runs_a_stage_again_when_the_pins_of_its_lock_change() -> None:
    """Its lock is among its dependencies, and says by digest what it shares: no other pins under the same bytes."""
    text = dvc_yaml(tree(WAYS["added"]), "late", "v1")
    assert text == dvc_yaml(tree(WAYS["alone"]), "late", "v1")
    assert f"- {FOLDER}/training.lock\n" in text
    with pytest.raises(InputError, match="its name is not the SHA-256 of what it holds"):
        inputs_of({**WAYS["added"], SHARED: NUMPY.replace("2.4.6", "2.4.7")})


def test_a_verdict_outlives_that_main_gets_the_same_shared_lock() -> None:
    """Another pull request brought it, with the only content that it can have."""
    after = plan({SHARED: NUMPY}, WAYS["added"])
    assert [model.id for model in after.models] == ["late/v1"]
    rests_on = verdict_inputs(after, Files(tree(WAYS["added"])))
    assert touched(rests_on, [SHARED, WHOLE_SHARED, f"{FOLDER}/model.py"]) == [f"{FOLDER}/model.py"]


def test_the_removal_of_a_shared_lock_rests_on_the_locks_of_all_models() -> None:
    """Main may have got a version meanwhile that names it."""
    unused = {WHOLE_SHARED: NUMPY + TORCH}
    removal = plan(unused, {})
    assert touched(verdict_inputs(removal, Files(tree({}))), [f"{OTHER_FOLDER}/training.lock", "policies/a.yaml"]) == [
        f"{OTHER_FOLDER}/training.lock"
    ]
    addition = plan({}, unused)
    assert touched(verdict_inputs(addition, Files(tree(unused))), [f"{OTHER_FOLDER}/training.lock"]) == []
