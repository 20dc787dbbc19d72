from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.expressions import compile_value
from bighead_ci.documents.verdict import GateDefinition, GateResult, Rule, RuleResult, written_path
from bighead_ci.policy.cel import evaluate

AUC = {"candidate": {"metrics": {"auc": {"value": 0.7}}}}


def gate(*rules: str, match: str | None = None, **variables: str) -> GateDefinition:
    return GateDefinition(
        name="gate",
        description="a gate",
        owner="me",
        on=["pull_request"],
        match=match,
        variables=variables,
        rules=[Rule(expression=rule, message="because") for rule in rules],
    )


def judge(definition: GateDefinition, evidence: dict[str, Any]) -> GateResult:
    (result,) = evaluate([definition], "pull_request", evidence).gates
    return result


def read(rule: RuleResult) -> dict[str, str]:
    """What a rule read, by the path as a rule would write it."""
    return {one.name: one.value for one in rule.inputs}


def test_a_true_rule_passes_and_shows_its_inputs() -> None:
    """A rule that is true passes, with each path it names and the value there."""
    result = judge(gate("candidate.metrics.auc.value >= 0.6"), AUC)
    assert result.passed
    assert read(result.rules[0]) == {"candidate.metrics.auc.value": "0.7"}


def test_a_false_rule_fails_with_its_message() -> None:
    """A rule that is false fails, and the verdict with it."""
    verdict = evaluate([gate("candidate.metrics.auc.value >= 0.8")], "pull_request", AUC)
    assert not verdict.passed
    assert [(name, rule.reason) for name, rule in verdict.failures] == [("gate", "false")]


@pytest.mark.parametrize(
    "rule",
    [
        "candidate.metrics.loss.value >= 0.0",
        "candidate.metrics.loss.value >= 0.0 || true",
        "true || candidate.metrics.loss.value >= 0.0",
        "!(candidate.metrics.loss.value >= 0.0 && false)",
        "candidate.metrics['loss'].value >= 0.0 || true",
        "candidate.metrics[candidate.primary].value >= 0.0 || true",
        "cel.bind(m, candidate.metrics.loss, m.value >= 0.0 || true)",
        "running.all(name, true)",
        "variables.metrics.loss.value >= 0.0 || true",
        "variables.chosen.loss.value >= 0.0 || true",
        "candidate.list[7] >= 0.0 || true",
        "variables.loss >= 0.0 || true",
    ],
)
def test_missing_evidence_fails_closed(rule: str) -> None:
    """A rule that names what is not there fails, however its logic would hide that."""
    definition = gate(
        rule,
        loss="candidate.metrics.loss.value",
        metrics="candidate.metrics",
        chosen="true ? candidate.metrics : candidate.metrics",
    )
    result = judge(definition, {"candidate": AUC["candidate"] | {"list": [1.0]}})
    assert not result.passed
    assert result.rules[0].reason.startswith("missing evidence: ")
    assert "missing" in read(result.rules[0]).values()


@pytest.mark.parametrize(
    "rule",
    [
        "!has(candidate.metrics.loss) || candidate.metrics.loss.value >= 0.0",
        "candidate.metrics.?loss.?value.orValue(1.0) >= 0.0",
        "candidate.metrics[?'loss'].hasValue() == false",
        "!('loss' in candidate.metrics) || candidate.metrics.loss.value >= 0.0",
        "!variables.has_loss || candidate.metrics.loss.value >= 0.0",
        "!has(candidate.metrics.loss) || variables.loss.value >= 0.0",
        "!has(variables.metrics.loss) || candidate.metrics.loss.value >= 0.0",
        "!has(candidate.primary) || candidate.metrics[candidate.primary].value >= 0.0",
    ],
)
def test_a_rule_may_test_for_what_is_missing(rule: str) -> None:
    """With has(), ?. or in, absence is the rule's own business."""
    definition = gate(
        rule, has_loss="has(candidate.metrics.loss)", loss="candidate.metrics.loss", metrics="candidate.metrics"
    )
    assert judge(definition, AUC).passed


def test_a_step_that_is_no_name_is_missing_evidence() -> None:
    """A computed step that is neither a name nor a place leads nowhere: the rule fails, and says which path."""
    result = judge(gate("candidate.metrics[candidate.rate].value >= 0.0 || true"), {"candidate": {"rate": 0.5}})
    assert result.rules[0].reason == "missing evidence: candidate.metrics[candidate.rate].value"


