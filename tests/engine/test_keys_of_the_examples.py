"""Which edit of the engine retrains which example: judged by another reader of imports than the engine's own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import grimp
import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.engine.installed import InstalledEngine
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import STAGES, servers_of
from fakes.edited_engine import EditedEngine

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ("flight_delay/v1", "flight_delay/v2", "digit_reader/v1")
ENGINE = InstalledEngine()
GRAPH = grimp.build_graph("bighead_ci", exclude_type_checking_imports=True, cache_dir=None)
NEW = ("transforms/brand_new.py", "cli/brand_new.py", "reporting/templates/brand_new.html.jinja")
ENTRY_POINTS = [
    *(way.module for stage in STAGES for way in stage.ways),
    *(module for server in servers_of(None).values() for module in sorted(server.modules)),
]


def module_of(path: str) -> str:
    parts = ["bighead_ci", *path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported_by(root: str) -> frozenset[str]:
    """The module, all that it imports, directly or not, and the packages that these are in."""
    modules = {root, *GRAPH.find_upstream_modules(root)}
    parents = {name.rsplit(".", depth)[0] for name in modules for depth in range(1, name.count(".") + 1)}
    return frozenset(modules | parents)


@cache
def own_imports(model: str) -> frozenset[str]:
    """Modules of the engine that an example's code names, found as text."""
    text = (ROOT / "models" / model / "model.py").read_text()
    return frozenset(name for name in GRAPH.modules if f"from {name} import" in text or f"import {name}\n" in text)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs(Files(DirectoryTree(ROOT)), ENGINE)


def model_of(inputs: Inputs, identity: str) -> VersionedModel:
    return inputs.definitions.model(*identity.split("/"))


def keyed(inputs: Inputs, identity: str, engine: InstalledEngine) -> VersionInputs:
    """With what the definitions say read once."""
    inputs.engine = engine
    return inputs.of(model_of(inputs, identity))


@pytest.mark.parametrize("root", ENTRY_POINTS)
def test_a_component_is_what_another_reader_of_imports_finds(root: str) -> None:
    """No module more, and none less."""
    assert {module_of(path) for path in ENGINE.component({root}).files} == imported_by(root)


@pytest.mark.parametrize("model", EXAMPLES)
def test_an_edit_of_any_file_of_the_engine_rekeys_what_imports_it_and_nothing_else(inputs: Inputs, model: str) -> None:
    """Every module, template and style sheet of the engine, one by one, and new ones of each kind."""
    before = keyed(inputs, model, ENGINE)
    roots: dict[str, set[str]] = {stage.name: set() for stage in STAGES}
    for stage in STAGES:
        for way in stage.ways:
            roots[stage.name] |= {way.module, *(own_imports(model) if way.reads_code else ())}
    for image, server in servers_of(None).items():
        roots[f"image:{image}"] = {*server.modules, *(own_imports(model) if server.reads_code else ())}
    training = {stage.module for stage in STAGES if stage.environment == "training"}
    roots |= {"image:train": training | own_imports(model)}
    seen_by = {name: frozenset[str]().union(*map(imported_by, named)) for name, named in roots.items()}
    rekeyed = 0
    for path in [*ENGINE._all_files, *NEW]:
        after = keyed(inputs, model, EditedEngine(ENGINE, path))
        expected = {name for name, modules in seen_by.items() if path.endswith(".py") and module_of(path) in modules}
        assert changed(before, after) == expected, path
        assert (before.content_key != after.content_key) == bool(expected), path
        rekeyed += bool(expected)
    assert 0 < rekeyed < len(ENGINE._all_files) / 2


def changed(before: VersionInputs, after: VersionInputs) -> set[str]:
    found = {stage for stage in before.stages if before.stages[stage]["engine"] != after.stages[stage]["engine"]}
    return found | {f"image:{one}" for one in before.images if before.images[one] != after.images[one]}


def test_one_transform_concerns_only_the_model_that_uses_it(inputs: Inputs) -> None:
    """The digit reader's torch estimator is in its keys, and in no key of the flights' models."""
    edited = EditedEngine(ENGINE, "transforms/torch_estimator.py")
    before = {model: keyed(inputs, model, ENGINE).content_key for model in EXAMPLES}
    after = {model: keyed(inputs, model, edited).content_key for model in EXAMPLES}
    assert {model for model in EXAMPLES if before[model] != after[model]} == {"digit_reader/v1"}
