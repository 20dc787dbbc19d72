from __future__ import annotations

from collections.abc import Mapping

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.loading import load_environment
from bighead_ci.definitions.release_file import render_release
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.plan import Plan
from bighead_ci.documents.release import Release, Variant
from bighead_ci.errors import InputError
from bighead_ci.planning.change import plan_change
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.releases import advanced, promoted
from fakes.engine import MemoryEngine
from fakes.memory_tree import DELAYS, DVC_LOCK, FLIGHTS, LOCK, MODEL, PROD, MemoryTree, model_files, repository

BASE, HEAD = "a" * 40, "b" * 40
ENGINE = MemoryEngine()
MODEL_FILE = "models/late/v1/model.yaml"
SET_FILE = "features/delays/v1/feature_set.yaml"
SOURCE_FILE = "features/sources/flights.yaml"
RELEASE_FILE = "environments/prod/late.yaml"


def content_key(tree: MemoryTree, engine: MemoryEngine, version: str) -> str:
    inputs = Inputs(Files(tree), engine)
    return inputs.of(inputs.definitions.model("late", version)).content_key


def variant(version: str) -> Variant:
    return Variant(
        version=version,
        image=f"local/m@{digest_of('i')}",
        artifact=digest_of(version),
        run="r",
        commit="c" * 40,
        weight=0,
    )


PROD_PLAN = load_environment(MemoryTree(repository()), "prod").canary
RELEASED = promoted(None, variant("v1"), PROD_PLAN)
WITH_RELEASE = {RELEASE_FILE: render_release(RELEASED)}


def plan(
    changes: Mapping[str, str | None],
    before: Mapping[str, str | None] | None = None,
    history: list[Release] | None = None,
) -> Plan:
    base = repository(**(before or {}))
    head = repository(**{**(before or {}), **changes})
    return plan_change(
        MemoryTree(base), MemoryTree(head), BASE, HEAD, ENGINE, history=lambda _environment, _model: history or []
    )


def refused(changes: Mapping[str, str | None], before: Mapping[str, str | None] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        plan(changes, before)
    return str(caught.value)


def test_no_change_is_an_empty_plan() -> None:
    """Two equal trees give nothing to do."""
    found = plan({})
    assert (found.files, found.models, found.releases, found.impacts, found.kind) == ([], [], [], [], "other")


def test_a_new_version_is_planned_with_the_key_it_has_by_itself() -> None:
    """A new directory is one planned model, with the key of its inputs."""
    changes: dict[str, str | None] = {**model_files("models/late/v2")}
    (planned,) = plan(changes).models
    tree = MemoryTree(repository(**changes))
    assert (planned.id, planned.because) == ("late/v2", ["new model version"])
    assert planned.content_key == content_key(tree, ENGINE, "v2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"models/late/v1/model.py": "def build(parameters): return 1\n"}, "model files changed"),
        ({"models/late/v1/training.lock": LOCK.replace("2.4.6", "2.5.0")}, "model files changed"),
        ({MODEL_FILE: MODEL.replace("primary: auc", "primary: brier")}, "model files changed"),
        ({SET_FILE: DELAYS.replace("windows: [1h, 7d]", "windows: [2h, 7d]")}, "features/delays/v1 changed"),
        (
            {
                "features/delays/v1/expectations.yaml": "expectations:\n"
                "  - {type: expect_column_to_exist, kwargs: {column: delay_mean_7d}}\n"
            },
            "features/delays/v1 changed",
        ),
        ({SOURCE_FILE: FLIGHTS.replace("distance: int64", "distance: float64")}, "features/sources/flights changed"),
        ({"dvc.lock": DVC_LOCK.replace("aaaa", "bbbb")}, "data of features/sources/flights changed"),
    ],
)
def test_whatever_changes_a_result_plans_the_model(changes: Mapping[str, str | None], reason: str) -> None:
    """Code, locks, definitions, features, expectations, sources and data each reach the model that uses them."""
    (planned,) = plan(changes).models
    assert (planned.id, planned.because) == ("late/v1", [reason])


