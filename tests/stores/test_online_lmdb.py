"""What is particular to the embedded online store: locks, growth, readers in other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import pytest

from bighead_ci.errors import InputError, RetryError
from bighead_ci.stores.online_lmdb import LmdbOnlineStore


def test_a_second_writer_is_told_to_try_later(tmp_path: Path) -> None:
    """Only one writer may hold the store; when it closes, the next may."""
    first = LmdbOnlineStore(tmp_path)
    with pytest.raises(RetryError, match="another process is writing"):
        LmdbOnlineStore(tmp_path)
    first.close()
    LmdbOnlineStore(tmp_path).close()


def test_a_reader_sees_growth_beyond_the_map_it_opened_with(tmp_path: Path) -> None:
    """A writer that outgrows the reader's map does not break the reader, which is another process."""
    code = (
        "import sys; from pathlib import Path; from bighead_ci.stores.online_lmdb import LmdbOnlineStore\n"
        "store = LmdbOnlineStore(Path(sys.argv[1]), readonly=True, map_bytes=1 << 16)\n"
        "for line in sys.stdin:\n"
        "    value = store.get_many([('t', line.strip().encode())])[0]\n"
        "    print(None if value is None else len(value), flush=True)\n"
    )
    with LmdbOnlineStore(tmp_path, map_bytes=1 << 16) as writer:
        writer.put_many("t", [(b"first", b"x")])
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            answers = []
            for key, size in (("first", 0), ("large", 3_000_000), ("again", 9_000_000)):
                if size:
                    writer.replace("t", [(key.encode(), b"x" * size)])
                reader.stdin.write(f"{key}\n")
                reader.stdin.flush()
                answers.append(reader.stdout.readline().strip())
            reader.stdin.close()
    assert answers == ["1", "3000000", "9000000"]


def test_a_killed_writer_leaves_the_last_whole_write(tmp_path: Path) -> None:
    """A process killed inside a transaction frees the lock and changes nothing."""
    with LmdbOnlineStore(tmp_path) as writer:
        writer.put_many("t", [(b"a", b"1")])
    code = (
        "import os, sys, signal; from pathlib import Path; from bighead_ci.stores import online_lmdb as m\n"
        "store = m.LmdbOnlineStore(Path(sys.argv[1]))\n"
        "with store._environment.begin(write=True) as t:\n"
        "    t.put(b'a', b'2', db=store._environment.open_db(b't', txn=t))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    with LmdbOnlineStore(tmp_path) as writer:
        assert writer.get_many([("t", b"a")]) == [b"1"]
        assert writer.put_many("t", [(b"a", b"3")]) == 1


def test_a_store_opened_for_reading_cannot_be_written(tmp_path: Path) -> None:
    """Writing through a reader is the caller's mistake."""
    LmdbOnlineStore(tmp_path).close()
    reader = LmdbOnlineStore(tmp_path, readonly=True)
    with pytest.raises(InputError, match="opened for reading"):
        reader.put_many("t", [(b"a", b"1")])


def test_reading_before_anything_was_written_says_what_to_do(tmp_path: Path) -> None:
    """There is no store yet."""
    with pytest.raises(RetryError, match="materialize"):
        LmdbOnlineStore(tmp_path / "none", readonly=True)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A file in the way is named, not a stack trace of the library."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RetryError, match="cannot be written"):
        LmdbOnlineStore(tmp_path / "file" / "store")


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    """Reading beyond the file's end would kill the process."""
    with LmdbOnlineStore(tmp_path) as writer:
        writer.put_many("t", [(f"k{number}".encode(), b"x" * 9000) for number in range(200)])
    os.truncate(tmp_path / "data.mdb", 200_000)
    with (
        LmdbOnlineStore(tmp_path, readonly=True) as reader,
        pytest.raises(RetryError, match="damaged: delete that directory"),
    ):
        reader.get_many([("t", f"k{number}".encode()) for number in range(200)])


def test_a_reader_killed_while_it_reads_does_not_keep_its_place(tmp_path: Path) -> None:
    """Its place would keep replaced rows on disk for ever: whoever opens the store next frees it."""
    with LmdbOnlineStore(tmp_path) as writer:
        writer.put_many("t", [(b"a", b"1")])
    code = (
        "import os, sys, signal; from pathlib import Path; from bighead_ci.stores.online_lmdb import LmdbOnlineStore\n"
        "store = LmdbOnlineStore(Path(sys.argv[1]), readonly=True)\n"
        "with store._environment.begin():\n"
        "    print('reads', flush=True)\n"
        "    sys.stdin.read() if len(sys.argv) > 2 else os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    # Another reader stays: when nobody has the store open, the list of places is made anew anyway.
    with subprocess.Popen([*command, "stay"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alive:
        assert alive.stdout is not None
        alive.stdout.readline()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
            assert killed.wait() == -9
        LmdbOnlineStore(tmp_path).close()
        with lmdb.open(str(tmp_path), readonly=True) as environment:
            listed = environment.readers().split()
        alive.communicate()
    assert str(alive.pid) in listed
    assert str(killed.pid) not in listed


def test_a_reader_that_nobody_knows_of_reads_again_when_a_writer_was_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot write in the directory: what it answers is from one snapshot all the same."""
    with LmdbOnlineStore(tmp_path) as store:
        store.put_many("t", [(b"a", b"1"), (b"b", b"1")])
    code = "import sys; from pathlib import Path\n"
    code += "from bighead_ci.stores.online_lmdb import LmdbOnlineStore\n"
    code += "with LmdbOnlineStore(Path(sys.argv[1])) as store: store.put_many('t', [(b'a', b'2'), (b'b', b'2')])"
    look, looks = LmdbOnlineStore._value, list[bytes]()

    def looked(transaction: Any, handle: Any | None, key: bytes) -> bytes | None:
        found = look(transaction, handle, key)
        looks.append(key)
        if len(looks) == 1:
            subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
        return found

    monkeypatch.setattr(LmdbOnlineStore, "_value", staticmethod(looked))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with LmdbOnlineStore(tmp_path, readonly=True) as reader:
        assert reader.get_many([("t", b"a"), ("t", b"b")]) == [b"2", b"2"]
    assert looks == [b"a", b"b"] * 2
