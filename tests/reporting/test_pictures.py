"""Pictures: small, readable in the dark, harmless."""

from __future__ import annotations

import base64
from xml.etree import ElementTree as ET

import pytest

from bighead_ci.documents.chart import Curve, CurvePoint, Matrix
from bighead_ci.documents.histogram import Histogram
from bighead_ci.documents.record import ColumnDrift, MetricDifference
from bighead_ci.reporting import charts, pictures
from bighead_ci.reporting.figures import figure, milliseconds, percent, seconds, signed, size, sparkline

DIFFERENCE = MetricDifference(
    metric="log_loss",
    against="prod",
    model_version="v1",
    ours=0.48,
    theirs=0.5,
    difference=-0.02,
    low=-0.03,
    high=-0.01,
    rows=9,
)


HISTOGRAM = Histogram(bounds=[0.5, 1.0], counts=[1, 2, 0])


def matrix(*names: str) -> Matrix:
    return Matrix(name="confusion", names=list(names), counts=[[1, 2], [3, 4]])


def test_less_loss_is_drawn_on_the_better_side() -> None:
    """A fall of a metric that should be low lies right of zero, its interval with it."""
    (row,) = charts.metric_forest([DIFFERENCE], {})["data"]["values"]
    assert (row["low"], row["difference"], row["high"]) == (0.01, 0.02, 0.03)


def test_environments_that_serve_the_same_run_are_drawn_once() -> None:
    """Two environments under one name give one row a metric."""
    both = [DIFFERENCE, DIFFERENCE.model_copy(update={"against": "staging"})]
    spec = charts.metric_forest(both, {"prod": "both v1", "staging": "both v1"})
    assert [row["against"] for row in spec["data"]["values"]] == ["both v1"]


def test_a_picture_is_small_and_knows_the_dark() -> None:
    """An inline picture is an SVG of 12 kB at most with its own dark colours and words for those who cannot see it."""
    uri = pictures.data_uri(charts.metric_forest([DIFFERENCE], {}), "what it shows")
    drawn = base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,"))
    assert len(drawn) <= 12_288
    assert b"prefers-color-scheme:dark" in drawn
    assert ET.fromstring(drawn).get("aria-label") == "what it shows"  # noqa: S314 - ours


def test_every_colour_of_a_plot_has_a_dark_counterpart() -> None:
    """No plot uses a colour that the dark would leave unreadable."""
    drift = ColumnDrift(column="c", method="m", score=0.2, threshold=0.1, drifted=True)
    steady = drift.model_copy(update={"drifted": False})
    specs = [
        charts.metric_forest([DIFFERENCE], {}),
        charts.score_histogram({"a": HISTOGRAM, "b": HISTOGRAM}),
        charts.drift([drift, steady]),
        charts.matrix(matrix("a", "b")),
    ]
    for spec in specs:
        for element in ET.fromstring(pictures.svg(spec, "x")).iter():  # noqa: S314 - ours
            for paint in ("fill", "stroke"):
                assert element.get(paint, "none") in {*pictures.DARK, "none", "transparent"}


def test_text_in_a_plot_is_text() -> None:
    """A class name that is SVG comes out as characters."""
    root = ET.fromstring(pictures.svg(charts.matrix(matrix("<a/>&", "b")), '"><x'))  # noqa: S314
    assert "<a/>&" in {element.text for element in root.iter()}
    assert root.get("aria-label") == '"><x'


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1b", "\ufffe", "\uffff", "\ud83d"])
def test_a_character_that_no_xml_can_hold_is_shown_as_one_that_is_missing(character: str) -> None:
    """A category with one in it ends no process, in the plot and in its words, inside a page and as an address."""
    spec = charts.matrix(matrix(f"a{character}b", "c"))
    root = ET.fromstring(pictures.svg(spec, f"of {character}"))  # noqa: S314
    assert "a\N{REPLACEMENT CHARACTER}b" in {element.text for element in root.iter()}
    assert root.get("aria-label") == "of \N{REPLACEMENT CHARACTER}"
    assert pictures.data_uri(spec, f"of {character}").startswith("data:image/svg+xml;base64,")


def test_a_picture_too_large_for_a_comment_is_left_out() -> None:
    """Hundreds of columns give no inline picture rather than one that fills the comment."""
    columns = [ColumnDrift(column=f"c{i}", method="m", score=1, threshold=1, drifted=False) for i in range(200)]
    assert pictures.inline_picture(charts.drift(columns), "drift") == ""


def test_axes_that_measure_different_things_have_scales_of_their_own() -> None:
    """A share by place is not squeezed into the scale of places, and there is no line where the two agree."""
    points = [CurvePoint(x=place, y=0.9 / place) for place in (1.0, 5.0, 10.0)]
    drawn = charts.curve(
        Curve(name="grade", x="place", y="share", points=points, unit=False, comparable=False), {}, 190
    )
    (line,) = drawn["layer"]
    assert line["encoding"]["x"]["scale"]["domain"] == [1.0, 10.0]
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 0.9]


def test_a_long_curve_keeps_its_ends() -> None:
    """A thinned curve starts and ends where the whole one does."""
    points = [CurvePoint(x=i / 1000, y=i / 1000) for i in range(1001)]
    thin = charts.thinned(points)
    assert len(thin) < 50
    assert (thin[0], thin[-1]) == (points[0], points[-1])


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figure(0.7414), "0.741"), (figure(-0.5), "−0.500"), (figure(12345.6), "12,346"), (figure(3.1e-5), "3.1e-05"),
        (figure(float("nan")), "–"), (figure(None), "–"), (signed(0.062), "+0.062"), (signed(-0.004), "−0.004"),
        (seconds(3.44), "3.4 s"), (seconds(37.8), "38 s"), (seconds(125), "2 min 5 s"), (seconds(600), "10 min"),
        (seconds(3840), "1 h 4 min"), (size(812), "812 B"), (size(48_200), "48 kB"), (size(-1_250_000), "−1.2 MB"),
        (percent(1, 3), "33.3 %"), (percent(0.0001), "< 0.1 %"), (percent(1, 0), "–"), (milliseconds(0.421), "0.42 ms"),
        (milliseconds(412.3), "412 ms"), (sparkline([0, 1, 4, 8]), "·▂▅█"), (sparkline([0, 0]), "··"),
    ],
)  # fmt: skip
def test_figures_read_as_people_write_them(shown: str, expected: str) -> None:
    """Three decimals, a real minus, units, and a dash for what is not known."""
    assert shown == expected