@pytest.mark.parametrize(
    "changes",
    [
        {"models/late/v1/README.md": "# Another card\n"},
        {"models/late/v1/dvc.lock": "schema: '2.0'\n"},
        {MODEL_FILE: MODEL.replace("owner: flights", "owner: others  # moved")},
        {SET_FILE: DELAYS.replace("owner: flights", "owner: others")},
        {SET_FILE: DELAYS.replace("windows: [1h, 7d]", "windows: [1h, 7d]\n        hop: null")},
        {SOURCE_FILE: FLIGHTS + "      gate: string\n"},
        {"docs/page.md": "words\n"},
        {"policies/new.yaml": None},
    ],
)
def test_what_changes_no_result_plans_nothing(changes: dict[str, str | None]) -> None:
    """Cards, owners, comments, spelled-out defaults and unused columns keep every content key."""
    assert plan(changes, WITH_RELEASE).models == []


def test_the_engine_is_part_of_the_key() -> None:
    """Another engine gives another key."""
    tree = MemoryTree(repository())
    assert content_key(tree, ENGINE, "v1") != content_key(tree, ENGINE.edited("errors.py"), "v1")


def test_a_source_without_a_snapshot_is_a_problem() -> None:
    """A model whose data DVC does not know cannot have a key."""
    assert "has no data snapshot" in refused({"dvc.lock": None, "models/late/v1/model.py": "x = 1\n"})


def test_the_blast_radius_names_columns_and_models() -> None:
    """A changed feature set lists its features, old and new, and the models that use it."""
    (impact,) = plan({SET_FILE: DELAYS.replace("[1h, 7d]", "[2h, 7d]")}).impacts
    assert impact.changed == "features/delays/v1"
    assert impact.models == ["late/v1"]
    assert {"delays.delay_mean_1h", "delays.delay_mean_2h", "delays.delay_mean_7d"} <= {*impact.columns}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models/late/v1/model.py": "x = 1\n"}, "late/v1 serves in prod and may not be edited in place (model.py)"),
        ({MODEL_FILE: MODEL.replace("primary: auc", "primary: brier")}, "may not be edited in place (model.yaml)"),
        ({SET_FILE: DELAYS.replace("[1h, 7d]", "[2h, 7d]")}, "delays/v1 is used by late/v1 (serves in prod)"),
        ({SET_FILE: None}, "delays/v1/feature_set.yaml: is used by late/v1 (serves in prod) and may not be removed"),
        ({SOURCE_FILE: None}, "is used by late/v1 (serves in prod) and may not be removed while that serves"),
        ({SOURCE_FILE: FLIGHTS.replace("distance: int64", "distance: float64")}, "source flights is used by late/v1"),
        ({SOURCE_FILE: FLIGHTS.replace("known_at: known\n", "")}, "source flights is used by late/v1"),
    ],
)
def test_what_serves_may_not_be_edited_in_place(changes: Mapping[str, str | None], words: str) -> None:
    """A released version and the meaning of what it uses are frozen; the message names the environment."""
    assert words in refused(changes, WITH_RELEASE)


def test_a_frozen_version_suggests_the_next() -> None:
    """The message offers the next free version."""
    before: dict[str, str | None] = {**WITH_RELEASE, **model_files("models/late/v7")}
    assert "did you mean 'models/late/v8'?" in refused({"models/late/v1/model.py": "x = 1\n"}, before)


def test_the_removal_of_what_serves_says_how_to_remove_it() -> None:
    """No new version is offered: the release goes first or with it. Renaming is a removal too."""
    gone: dict[str, str | None] = dict.fromkeys(model_files("models/late/v1"))
    for changes in (gone, gone | model_files("models/tardy/v1")):
        words = refused(changes, WITH_RELEASE)
        assert "models/late/v1: late/v1 serves in prod and may not be removed while it does" in words
        assert "in the same pull request, or first (git rm environments/prod/late.yaml)" in words
        assert "how to delete or rename a model: docs/releases.md" in words
        assert "did you mean" not in words


