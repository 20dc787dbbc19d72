"""Evidently's page shows names and categories, and runs none of them."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.quality.drift import EvidentlyDriftDetector
from bighead_ci.quality.harmless import labels

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MARK = "pwned"
HOSTILE = [
    f"</script><script>document.title='{MARK}'</script>",
    f"<img src=x onerror=\"document.title='{MARK}'\">",
    f"<a href=\"javascript:document.title='{MARK}'\">x</a>",
    f"<!--<script>document.title='{MARK}'",
    f"`${{document.title='{MARK}'}}`",
    f"'; document.title='{MARK}'; '",
    "\u2028\ud83d\u202e",
]


class Structure(HTMLParser):
    """The elements of a page, and where they load from."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.loads += [f"{tag} {value}" for name, value in attrs if name in {"src", "href"} and value]


def page_of(directory: Path, names: list[str]) -> Path:
    """Columns of these names, numbers and categories, with these categories."""
    half = len(names) // 2
    reference = {name: [1.0, 2.0] * 50 for name in names[:half]} | dict.fromkeys(names[half:], names[:2] * 50)
    current = {name: [2.0, 3.0] * 50 for name in names[:half]} | dict.fromkeys(names[half:], names[-2:] * 50)
    html = directory / "drift.html"
    found = EvidentlyDriftDetector().compare(pa.table(reference), pa.table(current), ("a", "b"), html=html)
    assert {one.column for one in found.columns} == set(names), "results name columns as the data do"
    return html


def structure(page: Path) -> Structure:
    found = Structure()
    found.feed(page.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("hostile"), [name for name in HOSTILE if name.isprintable()])


def test_names_and_categories_are_no_elements_of_the_page(hostile: Path, tmp_path: Path) -> None:
    """The page has the elements that it has with plain names, and loads nothing."""
    plain = structure(page_of(tmp_path, [f"name_{index}" for index in range(len(HOSTILE) - 1)]))
    found = structure(hostile)
    assert found.elements == plain.elements
    assert found.loads == plain.loads == []
    assert "default-src 'none'" in hostile.read_text(encoding="utf-8")


@pytest.mark.skipif(CHROMIUM is None, reason="NOT RUN in a browser: no Chromium on this machine")
def test_a_browser_shows_the_page_and_runs_no_name(hostile: Path, tmp_path: Path) -> None:
    """Read by Chromium: the drift is shown, and nothing set the title."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path}"]
    command += ["--virtual-time-budget=8000", "--dump-dom", hostile.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=90)
    assert "Dataset Drift" in done.stdout
    assert "‹img src=x" in done.stdout
    assert f"<title>{MARK}" not in done.stdout
    assert '<img src="x"' not in done.stdout


@given(st.lists(st.text(st.characters()) | st.sampled_from(HOSTILE), max_size=6))
def test_labels_are_harmless_and_tell_values_apart(values: list[str]) -> None:
    """No markup, no hidden character, no two alike; what is harmless stays as it is."""
    found = labels(values)
    assert found.keys() == set(values)
    assert len(set(found.values())) == len(found)
    for value, label in found.items():
        assert not set(label) & set("<>&\\")
        assert not {unicodedata.category(character) for character in label} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        if value.isascii() and value.isprintable() and len(value) <= 200 and not set(value) & set("<>&\\"):
            assert label == value
