"""What determines a result is one list: an edit changes the keys of exactly the stages and images that could see it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bighead_ci.definitions.files import Files
from bighead_ci.documents.inputs import Image, VersionInputs, changed_inputs
from bighead_ci.errors import InputError
from bighead_ci.planning.change import plan_change
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import STAGES, earlier
from bighead_ci.ports.engine import Engine
from bighead_ci.ports.progress import silent
from fakes.engine import MemoryEngine, engine_files
from fakes.images import MemoryImages
from fakes.memory_tree import LOCK, MODEL, MemoryTree, model_files

ENGINE = MemoryEngine()
SOURCE = """
    owner: flights
    path: {name}.parquet
    timestamp: at
    event_id: id
    columns: {{id: int64, at: timestamp, delay: float64, late: bool, carrier: string, distance: int64, spare: int64}}
"""
SET = """
    owner: flights
    source: {source}
    key: [carrier]
    aggregations: [{{column: delay, operations: [mean], windows: [7d]}}]
"""
SOURCES = ("east", "west", "north")
SETS = {"east_delays/v1": "east", "west_delays/v1": "west", "west_delays/v2": "west"}
MODELS = {
    "plain/v1": ("north", ()),
    "plain/v2": ("north", ("east_delays/v1",)),
    "busy/v1": ("east", ("west_delays/v1",)),
    "busy/v2": ("north", ("east_delays/v1", "west_delays/v2")),
}
"""Model version → its spine's and label's source, and its feature sets."""
IMAGES: tuple[Image, ...] = ("train", "serve", "serve-code")
IN_IMAGES = frozenset(f"image:{image}" for image in IMAGES)
RUN_CODE = frozenset({"train", "evaluate", "package"})
"""Stages that run a version's code, or may have to, if nothing compiled answers."""
UNREAD = ("README.md", "dvc.yaml", "dvc.lock", ".gitignore", "out/left.json", "node_modules/x.txt", ".bighead/x.json")


def files() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in SOURCES:
        found[f"features/sources/{name}.yaml"] = SOURCE.format(name=name)
    for identity, source in SETS.items():
        found[f"features/{identity}/feature_set.yaml"] = SET.format(source=source)
        found[f"features/{identity}/expectations.yaml"] = (
            "expectations:\n  - {type: expect_column_to_exist, kwargs: {column: delay_mean_7d}}\n"
        )
    for identity, (source, sets) in MODELS.items():
        uses = "".join(f"      - set: {one}\n" for one in sets)
        text = MODEL.replace("      - set: delays/v1\n        columns: [delay_mean_7d]\n", uses)
        text = text.replace("source: flights", f"source: {source}").replace("slices: [origin]", "slices: []")
        text += "    parameters: {trees: 3}\n"
        found |= model_files(f"models/{identity}", text if sets else text.replace("    features:\n", ""))
        found[f"models/{identity}/golden_rows.json"] = '[{"distance": 200}]'
    outs = "".join(f"      - {{path: features/sources/{name}.parquet, md5: {name}}}\n" for name in SOURCES)
    found["dvc.lock"] = "stages:\n  data:\n    outs:\n" + outs
    return {path: textwrap.dedent(text).lstrip("\n") for path, text in found.items()}


FILES = files()


def inputs_of(content: Mapping[str, str], engine: Engine = ENGINE) -> dict[str, VersionInputs]:
    inputs = Inputs(Files(MemoryTree(content)), engine)
    return {identity: inputs.of(inputs.definitions.model(*identity.split("/"))) for identity in MODELS}


BEFORE = inputs_of(FILES)


def changed(before: VersionInputs, after: VersionInputs) -> set[str]:
    """Stages and images with an input of their own that differs; what follows from earlier stages is left out."""
    found = {name for name in before.stages if own(before.stages[name]) != own(after.stages[name])}
    return found | {f"image:{target}" for target in before.images if before.images[target] != after.images[target]}


def own(named: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in named.items() if not name.startswith("stage:")}


def rekeyed(before: VersionInputs, after: VersionInputs) -> set[str]:
    return {name for name in before.stages if before.stage_key(name) != after.stage_key(name)}


def with_later(stages: set[str]) -> set[str]:
    """The stages and all that read what they leave."""
    found = set(stages)
    for stage in STAGES:
        if found & set(earlier(stage)):
            found.add(stage.name)
    return found


