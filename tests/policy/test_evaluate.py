from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.documents.verdict import GateDefinition, GateResult, Rule
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


def test_a_true_rule_passes_and_shows_its_inputs() -> None:
    """A rule that is true passes, with each path it names and the value there."""
    result = judge(gate("candidate.metrics.auc.value >= 0.6"), AUC)
    assert result.passed
    assert result.rules[0].inputs == {"candidate.metrics.auc.value": "0.7"}


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
        "variables.loss >= 0.0 || true",
    ],
)
def test_missing_evidence_fails_closed(rule: str) -> None:
    """A rule that names what is not there fails, however its logic would hide that."""
    result = judge(gate(rule, loss="candidate.metrics.loss.value"), AUC)
    assert not result.passed
    assert result.rules[0].reason.startswith("missing evidence: ")
    assert "missing" in result.rules[0].inputs.values()


@pytest.mark.parametrize(
    "rule",
    [
        "!has(candidate.metrics.loss) || candidate.metrics.loss.value >= 0.0",
        "candidate.metrics.?loss.?value.orValue(1.0) >= 0.0",
        "candidate.metrics[?'loss'].hasValue() == false",
        "!('loss' in candidate.metrics) || candidate.metrics.loss.value >= 0.0",
        "!variables.has_loss || candidate.metrics.loss.value >= 0.0",
    ],
)
def test_a_rule_may_test_for_what_is_missing(rule: str) -> None:
    """With has(), ?. or in, absence is the rule's own business."""
    assert judge(gate(rule, has_loss="has(candidate.metrics.loss)"), AUC).passed


def test_a_test_excuses_only_what_it_tests() -> None:
    """has(x) does not excuse x.y when x is there and y is not."""
    rule = "!has(candidate.metrics.auc) || candidate.metrics.auc.low >= 0.0 || true"
    result = judge(gate(rule), AUC)
    assert not result.passed
    assert result.rules[0].reason == "missing evidence: candidate.metrics.auc.low"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, np.float64("nan"), object(), 2**70])
def test_what_cannot_be_compared_is_missing(value: Any) -> None:
    """NaN, infinities, None, foreign objects and integers CEL cannot hold are no evidence."""
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
    assert result.rules[0].inputs == {"candidate.env": "prod", "candidate.x": "1", "running.prod.x": "3"}


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
