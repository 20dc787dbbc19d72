"""The comment: goldens for people to read, and properties for hostile data and great size."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bighead_ci.documents.base import Document
from bighead_ci.documents.report import PromotionReport, PullRequestReport
from bighead_ci.reporting.renderer import Renderer
from bighead_ci.reporting.shortening import LIMIT, characters

HERE = Path(__file__).parent


PULL_REQUESTS = ("passing", "failing", "invalid", "running", "two_models", "first_version")
PROMOTIONS = ("promotion", "advance", "rollback")


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
def test_the_comment_is_the_golden_one(samples: ModuleType, name: str) -> None:
    """Each sample renders as its golden file says (BIGHEAD_WRITE_GOLDEN=1 writes them anew), pictures by place only."""
    shown = render(getattr(samples, name)(), pictures=True)
    shown = re.sub(r"(data:image/svg\+xml;base64,)[A-Za-z0-9+/=]+", r"\1…", shown)
    golden = HERE / "golden" / f"{name}.md"
    if os.environ.get("BIGHEAD_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PULL_REQUESTS + PROMOTIONS)
def test_the_same_document_gives_the_same_bytes(samples: ModuleType, name: str) -> None:
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
LISTS = {"problems", "request_changes", "because", "columns", "models", "classes", "commits", "reproduce"}


def poisoned(value: Any, poison: str, key: str = "") -> Any:
    """The document's plain data with the poison put into every free text, list of texts and name that data brings."""
    if isinstance(value, dict):
        if key == "request":
            return value
        if key in {"inputs", "parameters", "null_ratio"}:
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
def test_hostile_text_changes_nothing_but_text(samples: ModuleType, name: str, poison: str) -> None:
    """The parsed comment has the same tags, links, pictures and tables as with harmless text in the same places."""
    document = getattr(samples, name)()
    ours, theirs = structure(render(with_poison(document, "x"))), structure(render(with_poison(document, poison)))
    assert theirs == ours


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="`|\\*_[]()<>!#@&;$~-+=:/.\n ab1\u2028", max_size=30))
def test_any_text_changes_nothing_but_text(samples: ModuleType, poison: str) -> None:
    """As above, for arbitrary text of the characters that Markdown gives a meaning."""
    for name in ("failing", "rollback"):
        document = getattr(samples, name)()
        ours, theirs = (
            structure(render(with_poison(document, "x"))),
            structure(render(with_poison(document, f"x{poison}"))),
        )
        assert theirs == ours


@pytest.mark.parametrize("models", [2, 20, 200])
def test_any_number_of_models_fits_into_a_comment(samples: ModuleType, models: int) -> None:
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


def test_a_huge_value_does_not_crowd_out_the_rest(samples: ModuleType) -> None:
    """A column name or message of a megabyte is clipped; verdict and table stay."""
    shown = render(with_poison(samples.failing(), "x" * 1_000_000))
    assert characters(shown) < LIMIT
    assert "| auc |" in shown


def test_ten_thousand_problems_are_counted(samples: ModuleType) -> None:
    """An invalid report lists what fits and counts the rest."""
    problems = [f"models/m/v1/model.yaml:{i}: request: unknown field {'y' * 200}" for i in range(10_000)]
    shown = render(samples.pull_request(state="invalid", plan=None, models=[], problems=problems))
    assert characters(shown) < LIMIT
    assert "10,000 problems" in shown
    assert "and 9,800 more" in shown


def test_figures_that_are_not_numbers_are_shown_as_missing(samples: ModuleType) -> None:
    """A metric of NaN neither breaks a plot nor prints `nan`."""
    report = samples.model_report()
    metric = report.record.evaluation.metrics["auc"].model_copy(update={"value": float("nan")})
    evaluation = report.record.evaluation.model_copy(update={"metrics": {"auc": metric}})
    broken = [d.model_copy(update={"low": float("nan"), "high": float("inf")}) for d in report.differences]
    report = report.model_copy(
        update={"record": report.record.model_copy(update={"evaluation": evaluation}), "differences": broken}
    )
    shown = render(samples.pull_request(models=[report]), pictures=True)
    assert "nan" not in re.sub(r"base64,[^)]*", "", shown)


def test_a_release_pull_request_without_models_names_the_move(samples: ModuleType) -> None:
    """The headline says what moves where, and points to the description when gates stop it."""
    from_plan = samples.plan().model_dump()
    move = {"environment": "prod", "model": "flight_delay", "move": "promote", "description": "v1 → v2 (canary 10 %)"}
    plan = samples.Plan.model_validate({**from_plan, "models": [], "impacts": [], "releases": [move]})
    assert render(samples.pull_request(models=[], plan=plan)).startswith("### ✅ promote flight_delay in prod")
    stopped = render(samples.pull_request(models=[], plan=plan, state="failed"))
    assert stopped.startswith("### ❌ gates stop promote flight_delay in prod")


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("promotion", "**[10 %]** → 50 % → 100 %"),
        ("advance", "10 % ✓ → **[50 %]** → 100 %"),
        ("rollback", "10 % ✓ → 50 % ✗ → 100 %"),
    ],
)
def test_the_canary_plan_marks_where_it_stands(samples: ModuleType, name: str, picture: str) -> None:
    """Steps done are ticked, the step this change goes to is in brackets, a step that failed is crossed."""
    assert picture in render(getattr(samples, name)())


def test_a_rollback_shows_the_failing_rules_before_anything_else(samples: ModuleType) -> None:
    """Why comes directly under the title, with the inputs that were read."""
    shown = render(samples.rollback())
    assert shown.index("canary_errors") < shown.index("**Traffic**")
    assert "`candidate.error_ratio` = 0.0507" in shown
