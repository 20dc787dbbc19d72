"""Data of sources by their digests: brought from DVC's cache, and held against what dvc.lock names."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bighead_ci.definitions.tree import DirectoryTree
from bighead_ci.delivery.stages.source_data import DATA_LOCK, digest_of_file, not_as_chosen, not_as_locked
from bighead_ci.documents.base import replacing, write_atomically
from bighead_ci.documents.stage import SourceData
from bighead_ci.errors import InputError
from bighead_ci.planning.meaning import snapshots
from bighead_ci.planning.specs import EARLIER_DATA


def put_in_place(checkout: Path, cache: Path, run_file: str, wanted: Iterable[SourceData]) -> None:
    """Put the data that a run.yaml chose where the stages look for it.

    Raises:
        InputError: no cache here holds some of it.
    """
    chosen = [data for data in wanted if data.file != data.path]
    missing = [data for data in chosen if not bring(checkout / data.file, cache_file(cache, data.digest))]
    if missing:
        raise InputError(not_as_chosen(run_file, data, None) for data in missing)


def bring(file: Path, cached: Path) -> bool:
    """Copy a file of the cache, unless one is there already; False when neither is.

    DVC takes its cache at its word: an entry whose content is not what its name says is removed here, to be made anew.

    A copy, where the file system can share blocks a cheap one: what is written over it must not reach the cache.
    """
    if file.exists():
        return True
    if not cached.is_file():
        return False
    if digest_of_file(cached) != cached.parent.name + cached.name:
        cached.unlink(missing_ok=True)
        return False
    with replacing(file) as beside:
        shutil.copyfile(cached, beside)
    return True


def locked_data(checkout: Path) -> dict[str, str]:
    """Path → digest of all data that the checkout's dvc.lock names.

    Raises:
        InputError: the file is not what DVC writes.
    """
    return snapshots(DirectoryTree(checkout))


def is_locked(checkout: Path) -> bool:
    """Whether dvc.lock has every stage of the repository's own pipeline; one made by `foreach` counts as one.

    Raises:
        InputError: a file is not what DVC writes, or reads.
    """
    return {*_stages(checkout / "dvc.yaml")} <= {name.split("@")[0] for name in _stages(checkout / DATA_LOCK)}


def _stages(file: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is no YAML: {error}") from error
    stages = found.get("stages") if isinstance(found, dict) else None
    return stages if isinstance(stages, dict) else {}


def needed_data(checkout: Path, pipeline: str) -> list[str]:
    """Paths that a version's stages read and none of them leaves, as its `dvc.yaml` says.

    Raises:
        InputError: that file is no YAML.
    """
    stages = _stages(checkout / pipeline).values()
    left = {path for stage in stages for path in _paths(stage, "outs")}
    read = {path for stage in stages for path in _paths(stage, "deps")}
    return sorted(path for path in read - left if not path.startswith(f"{EARLIER_DATA}/"))


def _paths(stage: Any, field: str) -> Iterator[str]:
    """Of a stage in a dvc.yaml, which lists paths, or in a dvc.lock, which says more of each."""
    for item in (stage.get(field) or ()) if isinstance(stage, dict) else ():
        path = item.get("path") if isinstance(item, dict) else item
        if isinstance(path, str):
            yield path


def stages_that_make(checkout: Path, wanted: Collection[str]) -> list[str]:
    """Names of the repository's own stages that left this data before; none if some of it was never made.

    Raises:
        InputError: dvc.lock is no YAML.
    """
    stages = _stages(checkout / DATA_LOCK).items()
    left = {path: name for name, stage in stages for path in _paths(stage, "outs")}
    return sorted({left[path] for path in wanted}) if left.keys() >= {*wanted} else []


def absent(checkout: Path, cache: Path, wanted: Collection[str], locked: Mapping[str, str]) -> list[str]:
    """What of this data is not there, once the cache's share of it is in place."""
    return [
        path
        for path in sorted(wanted)
        if not (checkout / path).exists()
        and not (path in locked and bring(checkout / path, cache_file(cache, locked[path])))
    ]


def check_data(checkout: Path, locked: Mapping[str, str]) -> None:
    """Hold the data that is there against what dvc.lock names.

    Raises:
        InputError: some of it is missing, or is something else.
    """
    found = {path: digest_of_file(checkout / path) for path in sorted(locked)}
    wrong = [not_as_locked(path, digest, locked[path]) for path, digest in found.items() if digest != locked[path]]
    if wrong:
        raise InputError(wrong)


@contextmanager
def unchanged_lock(checkout: Path) -> Iterator[None]:
    """Let data be made, and keep dvc.lock as it was if it is not the data that it names.

    Raises:
        InputError: the data that was made is something else.
    """
    file = checkout / DATA_LOCK
    text = file.read_bytes() if file.exists() else b""
    before = locked_data(checkout)
    try:
        yield
    finally:
        # DVC writes down what it made even when a later stage fails.
        made = locked_data(checkout)
        wrong = [path for path in before if made.get(path) != before[path]]
        if wrong:
            write_atomically(file, text)
    if wrong:
        raise InputError(not_as_locked(path, made.get(path), before[path]) for path in wrong)


def cache_file(cache: Path, digest: str) -> Path:
    """Where DVC keeps the content of a digest."""
    return cache / "content" / "files" / "md5" / digest[:2] / digest[2:]
