"""Settings of experiments: which parameters, which values, and model.yaml's text with them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.files import Files
from bighead_ci.errors import InputError
from bighead_ci.planning.experiments import MOST, Parameters, lines_to_adopt
from fakes.memory_tree import MODEL, MemoryTree, dedented, repository

PARAMETERS = """
parameters:
  trees: 100  # of the forest
  rate: 0.1
  name: boosted
  stop: null
  exact: true
  layers:
    - 64
    - 32
  # what comes next learns
  optimizer: {kind: adam, rates: {first: 0.9, second: 0.99}}
"""
FILE = "models/late/v1/model.yaml"


def tree(parameters: str = PARAMETERS) -> MemoryTree:
    text = dedented({"m": MODEL})["m"] + parameters.lstrip()
    return MemoryTree(repository(**{FILE: text}))


def parameters(text: str = PARAMETERS) -> Parameters:
    return Parameters.of(tree(text), "late", "v1")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (["trees=200"], [{"trees": 200}]),
        (["trees=200", "rate=1e-2"], [{"trees": 200, "rate": 0.01}]),
        (["trees=100,200,400"], [{"trees": 200}, {"trees": 400}]),
        (["trees=200,400", "exact=false"], [{"trees": 200, "exact": False}, {"trees": 400, "exact": False}]),
        (["layers=[64, 64],[128]"], [{"layers": [64, 64]}, {"layers": [128]}]),
        (["name=forest"], [{"name": "forest"}]),
        (['name="a, b"'], [{"name": "a, b"}]),
        (["stop=5"], [{"stop": 5}]),
        (["optimizer.rates.first=0.8"], [{"optimizer.rates.first": 0.8}]),
        (["optimizer={kind: sgd}"], [{"optimizer": {"kind": "sgd"}}]),
        (["trees=100"], []),
        (["trees=200,200"], [{"trees": 200}]),
    ],
)
def test_settings_are_yaml_and_several_values_are_a_grid(settings: list[str], found: list[dict[str, Any]]) -> None:
    """Each combination once; what model.yaml says already is no experiment."""
    assert parameters().experiments(settings) == found


LINE = 19
"""Of `parameters` in the model.yaml above."""


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("tree=200", rf"{FILE}:{LINE}: parameters: there is no such parameter to --set; got tree; allowed: .*'trees'"),
        ("rates=1", r"got rates; allowed: exact, layers, name, optimizer, .*; did you mean 'rate'"),
        ("trees", r"--set: sets nothing; got trees; allowed: name=value, or name=value,value"),
        ("trees=", r"the value is not written as YAML on one line; got trees="),
        ("layers=[64", r"the value is not written as YAML on one line; got layers=\[64"),
        ("trees=many", rf'{FILE}:{LINE + 1}: parameters\.trees: is a number here, 100; --set gives text; got "many"'),
        ("trees=true", r"is a number here, 100; --set gives true or false; got true"),
        ("name=5", r"is text here, \"boosted\"; --set gives a number"),
        ("layers=64", r"is a list here, \[64, 32\]; --set gives a number"),
        ("optimizer.rates=0.8", r"is a mapping here"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(setting: str, message: str) -> None:
    """With the line of model.yaml, what is allowed and what was probably meant."""
    with pytest.raises(InputError, match=message):
        parameters().experiments([setting])


def test_all_that_is_wrong_with_settings_is_said_at_once() -> None:
    """A parameter that is set twice, in whole and in part, among it."""
    with pytest.raises(InputError) as caught:
        parameters().experiments(["tree=1", "rate=x", "trees=200", "trees=400", "optimizer.kind=a", "optimizer={}"])
    said = str(caught.value)
    assert all(text in said for text in ("got tree;", 'got "x"', "trees is set before", "optimizer.kind is set before"))


def test_a_grid_is_bounded() -> None:
    """The count and the bound are said before anything runs."""
    values = ",".join(map(str, range(200, 210)))
    with pytest.raises(InputError, match=rf"--set: 100 combinations of values; allowed: at most {MOST}"):
        parameters().experiments([f"trees={values}", f"rate={values}"])


def test_a_version_without_parameters_says_so() -> None:
    """There is nothing to set."""
    with pytest.raises(InputError, match="got trees; allowed: none: it has no parameters"):
        parameters("").experiments(["trees=200"])


SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20).filter(str.isprintable)
VALUES = SCALARS | st.floats(allow_nan=False, allow_infinity=False) | st.lists(SCALARS, max_size=3)


@given(st.dictionaries(st.sampled_from(["trees", "name", "layers", "optimizer.rates.second", "stop"]), VALUES))
def test_replaced_values_are_read_back_and_every_other_line_stays(overrides: dict[str, Any]) -> None:
    """Comments and lines are where they were, so that messages name the lines of the author's own file."""
    before = tree()
    after = Parameters.of(before, "late", "v1").replaced(before, overrides)
    again = Parameters.of(after, "late", "v1")
    assert {name: again.values[name] for name in overrides} == overrides
    kept = {name for name in parameters().values if not any(f"{one}.".startswith(f"{name}.") for one in overrides)}
    kept -= {name for name in kept for one in overrides if name.startswith(f"{one}.")}
    assert {name: again.values[name] for name in kept} == {name: parameters().values[name] for name in kept}
    old, new = before.read(FILE).decode().splitlines(), after.read(FILE).decode().splitlines()
    assert len(old) == len(new)
    assert old[: LINE - 1] == new[: LINE - 1]


def test_the_replaced_definition_is_the_versions_own_in_all_else() -> None:
    """A file that is not YAML's block style, too."""
    before = tree("parameters: {trees: 100, 'rate': 0.1}\n")
    after = Parameters.of(before, "late", "v1").replaced(before, {"trees": 7, "rate": 0.5})
    written, changed = (Files(one).model("late", "v1") for one in (before, after))
    assert written is not None
    assert changed == written.model_copy(update={"parameters": {"trees": 7, "rate": 0.5}})


def test_the_lines_to_adopt_are_yaml_that_says_the_same() -> None:
    """Nested where the parameter is."""
    text = lines_to_adopt({"trees": 200, "optimizer.rates.first": 0.8, "name": "no"})
    assert yaml.safe_load(text) == {
        "parameters": {"trees": 200, "optimizer": {"rates": {"first": 0.8}}, "name": "no"},
    }
