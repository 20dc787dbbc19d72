"""The full page: self-contained, escaped, whole or absent."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from bighead_ci.reporting import html as pages
from bighead_ci.reporting.renderer import Renderer

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


@pytest.mark.parametrize("name", ["passing", "failing", "invalid", "running", "two_models", "first_version"])
def test_the_page_is_well_formed_and_needs_no_network(samples: ModuleType, tmp_path: Path, name: str) -> None:
    """Tags nest, a policy forbids all loading, and nothing but links names another place."""
    page = tmp_path / "reports" / "7" / "index.html"
    Renderer().html(getattr(samples, name)(), page)
    reader = Reader(page.read_text(encoding="utf-8"))
    assert reader.open == []
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not {"script", "iframe", "object", "form", "base"} & {t for t, _ in reader.tags}
    for tag, attributes in reader.tags:
        assert "src" not in attributes
        assert tag == "a" or not {"href", "xlink:href"} & set(attributes)
        assert not any(key.startswith("on") for key in attributes)


def test_the_page_holds_every_section(samples: ModuleType) -> None:
    """Metrics, gates with inputs, slices, all expectations, drift, profile, differences and lineage are there."""
    reader = Reader(pages.page_of(samples.passing()))
    for words in (
        "Metrics", "Callers", "Gates", "Slices", "Data quality", "Drift", "Profile of 9 columns", "What differs",
        "Lineage", "Blast radius", "record.conversion_error", "airport_weather.precip_sum_6h", "Every expectation",
        samples.digest("key flight_delay/v2"), samples.digest("training set flight_delay/v2"),
    ):  # fmt: skip
        assert words in reader.words
    assert sum(tag == "svg" for tag, _ in reader.tags) == 6


def test_hostile_names_are_text_in_the_page_and_its_plots(samples: ModuleType) -> None:
    """A column and a category that are HTML appear as characters, in tables and inside the plots."""
    evil = "</text></svg><script>alert(1)</script>"
    report = samples.model_report()
    drift = report.record.drift
    columns = [c.model_copy(update={"column": evil}) for c in drift.columns]
    slices = [s.model_copy(update={"value": evil}) for s in report.record.evaluation.slices]
    record = report.record.model_copy(
        update={
            "drift": drift.model_copy(update={"columns": columns}),
            "evaluation": report.record.evaluation.model_copy(update={"slices": slices, "classes": [evil, evil]}),
        }
    )
    hostile = samples.pull_request(models=[report.model_copy(update={"record": record})], title=evil)
    reader = Reader(pages.page_of(hostile))
    assert reader.open == []
    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.words.count(evil[:20]) > 10


def test_a_link_with_a_script_is_not_linked(samples: ModuleType) -> None:
    """Only web, file and relative addresses become links."""
    bad = samples.Link(title="look", url="javascript:alert(1)")
    reader = Reader(pages.page_of(samples.pull_request(links=[bad])))
    assert not any("javascript" in (a.get("href") or "") for _, a in reader.tags)


def test_a_failed_write_leaves_the_old_page(
    samples: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is replaced whole: an error half-way leaves what was there."""
    page = tmp_path / "index.html"
    page.write_text("old", encoding="utf-8")

    def broken(self: Path, target: Path) -> Path:
        raise OSError(f"no rename to {target} of {self}")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="no rename"):
        Renderer().html(samples.invalid(), page)
    assert page.read_text(encoding="utf-8") == "old"


def test_the_same_document_gives_the_same_page(samples: ModuleType) -> None:
    """Pages are compared and cached by content: two renderings are equal byte for byte."""
    assert pages.page_of(samples.two_models()) == pages.page_of(samples.two_models())