def test_a_test_excuses_only_what_it_tests() -> None:
    """has(x) does not excuse x.y when x is there and y is not."""
    rule = "!has(candidate.metrics.auc) || candidate.metrics.auc.low >= 0.0 || true"
    result = judge(gate(rule), AUC)
    assert not result.passed
    assert result.rules[0].reason == "missing evidence: candidate.metrics.auc.low"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, np.float64("nan"), object(), 2**70, "a\0b"])
def test_what_cannot_be_compared_is_missing(value: Any) -> None:
    """NaN, infinities, None, foreign objects, and integers and texts that CEL cannot hold are no evidence."""
    assert not judge(gate("candidate.x <= 1.0 || true"), {"candidate": {"x": value}}).passed
    assert not judge(gate("candidate.x.all(y, true)"), {"candidate": {"x": [1.0, value]}}).passed


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), np.int64(1), True])
def test_plain_and_numpy_scalars_are_evidence(value: Any) -> None:
    """Numbers of Python and NumPy compare alike."""
    assert judge(
        gate("double(candidate.x ? 1 : 0) == 1.0" if value is True else "candidate.x <= 1"), {"candidate": {"x": value}}
    ).passed


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("candidate.name", "must be true or false"),
        ("candidate.metrics.auc.value", "must be true or false"),
        ("candidate.name > 1", "cannot be evaluated"),
        ("candidate.name >", "does not compile"),
        ("string(candidate.name) ", "does not compile"),
        (
            "[1,2,3,4,5,6,7,8,9].all(a, candidate.long.all(b, candidate.long.all(c, candidate.long.all(d, a>0))))",
            "cannot",
        ),
    ],
)
def test_only_the_boolean_true_passes(rule: str, words: str) -> None:
    """Errors, truthy values, expressions that do not compile and endless loops fail with the reason."""
    evidence = {"candidate": {"name": "true", "long": list(range(300)), **AUC["candidate"]}}
    result = judge(gate(rule), evidence)
    assert not result.passed
    assert words in result.rules[0].reason


def test_a_gate_applies_where_its_match_is_true() -> None:
    """A false match leaves the gate out; a match that cannot be judged makes it fail."""
    definition = gate("false", match="candidate.task == 'binary'")
    other = judge(definition, {"candidate": {"task": "multiclass"}})
    assert (other.applied, other.passed, other.rules) == (False, True, [])
    assert not judge(definition, {"candidate": {"task": "binary"}}).passed
    unknown = judge(gate("true", match="has(running.prod)"), {})
    assert (unknown.applied, unknown.passed) == (True, False)
    assert unknown.rules[0].reason == "missing evidence: running.prod"


def test_a_gate_of_another_occasion_is_not_judged() -> None:
    """Only gates that are on for the occasion appear in the verdict."""
    assert evaluate([gate("false")], "canary", {}).gates == []


def test_variables_build_on_each_other_and_show_their_inputs() -> None:
    """A variable may use an earlier one, and a rule's inputs are those of its variables."""
    definition = gate("running[variables.where].x > variables.twice", where="candidate.env", twice="candidate.x * 2.0")
    evidence = {"candidate": {"env": "prod", "x": 1.0}, "running": {"prod": {"x": 3.0}}}
    result = judge(definition, evidence)
    assert result.passed
    assert read(result.rules[0]) == {"candidate.env": "prod", "candidate.x": "1", "running.prod.x": "3"}


@pytest.mark.parametrize(
    "variables",
    [
        {"a": "variables.a"},
        {"a": "variables.b", "b": "variables.a"},
        {"a": "running[variables.a]"},
        {"a": "running[variables.b].x", "b": "variables.a.y"},
        {"a": "variables"},
        {"a": "variables[candidate.x]"},
    ],
)
def test_a_variable_that_needs_itself_fails_closed(variables: dict[str, str]) -> None:
    """Each sees the earlier ones only; a circle ends with a reason, whatever its shape."""
    definition = gate("variables.a.z >= 0.0 || true", **variables)
    result = judge(definition, {"candidate": {"x": "a"}, "running": {"prod": {"x": 1.0}}})
    assert not result.passed
    assert result.rules[0].reason.startswith("missing evidence: ")


