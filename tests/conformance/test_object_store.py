"""What every object store does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bighead_ci.documents.stores import ObjectStore as Address
from bighead_ci.errors import InputError
from bighead_ci.ports.object_store import ObjectStore
from bighead_ci.stores.objects_directory import DirectoryObjectStore
from bighead_ci.stores.objects_remote import RemoteObjectStore
from fakes.object_store import MemoryObjectStore
from fakes.s3_server import s3_server

LARGE = bytes(range(256)) * 50_000
"""More than one part of an upload."""


@pytest.fixture(scope="module")
def s3() -> Iterator[Address]:
    with s3_server() as address:
        yield address


MAKERS: dict[str, Callable[[Path, Address], ObjectStore]] = {
    "memory": lambda _, __: MemoryObjectStore(),
    "directory": lambda directory, _: DirectoryObjectStore(directory / "objects"),
    "s3": lambda directory, s3: RemoteObjectStore(s3.model_copy(update={"url": f"{s3.url}/{directory.name}"})),
}


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path, s3: Address) -> ObjectStore:
    return MAKERS[request.param](tmp_path, s3)


def test_what_was_put_is_read(store: ObjectStore) -> None:
    """Bytes, none of them, and what a file holds."""
    store.put("a/b.txt", b"1")
    store.put("a/empty", b"")
    assert (store.read("a/b.txt"), store.read("a/empty")) == (b"1", b"")
    assert store.has("a/b.txt")
    assert store.has("a/empty")


def test_a_large_file_arrives_whole(store: ObjectStore, tmp_path: Path) -> None:
    """In several parts where the store takes parts; its directory is made where it is written to."""
    (tmp_path / "large").write_bytes(LARGE)
    store.put("large", tmp_path / "large")
    store.get("large", tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == LARGE
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy"]


def test_the_last_put_wins(store: ObjectStore) -> None:
    """All of it, though it is shorter."""
    store.put("a", b"long long ago")
    store.put("a", b"now")
    assert store.read("a") == b"now"
    assert store.names() == ["a"]


def test_what_is_not_there_is_not_read(store: ObjectStore, tmp_path: Path) -> None:
    """Neither an object that never was, nor a folder, nor what would be inside an object."""
    store.put("a/b", b"1")
    (tmp_path / "kept").write_bytes(b"kept")
    for name in ("never", "a", "a/b/c", "a/bb"):
        assert not store.has(name)
        with pytest.raises(KeyError):
            store.read(name)
        with pytest.raises(KeyError):
            store.get(name, tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"kept"


def test_names_are_of_a_folder_and_sorted(store: ObjectStore) -> None:
    """Whole parts of names count: `ab/c` is not in folder `a`."""
    for name in ("b", "a/2", "a/1/x=y", "ab/c"):
        store.put(name, b"")
    assert store.names() == ["a/1/x=y", "a/2", "ab/c", "b"]
    assert store.names("a") == ["a/1/x=y", "a/2"]
    assert store.names("a/1") == ["a/1/x=y"]
    assert store.names("never") == store.names("b") == []


def test_more_names_than_a_page_are_listed(store: ObjectStore) -> None:
    """A server answers at most a thousand at once."""
    names = [f"many/{number:04}" for number in range(1005)]
    for name in names:
        store.put(name, b"")
    assert store.names("many") == names


def test_a_deleted_object_is_gone(store: ObjectStore) -> None:
    """And deleting it again changes nothing; its neighbours stay."""
    store.put("a/b", b"1")
    store.put("a/c", b"2")
    for _ in range(2):
        store.delete("a/b")
        store.delete("never/was")
    assert store.names() == ["a/c"]


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "ä", "a\n", "x" * 901])
def test_what_no_store_can_hold_is_no_name(store: ObjectStore, name: str) -> None:
    """Whatever is done with it."""
    for call in (store.read, store.has, store.delete, lambda one: store.put(one, b"")):
        with pytest.raises(InputError, match="cannot name an object"):
            call(name)


def test_a_reader_sees_whole_objects_while_they_are_replaced(store: ObjectStore) -> None:
    """One or the other, never a part."""
    contents = {bytes([number]) * 300_000 for number in range(2)}
    store.put("a", next(iter(contents)))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for content in contents:
                store.put("a", content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert {store.read("a") for _ in range(60)} <= contents
    finally:
        stop.set()
        writer.join()
