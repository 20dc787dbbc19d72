"""Runs what people wrote in model.py. Whatever it raises is theirs: said in one line, with file and line."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.model_code.neighbours import MODEL, Neighbours

FILE = "model.py"


class ModelCode:
    """A version's model.py, with the modules beside it and no other version's."""

    def __init__(self, directory: Path, folder: str) -> None:
        """Import the file.

        Args:
            directory: The version's code.
            folder: How messages call it: `models/flight_delay/v2`.

        Raises:
            InputError: it cannot be read or imported, a neighbour has the name of a library, or it has no
                `build`.
        """
        self.shown = f"{folder}/{FILE}"
        self._neighbours = Neighbours(directory, folder)
        self._path = self._neighbours.directory / FILE
        self._module: Mapping[str, Any] = self._imported()
        if not callable(self._module.get("build")):
            raise InputError(
                [Problem(file=self.shown, subject="build", message="there is no function build(parameters)")]
            )

    def _imported(self) -> Mapping[str, Any]:
        try:
            self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError([Problem(file=self.shown, message=f"cannot be read: {error}")]) from error
        spec = importlib.util.spec_from_file_location(MODEL, self._path)
        if spec is None or spec.loader is None:
            raise InputError([Problem(file=self.shown, message="cannot be imported")])
        module = importlib.util.module_from_spec(spec)
        with self.blaming("import"):
            sys.modules[MODEL] = module  # where `@dataclass`, and a neighbour that imports it, look for it
            spec.loader.exec_module(module)
        return module.__dict__

    def function(self, name: str) -> Callable[..., Any] | None:
        """A function of model.py, if it has it. To be called inside `blaming`."""
        found = self._module.get(name)
        return found if callable(found) else None

    def line(self, name: str) -> int | None:
        """Where a function of model.py begins."""
        code = getattr(self._module.get(name), "__code__", None)
        return None if code is None else int(code.co_firstlineno)

    def build(self, parameters: Mapping[str, Any], methods: tuple[str, ...] = ("fit", "predict_proba")) -> Any:
        """The estimator for the parameters.

        Args:
            parameters: As model.yaml has them.
            methods: What the task needs of an estimator.

        Raises:
            InputError: `build` raised, or what it returned lacks a method.
        """
        with self.blaming("build"):
            estimator = self._module["build"](parameters)
        missing = [name for name in methods if not callable(getattr(estimator, name, None))]
        if missing:
            message = f"returned {type(estimator).__name__}, which has no {' and no '.join(missing)}"
            raise InputError([Problem(file=self.shown, line=self.line("build"), subject="build", message=message)])
        return estimator

    @contextmanager
    def blaming(self, doing: str) -> Iterator[None]:
        """Run what the block runs as the version's code; what it raises is an input error at the line it came through.

        That is the innermost line of model.py or of a module beside it.
        """
        try:
            with self._neighbours.importable():
                yield
        except BigheadError:
            raise
        except (Exception, SystemExit) as error:
            file, line = self._place_of(error)
            text = str(error).strip().splitlines()
            message = f"{type(error).__name__}: {text[0][:400]}" if text else type(error).__name__
            if isinstance(error, ImportError) and "relative import" in message:
                message += "; modules beside model.py are imported by their bare names: `import helpers`"
            raise InputError([Problem(file=file, line=line, subject=doing, message=message)]) from error

    def _place_of(self, error: BaseException) -> tuple[str, int | None]:
        if isinstance(error, SyntaxError) and error.filename and (shown := self._neighbours.shown(error.filename)):
            return shown, error.lineno
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if shown := self._neighbours.shown(frame.filename):
                return shown, frame.lineno
        return self.shown, None
