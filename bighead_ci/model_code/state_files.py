"""Which files of a saved state hold pickled objects, by what is in them and not by what they are called.

Loading a pickle runs what it says: nobody can review it, and it is bound to the versions that wrote it. Compressed
files and zip archives (joblib's, `torch.save`, npz) are looked into.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from bighead_ci.errors import Problem

INSTEAD = "skops, safetensors, JSON, npz of numbers, or a library's own format (booster.save_model)"
_PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x5d\x00\x00": lzma.decompress,
    b"\x78\x01": zlib.decompress,
    b"\x78\x5e": zlib.decompress,
    b"\x78\x9c": zlib.decompress,
    b"\x78\xda": zlib.decompress,
}
"""First bytes → how joblib, or a person, packed what follows."""
_ZIP, _NPY, _HDF = b"PK\x03\x04", b"\x93NUMPY", b"\x89HDF"
_PROTOCOLS = range(2, 6)
_DEEPEST = 4
_LEAST_OPCODES = 2
"""`1.` reads as a pickle of so many, and makes nothing."""
_LARGEST = 1 << 34
"""Bytes that the members of an archive may say they are, together."""


def pickled(directory: Path, shown: str) -> list[Problem]:
    """A problem for every file of a directory, or archive's member, that holds pickled objects.

    Args:
        directory: Where the files are.
        shown: How messages call the directory.
    """
    problems = []
    for file in sorted(path for path in directory.rglob("*") if path.is_file()):
        name = f"{shown}/{file.relative_to(directory)}"
        for where, what in _found(file.read_bytes(), "", _DEEPEST):
            problems.append(Problem(file=name, message=f"{where}{what}: its loading would run code", allowed=INSTEAD))
    return problems


def _found(content: bytes, where: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0:
        yield where, "is packed too often to be looked into"
    elif content.startswith(_ZIP):
        yield from _in_archive(content, where, depth)
    elif content.startswith(_NPY):
        if b"'|O'" in content[:512]:
            yield where, "holds an array of Python objects, which NumPy pickles"
    elif _is_pickle(content):
        yield where, "holds pickled objects"
    else:
        for magic, unpack in _PACKED.items():
            if content.startswith(magic):
                try:
                    yield from _found(unpack(content), where, depth - 1)
                except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError):
                    continue  # it only begins like that


def _in_archive(content: bytes, where: str, depth: int) -> Iterator[tuple[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(one.file_size for one in archive.infolist()) > _LARGEST:
                yield where, f"says that it holds more than {_LARGEST:,} bytes"
                return
            for name in archive.namelist():
                yield from _found(archive.read(name), f"{where}{name}: ", depth - 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        yield where, f"is an archive that cannot be looked into ({error})"


def _is_pickle(content: bytes) -> bool:
    """Of protocol 2 or later by its first bytes; of an older one if all of it reads as one, and it makes something."""
    if content[:1] == b"\x80" and content[1:2] and content[1] in _PROTOCOLS:
        return True
    if not content.rstrip().endswith(b"."):
        return False
    end = len(content.rstrip())
    try:
        read = [position for _, _, position in pickletools.genops(content)]
    except Exception:  # noqa: BLE001 - whatever a reader of opcodes makes of bytes that are none
        return False
    return len(read) > _LEAST_OPCODES and read[-1] == end - 1
