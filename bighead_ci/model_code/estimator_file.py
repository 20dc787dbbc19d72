"""A fitted estimator as data: skops, which makes objects of types that a reviewed model.yaml trusts, and no others."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any

import skops.io
from sklearn.exceptions import InconsistentVersionWarning

from bighead_ci.errors import InputError, Problem
from bighead_ci.model_code.code import ModelCode
from bighead_ci.model_code.trusted_types import unreviewed
from bighead_ci.sentences import shortened

FILE = "estimator.skops"
_SCHEMA = "schema.json"
_AT = (1980, 1, 1, 0, 0, 0)


def estimator_bytes(estimator: Any, trusted: Sequence[str], code: ModelCode) -> bytes:
    """The estimator as a skops file; the same estimator gives the same bytes.

    Args:
        estimator: What `build` returned, fitted.
        trusted: Types by their full names, beside those that skops trusts.
        code: Its classes may be of this code.

    Raises:
        InputError: something in it cannot be written as data, or is of a type that nobody trusts: the error has the
            lines that model.yaml needs.
    """
    with code.blaming("save"):
        content = skops.io.dumps(estimator)
    check_types(content, trusted, code)
    return _same_every_time(content)


def read_estimator(content: bytes, trusted: Sequence[str], code: ModelCode) -> tuple[Any, list[str]]:
    """The estimator of a skops file, and what its libraries say of its age.

    Raises:
        InputError: the file is none of skops, or holds a type that nobody trusts.
    """
    check_types(content, trusted, code)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            with code.blaming("load"):
                estimator = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
        except InputError as error:
            raise InputError("; ".join([str(error), *_ages(caught)])) from error
    return estimator, _ages(caught)


def _ages(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    aged = [one.message for one in caught if isinstance(one.message, InconsistentVersionWarning)]
    ages = {(one.original_sklearn_version, one.current_sklearn_version) for one in aged}
    return [f"made with scikit-learn {made}, read with {now}" for made, now in sorted(ages)]


def check_types(content: bytes, trusted: Sequence[str], code: ModelCode) -> None:
    """Refuse a type that neither skops nor model.yaml trusts.

    Raises:
        InputError: with the lines to add.
    """
    try:
        unknown = unreviewed(skops.io.get_untrusted_types(data=content), trusted)
    except Exception as error:
        raise InputError(f"{FILE}: not a file of skops: {shortened(str(error))}") from error
    if unknown:
        lines = "".join(f"\n    - {name}" for name in sorted({*unknown, *trusted}))
        message = (
            f"the estimator holds objects of types that nobody trusts ({len(unknown)}): review them, and if they may "
            f"be made wherever the model is loaded, write\nserving:\n  trusted_types:{lines}"
        )
        file = code.shown.replace("model.py", "model.yaml")
        raise InputError([Problem(file=file, subject="serving.trusted_types", message=message)])


def _same_every_time(content: bytes) -> bytes:
    """Numbers in place of the memory addresses, and no time of day."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files.pop(_SCHEMA))
    numbers: dict[str, str] = {}
    _number(schema, numbers)
    renamed = {f"{numbers.get(stem, stem)}.{kind}": files[f"{stem}.{kind}"] for stem, _, kind in map(_parts, files)}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted((renamed | {_SCHEMA: json.dumps(schema).encode()}).items()):
            entry = zipfile.ZipInfo(name, date_time=_AT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return written.getvalue()


def _parts(name: str) -> tuple[str, str, str]:
    return name.rpartition(".")


def _number(node: Any, numbers: dict[str, str]) -> None:
    """Number the objects of a schema in the order in which they stand there, files of arrays included."""
    if isinstance(node, list):
        for one in node:
            _number(one, numbers)
    if not isinstance(node, dict):
        return
    if isinstance(found := node.get("__id__"), int):
        node["__id__"] = int(numbers.setdefault(str(found), str(len(numbers) + 1)))
    if isinstance(file := node.get("file"), str):
        stem, _, kind = _parts(file)
        node["file"] = f"{numbers.setdefault(stem, str(len(numbers) + 1))}.{kind}"
    for one in node.values():
        _number(one, numbers)
