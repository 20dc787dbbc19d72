"""What a terminal shows of an explanation, and of importance."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bighead_ci.cli.bars import HALF, bar, bar_table
from bighead_ci.cli.gates import importance_table
from bighead_ci.delivery.importance import Importance
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.explanation import Attributed, Attribution


def shown(table: Table) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_bar_is_as_long_as_its_share_of_the_longest() -> None:
    """To the right of the middle where it adds, to the left where it takes."""
    assert bar(2.0, 2.0) == " " * HALF + "│" + "█" * HALF
    assert bar(-1.0, 2.0) == " " * (HALF // 2) + "█" * (HALF // 2) + "│"
    assert bar(0.0, 0.0) == " " * HALF + "│"


def test_an_explanation_leads_from_its_base_to_the_raw_score() -> None:
    """What moves it most stands first."""
    part = Attribution(output="yes", base=0.5, raw=-0.75, inputs={"hour": 0.25, "carrier": -1.5, "wind": 0.0})
    text = shown(bar_table(part, "log_odds"))
    places = [text.index(word) for word in ("yes: log_odds -0.75", "(base)", "carrier", "hour", "wind", "(raw score)")]
    assert places == sorted(places)
    assert "-1.5" in text


def test_exact_importance_stands_beside_the_measured_one() -> None:
    """Each said to be what it is; without it there is no column of it."""
    plain = Importance(model="late/v2", run_id="r1", artifact=digest_of("a"), inputs={"hour": 0.8, "wind": 0.2})
    assert "SHAP" not in shown(importance_table(plain))
    exact = Attributed(of="log_odds", rows=1000, inputs={"hour": 0.9, "wind": 0.3})
    text = " ".join(shown(importance_table(plain.model_copy(update={"attributed": exact}))).split())
    assert "80.0%" in text
    assert "75.0%" in text
    assert "over 1,000 evaluation rows" in text
