"""Reports are documents first: what is read back says, and renders, the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jsonschema  # type: ignore[import-untyped]  # publishes no types
import pytest

from bighead_ci.definitions.schema import json_schema
from bighead_ci.documents.plan import Move
from bighead_ci.documents.report import PromotionReport, PullRequestReport
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples

PULL_REQUESTS = [
    samples.passing,
    samples.failing,
    samples.invalid,
    samples.two_models,
    samples.first_version,
    lambda: samples.pull_request(models=[samples.unmeasured()]),
    lambda: samples.pull_request(models=[], moves=[samples.promotion(), samples.retire()]),
]
PROMOTIONS = [
    samples.promotion,
    samples.advance,
    samples.rollback,
    samples.retire,
    samples.settings,
    samples.remove,
]


@pytest.mark.parametrize("make", PULL_REQUESTS)
def test_a_report_that_is_read_back_renders_the_same(make: Callable[[], PullRequestReport], tmp_path: Path) -> None:
    """Markdown and page, byte by byte: another program can post it, or show it later."""
    report, renderer = make(), Renderer()
    report.write(tmp_path / "report.json")
    again = PullRequestReport.read(tmp_path / "report.json")
    assert again == report
    assert renderer.markdown(again) == renderer.markdown(report)
    renderer.html(report, tmp_path / "one.html")
    renderer.html(again, tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_there_is_a_sample_of_every_move() -> None:
    """A new kind of move is rendered, read back and described below, too."""
    assert {make().move for make in PROMOTIONS} == {*get_args(Move)}


@pytest.mark.parametrize("make", PROMOTIONS)
def test_a_promotions_report_that_is_read_back_renders_the_same(
    make: Callable[[], PromotionReport], tmp_path: Path
) -> None:
    """Of every move, a canary's analysis and its way back included."""
    report = make()
    report.write(tmp_path / "promotion.json")
    again = PromotionReport.read(tmp_path / "promotion.json")
    assert again == report
    assert Renderer().promotion_markdown(again) == Renderer().promotion_markdown(report)


def test_the_published_schemas_describe_the_documents() -> None:
    """`bighead schema report` and `promotion-report`: every document fits, and one with a stranger's field does not."""
    for kind, makes in (("report", PULL_REQUESTS), ("promotion-report", PROMOTIONS)):
        schema = json_schema(kind)
        for make in makes:
            document = json.loads(make().model_dump_json())
            jsonschema.validate(document, schema)
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**document, "surprise": 1}, schema)
