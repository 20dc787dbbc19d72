"""Runs what people wrote in model.py. Whatever it raises is theirs: said in one line, with file and line."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bighead_ci.errors import BigheadError, InputError, Problem

REQUIRED = ("fit", "predict_proba")


class ModelCode:
    """A version's model.py, imported from its path alone: it sees no neighbour and nobody sees it."""

    def __init__(self, path: Path, shown: str) -> None:
        """Import the file.

        Args:
            path: The file.
            shown: How messages call it: `models/flight_delay/v2/model.py`.

        Raises:
            InputError: it cannot be read or imported, or has no `build`.
        """
        self.path = path
        self.shown = shown
        self._module: dict[str, Any] = {}
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError([Problem(file=shown, message=f"cannot be read: {error}")]) from error
        spec = importlib.util.spec_from_loader("model", loader=None, origin=str(path))
        if spec is None:
            raise InputError([Problem(file=shown, message="cannot be imported")])
        module = importlib.util.module_from_spec(spec)
        module.__file__ = str(path)
        with self.blaming("import"), _findable(module):
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - running reviewed code is the task
        self._module = module.__dict__
        if not callable(self._module.get("build")):
            raise InputError([Problem(file=shown, subject="build", message="there is no function build(parameters)")])

    def build(self, parameters: Mapping[str, Any]) -> Any:
        """The estimator for the parameters.

        Raises:
            InputError: `build` raised, or what it returned is no classifier.
        """
        with self.blaming("build"):
            estimator = self._module["build"](parameters)
        missing = [name for name in REQUIRED if not callable(getattr(estimator, name, None))]
        if missing:
            kind, line = type(estimator).__name__, self._module["build"].__code__.co_firstlineno
            raise InputError(
                [
                    Problem(
                        file=self.shown,
                        line=line,
                        subject="build",
                        message=f"returned {kind}, which has no {' and no '.join(missing)}",
                    )
                ]
            )
        return estimator

    @contextmanager
    def blaming(self, doing: str) -> Iterator[None]:
        """Turn what the block raises into an input error at the line of model.py that it came through."""
        try:
            yield
        except BigheadError:
            raise
        except (Exception, SystemExit) as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.path)]
            own_syntax = isinstance(error, SyntaxError) and error.filename == str(self.path)
            line = error.lineno if own_syntax and isinstance(error, SyntaxError) else None
            line = frames[-1].lineno if frames else line
            text = str(error).strip().splitlines()
            message = f"{type(error).__name__}: {text[0][:400]}" if text else type(error).__name__
            raise InputError([Problem(file=self.shown, line=line, subject=doing, message=message)]) from error


@contextmanager
def _findable(module: ModuleType) -> Iterator[None]:
    """Let `@dataclass` and the like find the module by its name while it is imported."""
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]
        if before is not None:
            sys.modules[module.__name__] = before
