"""The comment: goldens for people to read, and properties for hostile data and great size."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bighead_ci.delivery.comparison import outcome
from bighead_ci.documents.base import Document
from bighead_ci.documents.chart import Curve, CurvePoint
from bighead_ci.documents.plan import Plan
from bighead_ci.documents.record import QualityResult
from bighead_ci.documents.report import PromotionReport, PullRequestReport
from bighead_ci.reporting.renderer import Renderer
from bighead_ci.reporting.shortening import LIMIT, characters
from fakes import reports as samples

HERE = Path(__file__).parent


PULL_REQUESTS = ("passing", "failing", "invalid", "two_models", "first_version")
PROMOTIONS = ("promotion", "advance", "retire", "rollback", "settings", "remove")


class Lenient(MarkdownIt):
    """A parser that lets our own pictures through, as a local forge's page does."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        return url.startswith("data:image/svg+xml;base64,") or super().validateLink(url)


PARSER = Lenient("commonmark", {"html": True}).enable(["table", "strikethrough"])


def render(document: PullRequestReport | PromotionReport, *, pictures: bool = False) -> str:
    renderer = Renderer(pictures=pictures)
    if isinstance(document, PullRequestReport):
        return renderer.markdown(document)
    return renderer.promotion_markdown(document)


@pytest.mark.parametrize("name", PULL_REQUESTS + PROMOTIONS)
def test_the_comment_is_the_golden_one(name: str) -> None:
    """Each sample renders as its golden file says (BIGHEAD_WRITE_GOLDEN=1 writes them anew), pictures by place only."""
    shown = render(getattr(samples, name)(), pictures=True)
    shown = re.sub(r"(data:image/svg\+xml;base64,)[A-Za-z0-9+/=]+", r"\1…", shown)
    golden = HERE / "golden" / f"{name}.md"
    if os.environ.get("BIGHEAD_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PULL_REQUESTS + PROMOTIONS)
def test_the_same_document_gives_the_same_bytes(name: str) -> None:
    """Pictures included: a fresh renderer writes what the first wrote."""
    document = getattr(samples, name)()
    again = type(document).model_validate_json(document.model_dump_json())
    assert render(document, pictures=True) == render(again, pictures=True)


def structure(markdown: str) -> Counter[str]:
    """Every token that is more than text, HTML by its tags, links and pictures by their addresses."""
    found: Counter[str] = Counter()
    for token in PARSER.parse(markdown):
        for t in (token, *(token.children or [])):
            if t.type in {"html_block", "html_inline"}:
                found[f"{t.type} {''.join(re.findall('<[^>]*>', t.content))}"] += 1
            elif t.type in {"link_open", "image"}:
                found[f"{t.type} {t.attrs.get('href') or t.attrs.get('src')}"] += 1
            elif t.type not in {"text", "text_special", "code_inline"}:
                found[t.type] += 1
    return found


TEXTS = {
    "against",
    "title", "message", "reason", "expression", "description", "observed", "expected", "type", "method", "reference",
    "value", "summary", "soak", "rollback", "approvals_because", "run_id",
}  # fmt: skip
"""Fields of free text."""
LISTS = {
    "training",
    "problems",
    "request_changes",
    "because",
    "columns",
    "models",
    "path",
    "classes",
    "commits",
    "reproduce",
    "reused",
}


def poisoned(value: Any, poison: str, key: str = "") -> Any:
    """The document's plain data with the poison put into every free text, list of texts and name that data brings."""
    if isinstance(value, dict):
        if key in {"request", "images"} or "stages" in value:
            return value
        if key in {"parameters", "null_ratio"} or (key == "seconds" and "train" in value):
            return {f"{k}{poison}": (poison if isinstance(v, str) else v) for k, v in value.items()}
        return {k: poisoned(v, poison, k) for k, v in value.items()}
    if isinstance(value, list):
        if key in LISTS and all(isinstance(v, str) for v in value):
            return [f"{v}{poison}" for v in value]
        return [poisoned(v, poison, key) for v in value]
    return f"{value}{poison}" if isinstance(value, str) and (key in TEXTS or key == "column") else value


def with_poison(document: Document, poison: str) -> Any:
    data = poisoned(document.model_dump(mode="json"), poison)
    places = [data] if "move" in data else [r for m in data["models"] for r in m["running"]]
    for place in places:
        place["environment"] += poison
        place["model" if "move" in data else "version"] += poison
    return type(document).model_validate(data)


HOSTILE = (
    '<img src=x onerror="alert(1)">', "</details></td><script>x</script>", "![p](http://evil.example/p.png)",
    "[click](https://evil.example)", "@everyone #1 GH-2", "`<b>`|**x**|", "a\n\n# Approved\n\n- [x] ok", "\\|\\`\\",
    "\n```\n</details>\n```diff\n", "<!-- hidden", "~~~\n", "&lt;b&gt;", "\u202eevil", "[r]: http://evil.example\n",
)  # fmt: skip


@pytest.mark.parametrize("name", PULL_REQUESTS + PROMOTIONS)
@pytest.mark.parametrize("poison", HOSTILE)
def test_hostile_text_changes_nothing_but_text(name: str, poison: str) -> None:
    """The parsed comment has the same tags, links, pictures and tables as with harmless text in the same places."""
    document = getattr(samples, name)()
    ours, theirs = structure(render(with_poison(document, "x"))), structure(render(with_poison(document, poison)))
    assert theirs == ours


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="`|\\*_[]()<>!#@&;$~-+=:/.\n ab1\u2028", max_size=30))
def test_any_text_changes_nothing_but_text(poison: str) -> None:
    """As above, for arbitrary text of the characters that Markdown gives a meaning."""
    for name in ("failing", "rollback"):
        document = getattr(samples, name)()
        ours, theirs = (
            structure(render(with_poison(document, "x"))),
            structure(render(with_poison(document, f"x{poison}"))),
        )
        assert theirs == ours