def test_a_gate_without_rules_does_not_pass() -> None:
    """Nothing said is nothing proven."""
    assert not judge(gate(), AUC).passed


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e6, 1e6))
def test_a_threshold_agrees_with_python_on_every_number(value: float, bound: float) -> None:
    """For finite numbers the rule says what Python says; for the rest it fails."""
    result = judge(gate(f"candidate.x >= {bound!r}"), {"candidate": {"x": value}})
    assert result.passed == (math.isfinite(value) and value >= bound)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=10,
    )
)
def test_any_evidence_gives_a_verdict(value: Any) -> None:
    """Whatever stands in the evidence, judging ends with an answer and raises nothing."""
    result = judge(
        gate("candidate.x.y == 1 || has(candidate.x.z)", match="has(candidate.x)"), {"candidate": {"x": value}}
    )
    assert isinstance(result.passed, bool)


@pytest.mark.parametrize("text", ["candidate.metrics.auc.value >", "candidate.metrics.auc.value + 'a'"])
def test_a_broken_variable_is_named_with_what_is_wrong_in_it(text: str) -> None:
    """A rule that fails for want of a variable says why there is none: it does not compile, or has no value."""
    (rule,) = judge(gate("variables.share > 0.5", share=text), AUC).rules
    assert not rule.passed
    assert re.search(r"variables\.share: .*(Syntax error|No matching overload)", rule.reason)


def test_a_variable_is_blamed_only_where_a_rule_names_it() -> None:
    """`variables.ab` does not name `a`, whatever is wrong with that; through a third variable it is named."""
    definition = gate(
        "variables.ab > 1.0", "variables.through > 1.0", a="candidate.gone", ab="candidate.x", through="variables.a"
    )
    direct, through = judge(definition, {"candidate": {"x": 0.5}}).rules
    assert direct.reason == "false"
    assert re.fullmatch(r"missing evidence: candidate\.gone; variables\.a: .*; variables\.through: .*", through.reason)


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["tail_history.x", ".", "a.b.c", "[0]", '"', "'", 'x"]["y', "\\", "\n", "0", "", "null", "in", "as", "variables.a"]
)


@given(KEYS, KEYS, st.floats(0, 1))
def test_a_name_of_any_characters_can_be_guarded(key: str, other: str, value: float) -> None:
    """Dots, brackets and quotes are part of a name: a rule may test for it, reads it, and else fails closed."""
    nulls = "analysis.candidate.null_ratio"
    place = written_path(("analysis", "candidate", "null_ratio", key))
    name = json.dumps(key, ensure_ascii=False)
    guarded, bare = gate(f"!({name} in {nulls}) || {place} <= 0.5"), gate(f"{place} <= 0.5 || true")
    there = {"analysis": {"candidate": {"null_ratio": {other: 0.25, key: value}}}}
    without = {"analysis": {"candidate": {"null_ratio": {other: 0.25} if other != key else {}}}}
    assert judge(guarded, without).passed
    assert judge(guarded, there).passed == (value <= 0.5)
    (failed,) = judge(bare, without).rules
    assert failed.reason == f"missing evidence: {place}"
    assert [one.value for one in failed.inputs if one.path[-1:] == (key,)] == ["missing"]
    assert read(judge(bare, there).rules[0])[place] == f"{value:.6g}"


def test_a_name_that_cel_cannot_hold_is_not_taken_for_absent() -> None:
    """CEL's library ends a text at a NUL, so a guard would find nothing there: the map counts as missing."""
    evidence = {"analysis": {"candidate": {"null_ratio": {"x\0": 1.0, "y": 0.0}}}}
    rule = r'!("x\u0000" in analysis.candidate.null_ratio) || analysis.candidate.null_ratio["x\u0000"] < 0.5'
    (result,) = judge(gate(rule), evidence).rules
    assert result.reason == r'missing evidence: analysis.candidate.null_ratio["x\u0000"]'


@given(st.lists(KEYS | st.integers(0, 9), max_size=4))
def test_a_path_is_shown_as_a_rule_would_write_it(steps: list[str | int]) -> None:
    """What a report shows can be put into a rule, and that rule reads the same place."""
    path = ("candidate", "x", *steps)
    assert [one.steps for one in compile_value(written_path(path)).reads] == [path]


def test_a_result_is_read_back_equal() -> None:
    """Names that look like numbers and places in lists stay what they are in the document."""
    result = judge(gate("candidate.list[0] == candidate.map['0']"), {"candidate": {"list": [1], "map": {"0": 1}}})
    assert result.passed
    assert [one.path for one in result.rules[0].inputs] == [("candidate", "list", 0), ("candidate", "map", "0")]
    assert GateResult.model_validate_json(result.model_dump_json()) == result
