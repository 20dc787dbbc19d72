"""An edit of one thing changes the content keys of exactly the model versions that are made of it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.loading import load_model
from bighead_ci.documents.base import digest_of
from bighead_ci.planning.change import content_key, plan_change
from fakes.memory_tree import MODEL, MemoryTree, model_files

ENGINE = digest_of("engine")

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


def files() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in SOURCES:
        found[f"features/sources/{name}.yaml"] = SOURCE.format(name=name)
    for identity, source in SETS.items():
        found[f"features/{identity}/feature_set.yaml"] = SET.format(source=source)
        found[f"features/{identity}/expectations.yaml"] = "expectations: []\n"
    for identity, (source, sets) in MODELS.items():
        uses = "".join(f"      - set: {one}\n" for one in sets)
        text = MODEL.replace("      - set: delays/v1\n        columns: [delay_mean_7d]\n", uses)
        text = text.replace("source: flights", f"source: {source}").replace("slices: [origin]", "slices: []")
        found |= model_files(f"models/{identity}", text if sets else text.replace("    features:\n", ""))
    outs = "".join(f"      - {{path: features/sources/{name}.parquet, md5: {name}}}\n" for name in SOURCES)
    found["dvc.lock"] = "stages:\n  data:\n    outs:\n" + outs
    return {path: textwrap.dedent(text).lstrip("\n") for path, text in found.items()}


FILES = files()


def keys(content: Mapping[str, str]) -> dict[str, str]:
    tree = MemoryTree(content)
    return {identity: content_key(tree, load_model(tree, *identity.split("/")), ENGINE) for identity in MODELS}


def sources_of(identity: str) -> set[str]:
    source, sets = MODELS[identity]
    return {source, *(SETS[one] for one in sets)}


def edit(path: str, old: str, new: str) -> dict[str, str]:
    assert old in FILES[path], path
    return {**FILES, path: FILES[path].replace(old, new, 1)}


def edits() -> list[tuple[str, dict[str, str], set[str]]]:
    """(what, the files after it, model versions whose keys must change)."""
    every = set(MODELS)
    found: list[tuple[str, dict[str, str], set[str]]] = []
    for source in SOURCES:
        path = f"features/sources/{source}.yaml"
        users = {one for one in every if source in sources_of(one)}
        own = {one for one in every if MODELS[one][0] == source}
        found += [
            (f"data of {source}", edit("dvc.lock", f"md5: {source}", "md5: other"), users),
            (f"time column of {source}", edit(path, "timestamp: at", "timestamp: at\nknown_at: at"), users),
            (f"type of a feature's column of {source}", edit(path, "delay: float64", "delay: int64"), users - own),
            (f"type of a request's column of {source}", edit(path, "distance: int64", "distance: float64"), own),
            (f"unused column of {source}", edit(path, "spare: int64", "spare: string"), set()),
            (f"owner of {source}", edit(path, "owner: flights", "owner: others"), set()),
        ]
    for one in SETS:
        path, users = f"features/{one}", {m for m in every if one in MODELS[m][1]}
        found += [
            (f"window of {one}", edit(f"{path}/feature_set.yaml", "[7d]", "[8d]"), users),
            (f"expectations of {one}", {**FILES, f"{path}/expectations.yaml": "expectations: [ ]\n"}, users),
            (f"owner of {one}", edit(f"{path}/feature_set.yaml", "owner: flights", "owner: others"), set()),
            (f"a note beside {one}", {**FILES, f"{path}/notes.txt": "words\n"}, set()),
        ]
    for model in MODELS:
        path = f"models/{model}"
        found += [
            (f"{file} of {model}", {**FILES, f"{path}/{file}": "changed\n"}, {model})
            for file in ("model.py", "requirements.lock", "golden_rows.json", "expectations.yaml", "more/helper.py")
        ]
        found += [
            (f"{file} of {model}", {**FILES, f"{path}/{file}": "changed\n"}, set())
            for file in ("README.md", "dvc.yaml", "dvc.lock", ".gitignore")
        ]
        found += [
            (f"primary metric of {model}", edit(f"{path}/model.yaml", "primary: auc", "primary: brier"), {model}),
            (f"description of {model}", edit(f"{path}/model.yaml", "Will it be late?", "Late?"), set()),
        ]
    return [*found, ("a page", {**FILES, "docs/page.md": "words\n"}, set())]


EDITS = edits()
BEFORE = keys(FILES)


@pytest.mark.parametrize(("after", "expected"), [case[1:] for case in EDITS], ids=[case[0] for case in EDITS])
def test_an_edit_changes_the_keys_of_exactly_its_users(after: dict[str, str], expected: set[str]) -> None:
    """Code, data, features and definitions reach the keys of those who use them; words reach none."""
    now = keys(after)
    assert {one for one in MODELS if now[one] != BEFORE[one]} == expected


@given(st.lists(st.sampled_from(EDITS), min_size=1, max_size=4, unique_by=lambda case: case[0]))
def test_a_plan_names_exactly_the_versions_with_new_keys(cases: list[tuple[str, dict[str, str], set[str]]]) -> None:
    """Whatever comes together in one change, what is planned is what differs, with the key it has by itself."""
    after = dict(FILES)
    for _, edited, _ in cases:
        after |= {path: text for path, text in edited.items() if FILES.get(path) != text}
    plan = plan_change(MemoryTree(FILES), MemoryTree(after), "a" * 40, "b" * 40, ENGINE)
    now = keys(after)
    assert {one.id: one.content_key for one in plan.models} == {m: now[m] for m in MODELS if now[m] != BEFORE[m]}


@pytest.mark.parametrize("changed", sorted(SETS))
def test_the_blast_radius_of_a_feature_set_is_its_users(changed: str) -> None:
    """A changed set lists all model versions that take it, and no other."""
    assert impact_of(edit(f"features/{changed}/feature_set.yaml", "[7d]", "[8d]")) == {
        m for m in MODELS if changed in MODELS[m][1]
    }


@pytest.mark.parametrize("changed", SOURCES)
def test_the_blast_radius_of_a_source_goes_through_its_feature_sets(changed: str) -> None:
    """Models that learn from a source's rows, and those that take features made of it."""
    path = f"features/sources/{changed}.yaml"
    assert impact_of(edit(path, "delay: float64", "delay: int64")) == {m for m in MODELS if changed in sources_of(m)}


def impact_of(after: dict[str, str]) -> set[str]:
    (impact,) = plan_change(MemoryTree(FILES), MemoryTree(after), "a" * 40, "b" * 40, ENGINE).impacts
    return {*impact.models}


def test_a_key_is_of_what_the_tree_holds_alone() -> None:
    """Files in another order, and files that are nobody's, give the same key."""
    backwards = dict(reversed(FILES.items()))
    assert keys({**backwards, "unrelated.txt": "x"}) == BEFORE
