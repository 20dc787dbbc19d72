"""The three kinds of error. A class tells the caller what to do, so the CLI maps each to one exit code.

- `InputError`: fix what you wrote (exit 2). Carries every problem found, not only the first.
- `RetryError`: nothing you wrote is wrong; the same command may work later (exit 75, `EX_TEMPFAIL`).
- `BugError`: an invariant of the engine is broken; report it (exit 70, `EX_SOFTWARE`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

Remedy = Literal["mend", "retry", "report"]
"""What to do after an error: mend what was written, run the same again later, report a fault of the engine."""


@dataclass(frozen=True, order=True, kw_only=True)
class Problem:
    """One thing that is wrong with one place of an authored file, with what would be right."""

    file: str
    line: int | None = None
    subject: str = ""
    """The field or thing concerned, as a dotted path: `features.0.set`."""
    message: str
    value: str | None = None
    allowed: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [f"{where}: {self.subject}: {self.message}" if self.subject else f"{where}: {self.message}"]
        if self.value is not None:
            parts.append(f"got {self.value}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.suggestion:
            parts.append(f"did you mean {self.suggestion!r}?")
        return "; ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The problem as plain JSON data."""
        return asdict(self)


class BigheadError(Exception):
    """Root of every error the engine raises on purpose."""

    exit_code = 70
    remedy: ClassVar[Remedy] = "report"


class InputError(BigheadError):
    """Something the user wrote or asked for is wrong; `problems` holds all of it."""

    exit_code = 2
    remedy = "mend"

    def __init__(self, problems: str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            self.problems: tuple[Problem, ...] = ()
            text = problems
        else:
            self.problems = tuple(sorted(set(problems), key=lambda p: (p.file, p.line or 0, p.subject, p.message)))
            text = "\n".join(str(problem) for problem in self.problems)
        super().__init__(text)

    def placed(self, file: str) -> tuple[Problem, ...]:
        """All that is wrong, to be collected with more: an error that names no place is a problem of this file."""
        return self.problems or (Problem(file=file, message=str(self)),)

    def saying(self, words: str) -> InputError:
        """The same with more words at each problem."""
        if not self.problems:
            return InputError(f"{self}: {words}")
        return InputError(replace(problem, message=f"{problem.message}: {words}") for problem in self.problems)


class RetryError(BigheadError):
    """A resource was busy, missing for now or full; the same command may succeed later."""

    exit_code = 75
    remedy = "retry"


class BugError(BigheadError):
    """An invariant does not hold; the engine is at fault."""

    exit_code = 70
