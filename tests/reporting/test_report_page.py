"""The full page: self-contained, escaped, whole or absent."""

from __future__ import annotations

import itertools
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bighead_ci.documents.chart import Matrix
from bighead_ci.documents.report import Link
from bighead_ci.reporting import html as pages
from bighead_ci.reporting.renderer import Renderer
from fakes import reports as samples

HERE = Path(__file__).parent
VOID = {"meta", "br", "img", "hr", "path", "line", "rect"}


class Reader(HTMLParser):
    """Collects tags and attributes and checks that they nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("name", ["passing", "failing", "invalid", "two_models", "first_version", "entries"])
def test_the_page_is_well_formed_and_needs_no_network(tmp_path: Path, name: str) -> None:
    """Tags nest, a policy forbids all loading, and nothing but links names another place; so in the list of reports."""
    page = tmp_path / "reports" / "7" / "index.html"
    sample = getattr(samples, name)()
    Renderer().index(sample, page) if name == "entries" else Renderer().html(sample, page)
    reader = Reader(page.read_text(encoding="utf-8"))
    assert reader.open == []
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not {"script", "iframe", "object", "form", "base"} & {t for t, _ in reader.tags}
    for tag, attributes in reader.tags:
        assert "src" not in attributes
        assert tag == "a" or not {"href", "xlink:href"} & set(attributes)
        assert not any(key.startswith("on") for key in attributes)


def test_the_page_holds_every_section() -> None:
    """Metrics, gates with inputs, slices, all expectations, drift, profile, differences and lineage are there."""
    reader = Reader(pages.page_of(samples.passing()))
    for words in (
        "Metrics", "Callers", "Gates", "Slices", "Data quality", "Drift", "Profile of 9 columns", "What differs",
        "Lineage", "Blast radius", "candidate.conversion_error", "airport_weather.precip_sum_6h", "All expectations",
        "10 s", "sources/import_nycflights13",
        samples.digest("key flight_delay/v2"), samples.digest("training set flight_delay/v2"),
    ):  # fmt: skip
        assert words in reader.words
    assert sum(tag == "svg" for tag, _ in reader.tags) == 7


def test_the_banner_says_what_a_failed_rule_read_and_what_to_do() -> None:
    """Before anything else: the rule, the value, the next step and the command that shows more."""
    words = " ".join(Reader(pages.page_of(samples.failing())).words.split())
    banner = words[words.rindex("#7 flight_delay v2") : words.index("Metrics")]
    assert "running.prod.gain.auc.low = -0.031" in banner
    assert "What to do" in banner
    assert "bighead explain no_worse --pr 7" in banner


def test_a_page_without_a_verdict_says_what_to_do() -> None:
    """Problems and errors come with the next step."""
    assert "Push a commit that fixes them" in pages.page_of(samples.invalid())
    assert "The checks can be run again" in pages.page_of(samples.pull_request(state="error", models=[]))


def test_an_evaluation_without_rows_has_a_page() -> None:
    """Alone and beside another model: no metric, no plot, and a sentence in their place."""
    for models in ([samples.unmeasured()], [samples.unmeasured(), samples.model_report()]):
        page = pages.page_of(samples.pull_request(models=models))
        assert Reader(page).open == []
        assert "No metric: the evaluation measured nothing." in page


def test_the_page_can_be_read_without_seeing_it() -> None:
    """Headings do not skip a level, column heads say so, what scrolls is named and takes focus, pictures have words."""
    tags = Reader(pages.page_of(samples.two_models())).tags
    levels = [int(tag[1]) for tag, _ in tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(attributes.get("scope") == "col" for tag, attributes in tags if tag == "th")
    scrolling = [attributes for tag, attributes in tags if attributes.get("class") == "wide"]
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" and a.get("aria-label") for a in scrolling)
    assert all(a.get("aria-label") for tag, a in tags if tag == "svg" or a.get("role") == "img")
    assert len({a["id"] for _, a in tags if "id" in a}) == sum("id" in a for _, a in tags)


def test_many_classes_have_a_table_instead_of_a_plot() -> None:
    """Twenty classes are too many for a plot with counts; the table still has them."""
    report = samples.model_report()
    classes = [f"class {i}" for i in range(20)]
    matrix = Matrix(name="confusion", names=classes, counts=[[1_000 + i] * 20 for i in range(20)])
    evaluation = report.record.evaluation.model_copy(update={"charts": [matrix]})
    record = report.record.model_copy(update={"evaluation": evaluation})
    words = Reader(pages.page_of(samples.pull_request(models=[report.model_copy(update={"record": record})]))).words
    assert "class 19" in words
    assert "1,019" in words


def test_hostile_names_are_text_in_the_page_and_its_plots() -> None:
    """A column and a category that are HTML appear as characters, in tables and inside the plots."""
    evil = "</text></svg><script>alert(1)</script>"
    report = samples.model_report()
    drift = report.drift
    assert drift is not None
    columns = [c.model_copy(update={"column": evil}) for c in drift.columns]
    slices = [s.model_copy(update={"value": evil}) for s in report.record.evaluation.slices]
    matrix = Matrix(name="confusion", names=[evil, evil], counts=[[1, 2], [3, 4]])
    evaluation = report.record.evaluation.model_copy(update={"slices": slices, "charts": [matrix]})
    changes = {
        "record": report.record.model_copy(update={"evaluation": evaluation}),
        "drift": drift.model_copy(update={"columns": columns}),
        "package_changes": {"training": [f"{evil} 1.0 is new"]},
    }
    hostile = samples.pull_request(models=[report.model_copy(update=changes)], title=evil)
    reader = Reader(pages.page_of(hostile))
    assert reader.open == []
    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.words.count(evil[:20]) > 10


def test_a_link_with_a_script_is_not_linked() -> None:
    """Only web, file and relative addresses become links."""
    bad = Link(title="look", url="javascript:alert(1)")
    reader = Reader(pages.page_of(samples.pull_request(links=[bad])))
    assert not any("javascript" in (a.get("href") or "") for _, a in reader.tags)


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is replaced whole: an error half-way leaves what was there."""
    page = tmp_path / "index.html"
    page.write_text("old", encoding="utf-8")

    def broken(self: Path, target: Path) -> Path:
        raise OSError(f"no rename to {target} of {self}")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="no rename"):
        Renderer().html(samples.invalid(), page)
    assert page.read_text(encoding="utf-8") == "old"


def test_the_same_document_gives_the_same_page() -> None:
    """Pages are compared and cached by content: two renderings are equal byte for byte."""
    assert pages.page_of(samples.two_models()) == pages.page_of(samples.two_models())