def test_a_model_is_removed_together_with_its_releases() -> None:
    """One change takes away the version and what says that it serves."""
    gone: dict[str, str | None] = dict.fromkeys([*model_files("models/late/v1"), RELEASE_FILE])
    found = plan(gone, WITH_RELEASE)
    assert found.removed_models == ["late/v1"]
    assert [(change.move, change.description) for change in found.releases] == [("remove", "v1 no longer serves")]


@pytest.mark.parametrize(
    "changes",
    [
        {"models/late/v1/README.md": "# Another card\n"},
        {"models/late/v1/run.yaml": "as_of: 2013-10-02T00:00:00Z\n"},
        {MODEL_FILE: MODEL.replace("Will it be late?", "Late?")},
        {"features/delays/v1/expectations.yaml": "expectations: []\n"},
        {"dvc.lock": DVC_LOCK.replace("aaaa", "bbbb")},
        {SOURCE_FILE: FLIGHTS + "      gate: string\n"},
    ],
)
def test_words_expectations_data_and_new_columns_may_change_under_a_release(changes: dict[str, str | None]) -> None:
    """These do not alter what the released version means."""
    assert plan(changes, WITH_RELEASE).kind in {"model", "other"}


def test_a_version_that_serves_nowhere_may_be_edited_and_removed() -> None:
    """Freedom ends at the first release, not before."""
    before: dict[str, str | None] = {**WITH_RELEASE, **model_files("models/late/v2")}
    gone: dict[str, str | None] = dict.fromkeys(model_files("models/late/v2"))
    assert plan(gone, before).removed_models == ["late/v2"]
    assert plan({"models/late/v2/model.py": "x = 1\n"}, before).models[0].id == "late/v2"


def test_a_release_change_is_classified() -> None:
    """A promotion's edit is one release change, and the plan's kind is release."""
    canary = promoted(RELEASED, variant("v2"), PROD_PLAN)
    found = plan({RELEASE_FILE: render_release(canary)}, WITH_RELEASE)
    assert found.kind == "release"
    assert [(c.environment, c.model, c.move) for c in found.releases] == [("prod", "late", "promote")]


def test_a_promotion_may_not_bring_its_own_canary_plan() -> None:
    """Steps [100] smuggled into a promotion are refused: the environment says how traffic moves."""
    at_once = PROD_PLAN.model_copy(update={"steps": [100]})
    changes: dict[str, str | None] = {RELEASE_FILE: render_release(promoted(RELEASED, variant("v2"), at_once))}
    assert "takes the canary plan of environments/prod/environment.yaml" in refused(changes, WITH_RELEASE)


def test_history_tells_a_rollback() -> None:
    """What the file held before may come back; without history it is a hand edit."""
    second = RELEASED.model_copy(update={"variants": [variant("v2").model_copy(update={"weight": 100})]})
    before: dict[str, str | None] = {RELEASE_FILE: render_release(second)}
    back: dict[str, str | None] = {RELEASE_FILE: render_release(RELEASED)}
    assert plan(back, before, [RELEASED]).releases[0].move == "rollback"
    assert "releases are edited by commands" in refused(back, before)


def test_all_problems_are_found_at_once() -> None:
    """A frozen model, a hand-edited release and missing data come in one error."""
    hand = advanced(promoted(RELEASED, variant("v2"), PROD_PLAN))
    text = refused(
        {
            "models/late/v1/model.py": "x = 1\n",
            RELEASE_FILE: render_release(hand),
            **model_files("models/late/v2", MODEL.replace("set: delays/v1", "set: delays/v9")),
        },
        WITH_RELEASE,
    )
    assert "may not be edited in place" in text
    assert "releases are edited by commands" in text
    assert "there is no such feature set" in text