@pytest.mark.parametrize("models", [2, 20, 200])
def test_any_number_of_models_fits_into_a_comment(models: int) -> None:
    """The comment stays below the limit, keeps the verdict and the failing gates, and says what it left out."""
    one = samples.model_report()
    bad = samples.model_report(0.661, failing=True, model="taxi_time")
    many = [
        one.model_copy(update={"record": one.record.model_copy(update={"version": f"v{i}"})})
        for i in range(1, models)
    ]  # fmt: skip
    shown = render(samples.pull_request(state="failed", models=[*many, bad]), pictures=True)
    assert characters(shown) < LIMIT
    assert shown.startswith(f"### ❌ 1 of {models} models fail: taxi_time v2")
    assert "AUC must not fall by more than 0.005" in shown
    assert ("Left out" in shown) is (models > 2)


def test_a_huge_value_does_not_crowd_out_the_rest() -> None:
    """A column name or message of a megabyte is clipped; verdict and table stay."""
    shown = render(with_poison(samples.failing(), "x" * 1_000_000))
    assert characters(shown) < LIMIT
    assert "| auc |" in shown


def test_ten_thousand_problems_are_counted() -> None:
    """An invalid report lists what fits and counts the rest."""
    problems = [f"models/m/v1/model.yaml:{i}: request: unknown field {'y' * 200}" for i in range(10_000)]
    shown = render(samples.pull_request(state="invalid", plan=None, models=[], problems=problems))
    assert characters(shown) < LIMIT
    assert "10,000 problems" in shown
    assert "and 9,800 more" in shown


def test_figures_that_are_not_numbers_are_shown_as_missing() -> None:
    """A metric of NaN neither breaks a plot nor prints `nan`."""
    report = samples.model_report()
    metric = report.record.evaluation.metrics["auc"].model_copy(update={"value": float("nan")})
    evaluation = report.record.evaluation.model_copy(update={"metrics": {"auc": metric}})
    broken = [d.model_copy(update={"low": float("nan"), "high": float("inf")}) for d in report.differences]
    points = [CurvePoint(x=math.nan, y=math.inf)] * 3
    charts = [Curve(name=str(unit), x="x", y="y", points=points, unit=unit) for unit in (True, False)]
    report = report.model_copy(
        update={
            "record": report.record.model_copy(update={"evaluation": evaluation.model_copy(update={"charts": charts})}),
            "differences": broken,
        }
    )
    shown = render(samples.pull_request(models=[report]), pictures=True)
    assert "nan" not in re.sub(r"base64,[^)]*", "", shown)


