"""Where a stage works: a model version's directory in a checkout, what it is told, and the files that stages leave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from bighead_ci.documents.base import Document
from bighead_ci.documents.stage import StageOrder
from bighead_ci.errors import InputError
from bighead_ci.ports.progress import Progress

PATH_PARTS = 3
"""Of a model version's directory: `models`, its name, its version."""

AnyDocument = TypeVar("AnyDocument", bound=Document)


@dataclass(frozen=True)
class StagePlace:
    """One model version in one checkout."""

    checkout: Path
    directory: str
    """`models/flight_delay/v2`, relative to the checkout."""
    results: Path | None = None
    """Where a stage's own files go; None: to `out`, beside those of earlier stages."""

    def __post_init__(self) -> None:
        parts = self.directory.split("/")
        if len(parts) != PATH_PARTS or parts[0] != "models" or not (self.checkout / self.directory).is_dir():
            raise InputError(
                f"{self.directory!r} is no model version in {self.checkout}; expected models/<name>/v<N>, "
                "relative to the repository"
            )

    @property
    def path(self) -> Path:
        """The version's directory."""
        return self.checkout / self.directory

    @property
    def out(self) -> Path:
        """Where the files of earlier stages are."""
        return self.path / "out"

    def leaving(self, file: str) -> Path:
        """Where the stage leaves one of its files."""
        return (self.results or self.out) / file

    def order(self, stage: str, kind: type[AnyDocument]) -> AnyDocument:
        """What a stage is told.

        Raises:
            InputError: nobody wrote it down, or another engine did.
        """
        file = self.out / "inputs" / f"{stage}.json"
        try:
            return kind.read(file)
        except FileNotFoundError as error:
            raise InputError(
                f"{file} is missing: `bighead train {self.directory}` writes it, and runs all stages"
            ) from error
        except ValidationError as error:
            raise InputError(
                f"{file} was written by another engine: run `bighead stage inputs {self.directory}` ({error})"
            ) from error


__all__ = ["Progress", "StageOrder", "StagePlace"]