def test_only_what_changed_is_read() -> None:
    """With one changed model among many, the others' files and other models' releases are not opened."""
    many: dict[str, str | None] = {}
    for number in range(30):
        many |= model_files(f"models/other{number}/v1")
        many[f"environments/prod/other{number}.yaml"] = render_release(RELEASED)
    base = MemoryTree(repository(**many))
    head = MemoryTree(repository(**many, **model_files("models/other3/v2")))
    assert [m.id for m in plan_change(base, head, BASE, HEAD, ENGINE).models] == ["other3/v2"]
    opened = {path for path in (*base.reads, *head.reads) if path.startswith(("models/", "environments/"))}
    assert {path.rsplit("/", 1)[0] for path in opened} <= {"models/other3/v2"}


def test_changed_environments_and_gates_are_listed() -> None:
    """A gate that the change touches is named; an environment's edit is among the files."""
    found = plan({"policies/whole.yaml": None, "environments/prod/environment.yaml": PROD + "    approvals: 2\n"})
    assert found.policies == ["whole"]
    assert [file.path for file in found.files] == ["environments/prod/environment.yaml", "policies/whole.yaml"]


@pytest.mark.parametrize(
    "path", ["models/Late/v1/model.yaml", "models/late/vv/model.yaml", "environments/prod/Late-x.yaml"]
)
def test_a_name_that_cannot_be_is_an_input_error(path: str) -> None:
    """Not a traceback: the planner may be asked before `check` was."""
    text = render_release(RELEASED) if path.startswith("environments") else MODEL
    assert path in refused({path: text})
    assert plan({path: None}, {path: text}).models == []


def test_a_badly_named_feature_set_is_an_input_error() -> None:
    """What uses it is said why it has no key."""
    place = "delays/v1234567"
    changes = {MODEL_FILE: MODEL.replace("delays/v1", place), f"features/{place}/feature_set.yaml": DELAYS}
    assert "a version's directory must be v and a number" in refused(changes)


@pytest.mark.parametrize(
    "lock",
    [
        "- 1\n", "stages: []\n", "stages: {a: []}\n", "stages: {a: {outs: 3}}\n", "stages: {a: {outs: [x]}}\n",
        "stages: {a: {outs: [{path: [x], md5: y}]}}\n", "stages: {a: {outs: [{path: x, md5: {}}]}}\n",
        "stages: {a: {outs: [{path: x, md5: 1" + "0" * 5000 + "}]}}\n", "stages: [\n", "[" * 5000,
    ],
)  # fmt: skip
def test_a_lock_file_that_is_not_dvcs_is_an_input_error(lock: str) -> None:
    """Whatever `dvc.lock` holds, the plan says what is missing or wrong in it."""
    assert "dvc.lock" in refused({"dvc.lock": lock, "models/late/v1/model.py": "x = 1\n"})


def test_a_release_that_cannot_be_read_may_be_removed() -> None:
    """Taking it away is the repair."""
    (change,) = plan({RELEASE_FILE: None}, {RELEASE_FILE: "variants: nonsense\n"}).releases
    assert (change.move, change.description) == ("remove", "a release that could not be read is removed")


def test_an_error_that_names_no_place_is_a_problem_of_the_version_it_hinders(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model version drops out of a plan without a word."""

    def broken(_inputs: Inputs, _model: object) -> None:
        raise InputError("nobody knows why")

    monkeypatch.setattr(Inputs, "of", broken)
    assert refused({"models/late/v1/model.py": "x = 1\n"}) == "models/late/v1/model.yaml: nobody knows why"


def test_the_generated_pipeline_of_a_released_version_may_change() -> None:
    """It follows the feature sets and the engine; what it says is in the key already."""
    changes = {"models/late/v1/dvc.yaml": "stages: {train: {}}\n"}
    assert plan(changes, WITH_RELEASE).models == []