@dataclass(frozen=True)
class Edit:
    what: str
    after: dict[str, str]
    expected: dict[str, frozenset[str]]
    """Model version → stages and images that see it."""


def sources_of(identity: str) -> set[str]:
    source, sets = MODELS[identity]
    return {source, *(SETS[one] for one in sets)}


def edit(path: str, old: str, new: str) -> dict[str, str]:
    assert old in FILES[path], path
    return {**FILES, path: FILES[path].replace(old, new, 1)}


def of_each(models: set[str], *seen_by: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(models, frozenset(seen_by))


def source_edits() -> list[Edit]:
    found = []
    for source in SOURCES:
        path = f"features/sources/{source}.yaml"
        users = {one for one in MODELS if source in sources_of(one)}
        own_rows = {one for one in MODELS if MODELS[one][0] == source}
        through = {one for one in MODELS if source in {SETS[s] for s in MODELS[one][1]}}
        set_meaning = of_each(own_rows, "training-set") | of_each(through, "training-set", "train", "record")
        found += [
            Edit(f"data of {source}", edit("dvc.lock", f"md5: {source}", "md5: other"), of_each(users, "training-set")),
            Edit(f"time of {source}", edit(path, "timestamp: at", "timestamp: at\nknown_at: at"), set_meaning),
            Edit(
                f"type of a feature's column of {source}",
                edit(path, "delay: float64", "delay: int64"),
                of_each(through, "training-set", "train", "record"),
            ),
            Edit(
                f"type of a request's column of {source}",
                edit(path, "distance: int64", "distance: float64"),
                of_each(own_rows, "training-set"),
            ),
            Edit(f"unused column of {source}", edit(path, "spare: int64", "spare: string"), {}),
            Edit(f"owner of {source}", edit(path, "owner: flights", "owner: others"), {}),
        ]
    return found


def set_edits() -> list[Edit]:
    found = []
    for one in SETS:
        path, users = f"features/{one}", {m for m in MODELS if one in MODELS[m][1]}
        window = "training-set", "quality", "train", "record"
        more = "expectations:\n  - {type: expect_column_to_exist, kwargs: {column: delay_mean_7d}, column_index: 2}\n"
        found += [
            Edit(f"window of {one}", edit(f"{path}/feature_set.yaml", "[7d]", "[8d]"), of_each(users, *window)),
            Edit(f"expectations of {one}", {**FILES, f"{path}/expectations.yaml": more}, of_each(users, "quality")),
            Edit(f"owner of {one}", edit(f"{path}/feature_set.yaml", "owner: flights", "owner: others"), {}),
            Edit(f"a note beside {one}", {**FILES, f"{path}/notes.txt": "words\n"}, {}),
        ]
    return found


def model_edits() -> list[Edit]:
    found = []
    for model in MODELS:
        path = f"models/{model}"
        own_files = {
            "model.py": {*RUN_CODE, *IN_IMAGES},
            "more/helper.py": {*RUN_CODE, *IN_IMAGES},
            "vocabulary.txt": {*RUN_CODE, *IN_IMAGES},
            "golden_rows.json": {*RUN_CODE, *IN_IMAGES},
            "expectations.yaml": {"quality"},
            "training.lock": {*RUN_CODE, "record", "image:train", "image:serve-code"},
            "serving.lock": {"evaluate", "package", "record", "image:serve"},
            "run.yaml": {"training-set"},
            **{file: set() for file in UNREAD},
        }
        texts = {
            "golden_rows.json": '[{"distance": 300}]',
            "expectations.yaml": "expectations:\n  - {type: expect_column_to_exist, kwargs: {column: distance}}\n",
            "training.lock": textwrap.dedent(LOCK).lstrip("\n").replace("2.4.6", "2.4.7"),
            "serving.lock": textwrap.dedent(LOCK).lstrip("\n").replace("2.4.6", "2.4.7"),
            "run.yaml": "as_of: 2013-10-02T00:00:00Z\n",
        }
        for file, seen_by in own_files.items():
            after = {**FILES, f"{path}/{file}": texts.get(file, "# changed\n")}
            found.append(Edit(f"{file} of {model}", after, {model: frozenset(seen_by)} if seen_by else {}))
        for line in ("base: registry.example/python@sha256:" + "7" * 64, "packages: [libgomp1]"):
            after = {**FILES, f"{path}/model.yaml": f"{FILES[f'{path}/model.yaml']}environment: {{{line}}}\n"}
            found.append(
                Edit(f"environment, {line[:8]} in {model}", after, {model: frozenset({*RUN_CODE, *IN_IMAGES})})
            )
        lines = {
            "trees: 3": ("trees: 4", {"train", "record"}),
            "primary: auc": ("primary: brier", {"evaluate"}),
            "distance: {type: int64}": ("distance: {type: int64, description: Miles}", {"train", "record"}),
            "column: late}": ("column: late, offset: 1d}", {"training-set"}),
            "task: binary": ("task: multiclass", {"train", "record"}),
            "description: Will it be late?": ("description: Late?", set()),
        }
        for old, (new, stages) in lines.items():
            expected = {model: frozenset(stages)} if stages else {}
            found.append(Edit(f"{new} in {model}", edit(f"{path}/model.yaml", old, new), expected))
    return found


EDITS = [*source_edits(), *set_edits(), *model_edits(), Edit("a page", {**FILES, "docs/page.md": "words\n"}, {})]


@pytest.mark.parametrize("case", EDITS, ids=lambda case: case.what)
def test_an_edit_changes_the_keys_of_exactly_the_stages_that_could_see_it(case: Edit) -> None:
    """Code, data, definitions and locks reach those who read them, and what follows from these; words reach nobody."""
    now = inputs_of(case.after)
    seen = {model: frozenset(found) for model in MODELS if (found := changed(BEFORE[model], now[model]))}
    assert seen == case.expected
    for model in MODELS:
        stages = {name for name in case.expected.get(model, ()) if not name.startswith("image:")}
        assert rekeyed(BEFORE[model], now[model]) == with_later(stages)
        assert (BEFORE[model].content_key == now[model].content_key) == (model not in case.expected)


def reached(model: str, path: str, after: Mapping[str, str]) -> set[str]:
    """Stages whose checkout, and images whose content, an edit of a file changes: by what they are given, not by keys.

    A stage gets its order, the lock of the environment that it runs in, and the code files that its order names.
    """
    found = {f"image:{image}" for image in IMAGES if image_of(FILES, model, image) != image_of(after, model, image)}
    before, now = orders_of(FILES, model), orders_of(after, model)
    for stage in STAGES:
        read = {f"models/{model}/{name}" for name in now[stage.name]["spec"].get("code", ())}
        read |= {f"models/{model}/{way.environment}.lock" for way in stage.ways if way.environment != "engine"}
        if before[stage.name] != now[stage.name] or path in read:
            found.add(stage.name)
    return found


def orders_of(content: Mapping[str, str], model: str) -> dict[str, dict[str, Any]]:
    """What each stage is told, without the list of keys that `record` copies, and without the data."""
    inputs = Inputs(Files(MemoryTree(content)), ENGINE)
    orders = inputs.orders(inputs.definitions.model(*model.split("/")))
    return {name: {part: value for part, value in order.items() if part != "inputs"} for name, order in orders.items()}


def image_of(content: Mapping[str, str], model: str, image: Image) -> dict[str, str]:
    """Path → digest of all that a real image holds, after the builder has read the tree."""
    tree, images = MemoryTree(content), MemoryImages(ENGINE)
    inputs = Inputs(Files(tree), ENGINE)
    found = images.find(
        images.ensure(inputs.recipe(image, inputs.definitions.model(*model.split("/"))), tree, silent).reference
    )
    assert found is not None
    return found.files


@pytest.mark.parametrize("model", MODELS)
def test_every_file_that_is_in_a_key_reaches_its_stage_or_image(model: str) -> None:
    """No file changes a key alone, and none reaches a stage or an image past its key."""
    ours = [one for one in EDITS if one.what.endswith(f" of {model}")]
    assert len(ours) >= len(UNREAD) + 8
    for one in ours:
        (path,) = (name for name, text in one.after.items() if FILES.get(name) != text)
        assert reached(model, path, one.after) == changed(BEFORE[model], inputs_of(one.after)[model]), path


ENGINE_EDITS: list[tuple[str, frozenset[str]]] = [
    ("errors.py", frozenset({*(stage.name for stage in STAGES), *IN_IMAGES})),
    ("entry_points/stages/train.py", frozenset({"train", "image:train"})),
    ("entry_points/stages/quality.py", frozenset({"quality"})),
    ("entry_points/stages/code_evaluate.py", frozenset({"evaluate"})),
    ("entry_points/stages/code_train.py", frozenset()),
    ("entry_points/serving.py", frozenset({"image:serve"})),
    ("entry_points/code_serving.py", frozenset({"image:serve-code"})),
    ("transforms/wavelets.py", frozenset()),
    ("transforms/brand_new.py", frozenset()),
    ("cli/ship.py", frozenset()),
    ("reporting/template.jinja", frozenset()),
]


@pytest.mark.parametrize(("path", "expected"), ENGINE_EDITS, ids=[path for path, _ in ENGINE_EDITS])
def test_an_edit_of_the_engine_changes_the_keys_of_what_imports_it(path: str, expected: frozenset[str]) -> None:
    """A new transform, a command, a report's template change no key of a model that does not use them."""
    now = inputs_of(FILES, ENGINE.edited(path))
    for model in MODELS:
        assert changed(BEFORE[model], now[model]) == expected


@pytest.mark.parametrize(
    ("library", "expected"),
    [
        ("duckdb", {"training-set"}),
        ("pandas", {"quality"}),
        ("numpy", {"quality"}),  # which pandas requires
        ("scikit-learn", set()),  # training runs with what its lock says
        ("onnxruntime", set()),
    ],
)
def test_an_upgrade_of_a_library_changes_the_keys_of_the_stages_that_run_in_the_engines_environment(
    library: str, expected: set[str]
) -> None:
    """Imported by the stage's part of the engine, or required by what is; for all else the locks say it."""
    starts = {"stages/train": "sklearn", "stages/evaluate": "onnxruntime", "serving": "onnxruntime"}
    importing = {f"entry_points/{start}.py": f"import {name}\n" for start, name in starts.items()}
    engine = MemoryEngine({**engine_files(), **importing})
    before, now = inputs_of(FILES, engine), inputs_of(FILES, engine.upgraded(library, "99.0"))
    for model in MODELS:
        assert changed(before[model], now[model]) == expected
        wanted = (metadata.version(library), "99.0")
        assert changed_inputs(before[model], now[model]) == ({f"distribution:{library}": wanted} if expected else {})


def test_another_python_changes_the_keys_of_all_stages_and_images() -> None:
    """Its minor version; a record says which it was."""
    now = inputs_of(FILES, ENGINE.on_python("3.99"))
    for model in MODELS:
        assert changed(BEFORE[model], now[model]) == {*(stage.name for stage in STAGES), *IN_IMAGES}
        assert changed_inputs(BEFORE[model], now[model]) == {"python": (ENGINE.python, "3.99")}


@pytest.mark.parametrize(
    ("code", "edited", "is_seen"),
    [
        ("from bighead_ci.transforms.wavelets import Wavelet\n", "transforms/wavelets.py", True),
        ("from bighead_ci.transforms.wavelets import Wavelet\n", "transforms/scaling.py", True),
        ("def build(p):\n    from bighead_ci.transforms import wavelets\n", "transforms/wavelets.py", True),
        ("from bighead_ci.transforms import scaling\n", "transforms/wavelets.py", False),
        ("import importlib\nimportlib.import_module('bighead_ci.' + name)\n", "transforms/wavelets.py", True),
        ("import importlib\nimportlib.import_module('bighead_ci.' + name)\n", "cli/ship.py", True),
        ("import joblib\nWORDS = joblib.load('words.pkl')\n", "transforms/wavelets.py", True),
        ("exec(open('more.txt').read())\n", "transforms/wavelets.py", True),
        ("from pathlib import Path\nWORDS = Path(__file__).with_name('words.txt')\n", "transforms/wavelets.py", False),
        ("this is no Python (\n", "transforms/wavelets.py", False),
    ],
)
def test_the_parts_of_the_engine_that_the_models_code_imports_are_in_its_keys(
    code: str, edited: str, is_seen: bool
) -> None:
    """By name, or all of the engine where the code computes what it imports."""
    content = {**FILES, "models/plain/v1/model.py": code}
    before, after = inputs_of(content), inputs_of(content, ENGINE.edited(edited))
    seen_by = {*RUN_CODE, "image:train", "image:serve-code"} if is_seen else set()
    assert changed(before["plain/v1"], after["plain/v1"]) == seen_by
    assert changed(before["plain/v2"], after["plain/v2"]) == set()


def test_data_that_a_run_chose_does_not_move_with_dvc_lock() -> None:
    """A run.yaml that names a source's data keeps its keys when dvc.lock moves on, and others' keys change."""
    pinned = "as_of: 2013-10-01T00:00:00Z\ndata: {north: " + "a" * 32 + "}\n"
    chosen = {**FILES, "models/plain/v1/run.yaml": pinned}
    before = inputs_of(chosen)
    after = inputs_of({**chosen, "dvc.lock": FILES["dvc.lock"].replace("md5: north", "md5: newer")})
    assert changed(before["plain/v1"], after["plain/v1"]) == set()
    assert changed(before["plain/v2"], after["plain/v2"]) == {"training-set"}


def test_sources_that_lie_in_one_file_take_the_same_data() -> None:
    """Else the key could name only one of the two that were read."""
    shared = {**FILES, "features/sources/west.yaml": FILES["features/sources/east.yaml"]}
    run = "as_of: 2013-10-01T00:00:00Z\ndata: {{east: {}{}}}\n"
    one, other = "a" * 32, "b" * 32
    for text in (run.format(one, ""), run.format(one, f", west: {other}")):
        with pytest.raises(InputError, match=r"models/busy/v1/run\.yaml: data\.(east|west): .* lie in the same file"):
            inputs_of({**shared, "models/busy/v1/run.yaml": text})
    both = inputs_of({**shared, "models/busy/v1/run.yaml": run.format(one, f", west: {one}")})
    assert both["busy/v1"].stages["training-set"]["data:features/sources/east.parquet"] == one


def test_what_changed_is_told_by_name() -> None:
    """Inputs that differ, without the keys that follow from them."""
    after = inputs_of(edit("dvc.lock", "md5: north", "md5: newer"))["plain/v1"]
    assert changed_inputs(BEFORE["plain/v1"], after) == {"data:features/sources/north.parquet": ("north", "newer")}


def test_what_changed_is_told_for_each_that_reads_it() -> None:
    """A part of the definitions that means one thing to one stage and another to the next is not hidden by it."""
    keyed = edit(
        "models/busy/v1/model.yaml", "- set: west_delays/v1", "- {set: west_delays/v1, keys: {carrier: carrier}}"
    )
    found = changed_inputs(BEFORE["busy/v1"], inputs_of(keyed)["busy/v1"])
    assert "spec:features of training-set" in found


@settings(deadline=None)  # a busy machine
@given(st.lists(st.sampled_from(EDITS), min_size=1, max_size=4, unique_by=lambda case: case.what))
def test_a_plan_names_exactly_the_versions_with_new_keys(cases: list[Edit]) -> None:
    """Whatever comes together in one change, what is planned is what differs, with the key it has by itself."""
    after = dict(FILES)
    for case in cases:
        after |= {path: text for path, text in case.after.items() if FILES.get(path) != text}
    plan = plan_change(MemoryTree(FILES), MemoryTree(after), "a" * 40, "b" * 40, ENGINE)
    now = {model: inputs.content_key for model, inputs in inputs_of(after).items()}
    new = {model: now[model] for model in MODELS if now[model] != BEFORE[model].content_key}
    assert {one.id: one.content_key for one in plan.models} == new


@pytest.mark.parametrize("changed_set", sorted(SETS))
def test_the_blast_radius_of_a_feature_set_is_its_users(changed_set: str) -> None:
    """A changed set lists all model versions that take it, and no other."""
    assert impact_of(edit(f"features/{changed_set}/feature_set.yaml", "[7d]", "[8d]")) == {
        m for m in MODELS if changed_set in MODELS[m][1]
    }


@pytest.mark.parametrize("source", SOURCES)
def test_the_blast_radius_of_a_source_goes_through_its_feature_sets(source: str) -> None:
    """Models that learn from a source's rows, and those that take features made of it."""
    path = f"features/sources/{source}.yaml"
    assert impact_of(edit(path, "delay: float64", "delay: int64")) == {m for m in MODELS if source in sources_of(m)}


def impact_of(after: dict[str, str]) -> set[str]:
    (impact,) = plan_change(MemoryTree(FILES), MemoryTree(after), "a" * 40, "b" * 40, ENGINE).impacts
    return {*impact.models}


def test_keys_are_of_what_the_tree_holds_alone() -> None:
    """Files in another order, and files that are nobody's, give the same keys."""
    backwards = dict(reversed(FILES.items()))
    assert inputs_of({**backwards, "unrelated.txt": "x"}) == BEFORE
