"""Samples of counters, one file each, so that any process may measure: `<directory>/<microseconds>[-first].json`.

Samples are thinned with their age, so that a canary of a day leaves hundreds and not a hundred thousand. The first one
after a change of weights stays: spans begin there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from bighead_ci.documents.base import Document, Moment

RESOLUTION = 32
"""Two samples lie at least this part of their age apart."""
FIRST_SAMPLES = 50
"""Changes of weights whose first sample is kept."""


class Counters(Document):
    """Counters of one process, and which run of it counted them: a restart begins at zero."""

    run: str
    values: dict[str, float]


class Sample(Document):
    """All counters that concern one model, at one moment."""

    at: Moment
    first: bool
    """Whether it is the first one after a change of weights."""
    router: Counters
    variants: dict[str, Counters]
    """By name; a process that does not answer has none."""


class SampleSeries:
    """The samples of one model in one environment."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[Path, Sample] = {}
        """What was read before: a sample never changes."""

    def append(self, sample: Sample) -> None:
        """Keep a sample, and drop older ones that are too close to others."""
        sample.write(self._file(sample.at, first=sample.first))
        files = self._files()
        for moment, first in thinned([(at, first) for at, first, _ in files], sample.at):
            self._file(moment, first=first).unlink(missing_ok=True)

    def between(self, since: datetime, until: datetime | None) -> list[Sample]:
        """The samples of a span, both ends included, in order."""
        read: dict[Path, Sample] = {}
        for at, _, file in self._files():
            if since <= at and (until is None or at <= until):
                with suppress(FileNotFoundError):  # thinned meanwhile
                    read[file] = self._read.get(file) or Sample.read(file)
        self._read = read
        return list(read.values())

    def forget(self) -> None:
        """Drop all samples."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self._read = {}

    def _file(self, at: datetime, *, first: bool) -> Path:
        return self._directory / f"{_microseconds(at)}{'-first' if first else ''}.json"

    def _files(self) -> list[tuple[datetime, bool, Path]]:
        found = []
        for file in self._directory.glob("[!.]*.json"):
            microseconds, _, first = file.stem.partition("-")
            found.append((_moment(int(microseconds)), first == "first", file))
        return sorted(found)


def thinned(moments: Sequence[tuple[datetime, bool]], now: datetime) -> list[tuple[datetime, bool]]:
    """Which of the (moment, first after a change), in order, may go; pure."""
    firsts = {at for at, first in [one for one in moments if one[1]][-FIRST_SAMPLES:]}
    dropped: list[tuple[datetime, bool]] = []
    last: datetime | None = None
    for at, first in moments:
        if at in firsts or last is None or at - last >= (now - at) / RESOLUTION:
            last = at
        else:
            dropped.append((at, first))
    return dropped


def increase(samples: Iterable[Counters]) -> dict[str, float]:
    """By how much each counter grew over samples in order, across restarts; pure.

    What a process counted between the last sample before it died and its death is not known.
    """
    grown: dict[str, float] = {}
    before: Counters | None = None
    for counters in samples:
        if before is not None:
            base = before.values if before.run == counters.run else {}
            for name, value in counters.values.items():
                grown[name] = grown.get(name, 0.0) + value - base.get(name, 0.0)
        before = counters
    return grown


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
