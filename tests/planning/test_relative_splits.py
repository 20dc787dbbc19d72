"""A split that moves with `as_of`: evaluate on the newest rows whose labels are mature, train on those before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.files import Files
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.stage import TimeRanges, TrainingSetSpec
from bighead_ci.errors import InputError
from bighead_ci.features.training_rows import JoinedRows, select_rows
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.specs import stage_specs
from fakes.engine import MemoryEngine
from fakes.memory_tree import MODEL, RUN, MemoryTree, repository

AS_OF = datetime(2013, 10, 1, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
FOLDER = "models/late/v1"
FIXED = MODEL[MODEL.index("    split:") : MODEL.index("    request:")]


def inputs_of(train: str, evaluate: str, as_of: datetime | None = AS_OF, offset: str | None = None) -> Inputs:
    """Of a repository whose model has that split."""
    model = MODEL.replace(FIXED, f"    split: {{kind: recent, train: {train}, evaluate: {evaluate}}}\n")
    if offset is not None:
        model = model.replace("column: late}", f"column: late, offset: {offset}}}")
    run = f"as_of: {as_of.isoformat()}\n" if as_of else "{}\n"
    return Inputs(
        Files(MemoryTree(repository(**{f"{FOLDER}/model.yaml": model, f"{FOLDER}/run.yaml": run}))), MemoryEngine()
    )


def spec_of(inputs: Inputs) -> TrainingSetSpec:
    found = stage_specs(inputs.definitions, inputs.definitions.model("late", "v1"))["training-set"]
    assert isinstance(found, TrainingSetSpec)
    return found


def ranges(train: str, evaluate: str, as_of: datetime | None = AS_OF, offset: str | None = None) -> TimeRanges:
    found = spec_of(inputs_of(train, evaluate, as_of, offset)).split
    assert isinstance(found, TimeRanges)
    return found


def keys(as_of: datetime, offset: str | None = None) -> VersionInputs:
    inputs = inputs_of("150d", "60d", as_of, offset)
    return inputs.of(inputs.definitions.model("late", "v1"))


def test_the_150_days_before_the_last_60() -> None:
    """With labels that are mature at once, the last 60 days end at `as_of`."""
    found = ranges("150d", "60d")
    assert found.evaluate == (datetime(2013, 8, 2, tzinfo=UTC), AS_OF)
    assert found.train == (datetime(2013, 3, 5, tzinfo=UTC), datetime(2013, 8, 2, tzinfo=UTC))


def test_labels_that_mature_late_end_the_evaluation_earlier() -> None:
    """By their offset, and the training with it."""
    found = ranges("10d", "5d", offset="3d")
    assert found == TimeRanges(train=(AS_OF - 18 * DAY, AS_OF - 8 * DAY), evaluate=(AS_OF - 8 * DAY, AS_OF - 3 * DAY))


SPANS = st.builds(lambda count, unit: f"{count}{unit}", st.integers(1, 400), st.sampled_from("smhd"))


def length(text: str) -> timedelta:
    """Not by the code under test."""
    count, unit = int(text[:-1]), text[-1]
    return {
        "s": timedelta(seconds=count),
        "m": timedelta(minutes=count),
        "h": timedelta(hours=count),
        "d": timedelta(days=count),
    }[unit]


@given(
    train=SPANS,
    evaluate=SPANS,
    offset=st.none() | SPANS,
    as_of=st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # they get theirs
    later=st.timedeltas(timedelta(0), timedelta(days=3000)),
)
def test_training_ends_where_evaluation_begins_and_both_move_with_as_of(
    train: str, evaluate: str, offset: str | None, as_of: datetime, later: timedelta
) -> None:
    """Each as long as it says, up to the newest mature row; a later `as_of` moves all four ends by as much."""
    found = ranges(train, evaluate, as_of, offset)
    assert found.train[1] == found.evaluate[0]
    assert found.train[1] - found.train[0] == length(train)
    assert found.evaluate[1] - found.evaluate[0] == length(evaluate)
    assert found.evaluate[1] + (length(offset) if offset else timedelta(0)) == as_of
    moved = ranges(train, evaluate, as_of + later, offset)
    assert [
        now - then for now, then in zip((*moved.train, *moved.evaluate), (*found.train, *found.evaluate), strict=True)
    ] == [later] * 4


def test_the_part_of_a_row_at_each_border() -> None:
    """Beginnings belong to a range, ends do not: no row is in both, and none between them in neither."""
    split = ranges("10d", "5d", offset="3d")
    borders = [split.train[0], split.evaluate[0], split.evaluate[1]]
    moments = [border + step for border in borders for step in (-TICK, timedelta(0), TICK)]
    assert parts(spec_of(inputs_of("10d", "5d", offset="3d")), moments) == [
        None, "train", "train",
        "train", "evaluate", "evaluate",
        "evaluate", None, None,
    ]  # fmt: skip


def parts(spec: TrainingSetSpec, moments: list[datetime]) -> list[str | None]:
    """Part of a row at each moment; None: it is left out."""
    ids = pa.chunked_array([pa.array(range(len(moments)), pa.int64())])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    times = pa.chunked_array([pa.array([(moment - epoch) // TICK for moment in moments], pa.int64())])
    rows = select_rows(
        spec,
        JoinedRows(
            spine=pa.table({"id": ids}),
            event_id=ids,
            times=times,
            label=pa.chunked_array([[True] * len(moments)]),
            label_known=None,
        ),
    )
    found = dict(zip(rows.event_id.to_pylist(), rows.evaluate.tolist(), strict=True))
    return [None if row not in found else "evaluate" if found[row] else "train" for row in range(len(moments))]


def test_a_later_run_is_another_key_of_the_training_set_alone() -> None:
    """One version has many artifacts: the definition stays, the stages that read the rows run again."""
    before, same, after = keys(AS_OF), keys(AS_OF), keys(AS_OF + DAY)
    assert before == same
    differing = {name for name in before.stages if before.stages[name] != after.stages[name]}
    assert differing == {*before.stages}  # the first by itself, the others by its key
    own = {
        name: {
            key
            for key, digest in after.stages[name].items()
            if before.stages[name][key] != digest and key[:6] != "stage:"
        }
        for name in before.stages
    }
    assert {name: found for name, found in own.items() if found} == {"training-set": {"spec:split", "spec:as_of"}}
    assert before.images == after.images
    assert keys(AS_OF, "1d").stage_key("training-set") != before.stage_key("training-set")


def test_without_as_of_there_is_no_split() -> None:
    """The file that would say it is named."""
    with pytest.raises(InputError, match=r"models/late/v1/run\.yaml: as_of"):
        ranges("150d", "60d", as_of=None)


def test_the_fixed_split_of_the_sample_does_not_move() -> None:
    """It has moments of its own."""
    found = [
        spec_of(Inputs(Files(MemoryTree(repository(**{f"{FOLDER}/run.yaml": run}))), MemoryEngine())).split
        for run in (RUN, RUN.replace("10-01", "12-24"))
    ]
    assert found[0] == found[1]
