"""What the demonstration says while it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.demo.narrator import Narrator, last_line
from bighead_ci.demo.steps import head_of
from bighead_ci.errors import RetryError


def test_what_does_not_come_is_explained_by_the_logs_end(tmp_path: Path) -> None:
    """The one who waits in vain reads why without looking for the log."""
    log = tmp_path / "runner" / "ci-1.log"
    log.parent.mkdir()
    log.write_text("planning\nthe disk is full\n\n")
    with pytest.raises(RetryError, match=r"checks of #1: nothing after 0 s; .*ci-1\.log ends with: the disk is full"):
        Narrator(tmp_path, tmp_path).wait("checks of #1", lambda: None, 0.0, "ci-1.log")


def test_a_log_that_is_not_there_yet_has_no_last_line(tmp_path: Path) -> None:
    """Nor has an empty one; of a long one only the end is read."""
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("")
    assert last_line(log) == ""
    log.write_text("x" * 5000 + "\nlast\n")
    assert last_line(log) == "last"


def test_the_head_of_a_report_leaves_out_what_no_terminal_shows() -> None:
    """Pictures, and the tags around what a web page unfolds."""
    report = "### passes\n![curve](data:image/png;base64,AA)\n<details><summary>Curves</summary>\n| auc | 0.7 |\nmore"
    assert head_of(report, 2) == "### passes\n| auc | 0.7 |"
