"""Runs what people wrote in model.py. Whatever it raises is theirs: said in one line, with file and line."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bighead_ci.errors import BigheadError, InputError, Problem
from bighead_ci.model_code.neighbours import MODEL, Neighbours
from bighead_ci.sentences import shortened

FILE = "model.py"
HOOKS = ("preprocess", "pre_process", "postprocess", "post_process", "predict", "predict_proba", "predict_fn")
HOOK = "let the estimator do it (a step of its pipeline, or its own method with `serving: {kind: python}`)"
ENTRANCES = ("build", "train")
"""Functions of which model.py has exactly one."""


class ModelCode:
    """A version's model.py, with the modules beside it and no other version's."""

    def __init__(self, directory: Path, folder: str) -> None:
        """Import the file.

        Args:
            directory: The version's code.
            folder: How messages call it: `models/flight_delay/v2`.

        Raises:
            InputError: it cannot be read or imported, a neighbour has the name of a library, or it has neither
                `build` nor `train`, or both, or a function that looks as if it were called and is not.
        """
        self.shown = f"{folder}/{FILE}"
        self._neighbours = Neighbours(directory, folder)
        self.directory = self._neighbours.directory
        self._path = self.directory / FILE
        self._module: Mapping[str, Any] = self._imported()
        found = [name for name in ENTRANCES if callable(self._module.get(name))]
        if len(found) != 1:
            message = "there is no function build(parameters), and no train(data, parameters)"
            if found:
                message = "there are both build(parameters) and train(data, parameters): keep the one that is meant"
            raise InputError([Problem(file=self.shown, message=message)])
        if problems := [
            self.problem(name, f"{name} of model.py is called by nobody: {HOOK}") for name in self._hooks()
        ]:
            raise InputError(problems)
        self.trains = found == ["train"]
        """It has `train(data, parameters)`, not `build(parameters)`."""

    def _hooks(self) -> list[str]:
        """Functions that look as if somebody called them between a model and its callers, and that nothing uses."""
        nodes = [*ast.walk(ast.parse(self._path.read_bytes()))]
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        return [name for name in HOOKS if name not in used and callable(self._module.get(name))]

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

    def problem(self, function: str, message: str) -> Problem:
        """Something wrong with what a function of model.py, or a method of its model, did."""
        code = getattr(self._module.get(function), "__code__", None)
        line = None if code is None else int(code.co_firstlineno)
        return Problem(file=self.shown, line=line, subject=function, message=message)

    def place_of(self, method: Any) -> tuple[str, int | None]:
        """File and line of a method of the version's code; of a library's, model.py without a line."""
        function = inspect.unwrap(getattr(method, "__func__", method))
        code = getattr(function, "__code__", None)
        shown = self._neighbours.shown(code.co_filename) if code is not None else None
        return (shown, code.co_firstlineno) if code is not None and shown else (self.shown, None)

    def build(self, parameters: Mapping[str, Any], methods: Sequence[str]) -> Any:
        """The estimator for the parameters.

        Args:
            parameters: As model.yaml has them.
            methods: What the task needs of an estimator.

        Raises:
            InputError: `build` raised, or what it returned lacks a method.
        """
        with self.blaming("build"):
            estimator = self._module["build"](parameters)
        self._check_methods("build", estimator, methods)
        return estimator

    def train(self, data: Any, parameters: Mapping[str, Any], methods: Sequence[str]) -> Any:
        """The model that `train` makes of the data: a `TrainingData`.

        Raises:
            InputError: `train` raised, what it returned lacks a method, or model.py cannot load what it saves.
        """
        with self.blaming("train"):
            model = self._module["train"](data, parameters)
        self._check_methods("train", model, [*methods, "save"])
        if not callable(self._module.get("load")):
            message = "there is no function load(directory), which makes the model of what its save(directory) left"
            raise InputError([self.problem("load", message)])
        return model

    def load(self, directory: Path) -> Any:
        """The model that `load` makes of what its `save` left in a directory.

        Raises:
            InputError: there is no `load`, or it raised.
        """
        if not callable(self._module.get("load")):
            raise InputError([self.problem("load", "there is no function load(directory)")])
        with self.blaming("load"):
            return self._module["load"](directory)

    def _check_methods(self, function: str, model: Any, methods: Sequence[str]) -> None:
        missing = [name for name in methods if not callable(getattr(model, name, None))]
        if missing:
            message = f"returned {_described(model)}, which has no {' and no '.join(missing)}"
            raise InputError([self.problem(function, message)])

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
            text = shortened(str(error))
            message = f"{type(error).__name__}: {text}" if text else type(error).__name__
            message += self._how_to_import(error)
            raise InputError([Problem(file=file, line=line, subject=doing, message=message)]) from error

    def _how_to_import(self, error: BaseException) -> str:
        """What to write where an import failed."""
        if isinstance(error, ImportError) and "relative import" in str(error):
            return "; modules beside model.py are imported by their bare names: `import helpers`"
        if not isinstance(error, ModuleNotFoundError) or not error.name:
            return ""
        library = error.name.partition(".")[0]
        return (
            f"; it lies not beside model.py, and a library has to be in the lock that this runs in: "
            f"`bighead lock {self._neighbours.folder} --training {library}`, or --serving"
        )

    def _place_of(self, error: BaseException) -> tuple[str, int | None]:
        if isinstance(error, SyntaxError) and error.filename and (shown := self._neighbours.shown(error.filename)):
            return shown, error.lineno
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if shown := self._neighbours.shown(frame.filename):
                return shown, frame.lineno
        return self.shown, None


def _described(model: Any) -> str:
    """Its class; of a pipeline the last step's too, which is what answers."""
    steps = getattr(model, "steps", None)
    last = f" that ends in {type(steps[-1][-1]).__name__}" if isinstance(steps, list) and steps else ""
    return f"{type(model).__name__}{last}"
