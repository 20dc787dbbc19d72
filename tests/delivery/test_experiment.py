"""Experiments: other parameters on the same files and data, held against the version as written, and no record."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from bighead_ci.delivery.build import ensure_record, record_of
from bighead_ci.delivery.experiment import Experiments, Subject
from bighead_ci.delivery.failures import Failures
from bighead_ci.delivery.promote import promote
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import silent
from bighead_ci.ports.tree import Tree
from fakes.context import FakeContext, encoded, model_version
from fakes.memory_tree import MODEL, dedented

FILE = "models/late/v2/model.yaml"
TEXT = dedented({"m": MODEL})["m"] + "parameters: {trees: 100, rate: 0.1}\n"


@pytest.fixture
def tree(context: FakeContext) -> Tree:
    """A work tree with a version that nobody pushed."""
    context.orchestrator.learned = lambda parameters: parameters.get("trees", 100) / 100
    changes = encoded({**model_version("v2"), FILE: TEXT})
    return context.repository.tree(context.repository.commit("mine", context.tip, changes, "mine", "ada"))


def begin(context: FakeContext, tree: Tree, said: list[str] | None = None) -> Experiments:
    subject = Subject("late", "v2", tree, "a" * 40, dirty=True)
    return Experiments(context, subject, silent if said is None else said.append)


def run(here: Experiments, *chosen: dict[str, Any]) -> tuple[Sequence[Any], Failures]:
    failures = Failures()
    return here.run(chosen, failures), failures


def test_experiments_are_held_against_the_version_as_written(context: FakeContext, tree: Tree) -> None:
    """On the rows that both scored, with the interval of the difference; best first, and what would adopt the best."""
    here = begin(context, tree)
    found, _ = run(here, {"trees": 20}, {"trees": 300}, {"rate": 0.2})
    table = here.table(found)
    assert [row.overrides for row in table.rows] == [{"trees": 300}, {}, {"rate": 0.2}, {"trees": 20}]
    assert [row.outcome for row in table.rows] == ["better", "", "no clear change", "worse"]
    assert (table.metric, table.higher_is_better, table.written) == ("auc", True, {"trees": 100, "rate": 0.1})
    difference = table.rows[0].difference
    assert difference is not None
    assert 0 < difference.low < difference.difference < difference.high
    assert (difference.against, difference.rows) == ("as written", 400)
    assert table.best == table.rows[0]
    assert found[1].parameters == {"trees": 20, "rate": 0.1}
    assert {(one.commit, one.dirty, one.base) for one in found} == {("a" * 40, True, here.base)}


def test_nothing_of_an_experiment_can_be_promoted(context: FakeContext, tree: Tree) -> None:
    """No record, no artifact of a record, no pull request; a promotion finds nothing to promote."""
    here = begin(context, tree)
    found, _ = run(here, {"trees": 300})
    assert list(context.records.of_version("late", "v2")) == []
    assert all(context.records.by_content_key(one.content_key) is None for one in found)
    assert all(context.records.by_run(one.run_id) is None for one in found)
    assert record_of(context, tree, "late", "v2") is None
    assert context.forge.find("open") == []
    context.change_main({**model_version("v2"), FILE: TEXT}, "past the checks")
    with pytest.raises(InputError, match="record"):
        promote(context, "late", "staging", "v2")


def test_the_same_question_runs_nothing_twice(context: FakeContext, tree: Tree) -> None:
    """Nor does the version as written, whose result an earlier command left; the training set is made once."""
    run(begin(context, tree), {"trees": 300})
    said: list[str] = []
    here = begin(context, tree, said)
    run(here, {"trees": 300}, {"trees": 400})
    assert len(context.orchestrator.trained) == 3
    assert said.count("training-set: reused") == 1
    assert [one.overrides for one in here.earlier()] == [{}, {"trees": 300}, {"trees": 400}]


def test_what_is_known_of_the_same_inputs_is_taken(context: FakeContext, tree: Tree) -> None:
    """A record of the version as written; an experiment whose parameters somebody adopted since."""
    commit = context.repository.resolve("mine")
    ensure_record(context, "late", "v2", commit, silent)
    run(begin(context, tree), {"trees": 300})
    assert len(context.orchestrator.trained) == 2
    adopted = context.repository.commit(
        "mine", commit, encoded({FILE: TEXT.replace("trees: 100", "trees: 300")}), "adopted", "ada"
    )
    here = begin(context, context.repository.tree(adopted))
    assert here.earlier() == []
    found, _ = run(here, {"trees": 100})
    assert len(context.orchestrator.trained) == 2
    assert here.table(found).rows[-1].outcome == "worse"


def test_another_file_or_other_data_is_another_comparison(context: FakeContext, tree: Tree) -> None:
    """What was measured on other inputs never stands beside these."""
    run(begin(context, tree), {"trees": 300})
    edited = context.repository.commit(
        "mine", context.repository.resolve("mine"), encoded({"models/late/v2/words.txt": "new"}), "edit", "ada"
    )
    here = begin(context, context.repository.tree(edited))
    assert here.earlier() == []
    assert here.table([]).rows == []


def test_one_that_fails_does_not_stop_the_others(context: FakeContext, tree: Tree) -> None:
    """It is said which, and why."""

    def learned(parameters: Any) -> float:
        if parameters["trees"] == 0:
            raise InputError("models/late/v2/model.py:3: build: ValueError: no trees")
        return 1.0

    context.orchestrator.learned = learned
    said: list[str] = []
    found, failures = run(begin(context, tree, said), {"trees": 0}, {"trees": 300})
    assert [one.overrides for one in found] == [{}, {"trees": 300}]
    assert [(one.about, one.remedy) for one in failures.found] == [("trees=0", "mend")]
    assert "trees=0 failed: models/late/v2/model.py:3: build: ValueError: no trees" in said


def test_what_was_done_before_an_interruption_is_kept(context: FakeContext, tree: Tree) -> None:
    """Ctrl-C in the second leaves the first, and the next command goes on from there."""

    def interrupt(_: str) -> None:
        if len(context.orchestrator.trained) == 2:
            raise KeyboardInterrupt

    context.orchestrator.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(begin(context, tree), {"trees": 200}, {"trees": 300})
    context.orchestrator.before = silent
    here = begin(context, tree)
    assert [one.overrides for one in here.earlier()] == [{}, {"trees": 200}]
    run(here, {"trees": 200}, {"trees": 300})
    assert len(context.orchestrator.trained) == 3


def test_two_commands_at_once_run_each_experiment_once(context: FakeContext, tree: Tree) -> None:
    """The second waits for what the first runs, and takes it."""
    both = [begin(context, tree), begin(context, tree)]
    threads = [threading.Thread(target=run, args=(here, {"trees": 200}, {"trees": 300})) for here in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(context.orchestrator.trained) == 3
    assert len(both[0].earlier()) == 3