def test_a_difference_without_a_finite_interval_is_neither_better_nor_worse() -> None:
    """An interval with an end that is no number claims nothing, not even that there is no clear change."""
    (first, *_) = samples.model_report().differences
    for low, high in ((math.nan, -0.1), (0.1, math.nan), (-math.inf, -0.1)):
        assert outcome(first.model_copy(update={"low": low, "high": high})) == ""


@pytest.mark.parametrize(("metric", "said"), [("auc", "better"), ("brier", "worse"), ("lift", "")])
def test_a_rise_is_better_or_worse_by_the_table_of_metrics(metric: str, said: str) -> None:
    """A rise of the AUC is better, of the Brier score worse; of a metric that nobody knows nothing is said."""
    first = samples.model_report().differences[0]
    assert outcome(first.model_copy(update={"metric": metric, "low": 0.1, "high": 0.2})) == said


def test_each_run_that_serves_has_its_own_difference_and_interval() -> None:
    """Where staging and prod serve different versions, the table compares with both, in figures."""
    report = samples.model_report()
    staging, prod = report.running
    newer = staging.model_copy(update={"version": "v2", "record": samples.record("v2", 0.751)})
    close = [
        d.model_copy(update={"difference": -0.01, "low": -0.013, "high": -0.007}) if d.against == "staging" else d
        for d in report.differences
    ]
    shown = render(
        samples.pull_request(models=[report.model_copy(update={"running": [newer, prod], "differences": close})])
    )
    (head,) = [line for line in shown.splitlines() if line.startswith("| metric |")]
    (auc,) = [line for line in shown.splitlines() if line.startswith("| auc |")]
    assert head.index("Δ vs staging v2 [95 %]") < head.index("Δ vs prod v1 [95 %]")
    assert auc.index("**−0.010**\u00a0[−0.013,\u00a0−0.007] ▼ worse") < auc.index("**+0.062**")


def test_cost_is_in_seconds_by_stage_with_the_content_key_and_what_was_reused() -> None:
    """A run says what each stage took and which came from the cache; what is left is images, drift and record."""
    shown = render(samples.passing())
    (cost,) = [line for line in shown.splitlines() if line.startswith("- **Cost**")]
    assert cost.startswith("- **Cost**: 45 s in this PR: training-set 4.2 s, quality 2.9 s, train 21 s, ")
    assert "images, drift and record 10 s; reused sources/import_nycflights13; " in cost
    assert f"content key `{samples.digest('key flight_delay/v2')[7:19]}` had no record" in cost


def test_a_reused_record_costs_what_this_pull_request_spent() -> None:
    """Nothing ran: the seconds of the stages are named as those of the time when the record was made."""
    shown = render(samples.pull_request(models=[samples.model_report(reused=True)]))
    (cost,) = [line for line in shown.splitlines() if line.startswith("- **Cost**")]
    assert cost.startswith("- **Cost**: 0.4 s in this PR; content key ")
    assert cost.endswith("is reused: nothing ran (its stages took 35 s when it was made)")


def test_failing_gates_come_first_with_what_to_do() -> None:
    """Under the verdict stand the failed rules with what they read, then the next step, then everything else."""
    shown = render(samples.failing())
    places = [shown.index(words) for words in (
        "**no_worse**", "read `running.prod.gain.auc.low` = -0.031", "**What to do**",
        "`bighead explain no_worse --pr 7`", "| metric |",
    )]  # fmt: skip
    assert places == sorted(places)


def test_a_rule_that_holds_is_not_shown_with_its_failure_message() -> None:
    """A message says what is wrong; beside a tick stands what the gate is for."""
    shown = render(samples.passing())
    assert "Every expectation must hold." not in shown
    assert "| ✅\u00a0data_quality | All expectations of the data hold. `candidate.quality.failed == 0` |" in shown
    assert "Every expectation must hold." in render(samples.failing())


def test_no_expectations_are_not_shown_as_all_holding() -> None:
    """Nothing declared is a warning, not a tick."""
    report = samples.model_report()
    record = report.record.model_copy(update={"quality": QualityResult(results=[])})
    shown = render(samples.pull_request(models=[report.model_copy(update={"record": record})]))
    assert "⚠️ **Data quality**: no expectation is declared" in shown


def test_a_change_that_touches_no_feature_says_so() -> None:
    """The blast radius is always there, also where it is the model alone."""
    plan = samples.plan().model_copy(update={"impacts": []})
    assert "**Blast radius**: this model version alone" in render(samples.pull_request(plan=plan))


def test_inputs_beyond_what_a_table_holds_are_counted() -> None:
    """Five hundred new inputs fill a table up to its bound; a last row says how many there are more."""
    report = samples.model_report()
    summary = report.record.training_set.model_copy(update={"columns": [f"wide.column_{i}" for i in range(500)]})
    record = report.record.model_copy(update={"training_set": summary})
    shown = render(samples.pull_request(models=[report.model_copy(update={"record": record})]))
    rows = [line for line in shown.splitlines() if line.startswith("| input `wide.")]
    more = re.search(r"^\| … and (\d+) more \|  \|  \|$", shown, re.MULTILINE)
    assert more is not None
    assert 100 < len(rows) < 120
    assert len(rows) + int(more[1]) >= 500


def test_an_evaluation_without_rows_is_said() -> None:
    """No metric, curve or slice: the comment says that nothing was measured."""
    shown = render(samples.pull_request(models=[samples.unmeasured()]), pictures=True)
    assert "No metric: the evaluation measured nothing." in shown


def test_models_that_fail_come_first_and_keep_their_details() -> None:
    """Among fifty models the failing one leads the overview, and what is left out is of those that pass."""
    one = samples.model_report()
    many = [
        one.model_copy(update={"record": one.record.model_copy(update={"model": f"fine_{i}"})}) for i in range(49)
    ]  # fmt: skip
    bad = samples.model_report(0.661, failing=True, model="zzz")
    shown = render(samples.pull_request(state="failed", models=[*many, bad]), pictures=True)
    assert shown.index("| ❌ `zzz/v2` |") < shown.index("| ✅ `fine_0/v2` |")
    assert shown.index("#### ❌ zzz v2") < shown.index("#### ✅ fine_0 v2")
    assert "Gates of zzz v2, rule by rule" in shown
    assert "Gates of fine_0 v2, rule by rule" not in shown
    assert "**Blast radius**" in shown


def test_a_release_pull_request_without_models_names_the_move() -> None:
    """The headline says what moves where, and points to the description when gates stop it."""
    from_plan = samples.plan().model_dump()
    move: dict[str, Any] = {"environment": "prod", "model": "flight_delay", "move": "promote"}
    move |= {"description": "v1 → v2 (canary 10 %)", "weight_before": 0, "weight_after": 10}
    plan = Plan.model_validate({**from_plan, "models": [], "impacts": [], "releases": [move]})
    assert render(samples.pull_request(models=[], plan=plan)).startswith("### ✅ promote flight_delay in prod")
    stopped = render(samples.pull_request(models=[], plan=plan, state="failed"))
    assert stopped.startswith("### ❌ gates stop promote flight_delay in prod")


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("promotion", "**[10 %]** → 50 % → 100 %"),
        ("advance", "10 % ✓ → **[50 %]** → 100 %"),
        ("retire", "10 % ✓ → 50 % ✓ → 100 % ✓"),
        ("rollback", "10 % ✓ → 50 % ✗ → 100 %; from 50 % to 0 % at once"),
        ("settings", "stays as it is; the plan becomes 5 % → 100 %"),
        ("remove", "100 % → none: callers of flight_delay get no answer any more"),
    ],
)
def test_the_canary_plan_marks_where_it_stands(name: str, picture: str) -> None:
    """Steps done are ticked, the step this change goes to is in brackets, a step that failed is crossed."""
    assert picture in render(getattr(samples, name)())


def test_a_rollback_shows_the_failing_rules_before_anything_else() -> None:
    """Why comes directly under the title, with the inputs that were read."""
    shown = render(samples.rollback())
    assert shown.index("canary_errors") < shown.index("**Traffic**")
    assert "`candidate.error_ratio` = 0.0507" in shown


def test_a_run_that_nothing_held_is_marked_as_such() -> None:
    """Before any figure that its own code may have made; one that ran in a sandbox names it."""
    report: PullRequestReport = samples.passing()
    (model,) = report.models
    loose = model.model_copy(update={"record": model.record.model_copy(update={"sandbox": "none"})})
    shown = render(report.model_copy(update={"models": [loose]}))
    assert "⚠️ **No sandbox**: this code ran with all rights" in shown
    assert shown.index("No sandbox") < shown.index("Data quality")
    assert "No sandbox" not in render(report)
    assert "**Sandbox**: `bubblewrap`" in render(report)
