"""The first commit of a scratch workspace."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bighead_ci.demo.seed import BEGINNING, write_seed


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_examples(directory: Path, **ports: int) -> Path:
    """Environments with those ports, a source with its data, and a model."""
    files = {
        **{
            f"environments/{name}/environment.yaml": f"# port of {name}\nrouter: {{host: 127.0.0.1, port: {port}}}\n"
            for name, port in ports.items()
        },
        "features/sources/flights.yaml": "owner: ops\n",
        "features/sources/flights.parquet": "data",
        "policies/floor.yaml": "owner: ops\n",
        "models/late/v1/model.yaml": "owner: ops\n",
        "dvc.lock": "schema: '2.0'\n",
    }
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return directory


def port_of(seed: Path, environment: str) -> int:
    """The port that the seed's environment names."""
    found = re.search(r"port: (\d+)\}", (seed / "environments" / environment / "environment.yaml").read_text())
    assert found
    return int(found[1])


def test_a_taken_port_is_replaced_and_others_stay(tmp_path: Path, taken: int) -> None:
    """Only the environment that could not listen gets another port; nothing else in the file changes."""
    free = free_port()
    seed = write_seed(write_examples(tmp_path / "examples", staging=taken, prod=free), tmp_path / "seed")
    assert port_of(seed, "prod") == free
    new = port_of(seed, "staging")
    assert new not in {taken, free}
    text = (seed / "environments/staging/environment.yaml").read_text()
    assert text == f"# port of staging\nrouter: {{host: 127.0.0.1, port: {new}}}\n"


def test_the_seed_has_no_model_and_no_data(tmp_path: Path) -> None:
    """Features, policies and environments; data comes by its import stage."""
    seed = write_seed(write_examples(tmp_path / "examples", staging=free_port()), tmp_path / "seed")
    files = sorted(str(path.relative_to(seed)) for path in seed.rglob("*") if path.is_file())
    assert files == [
        "dvc.lock",
        "environments/staging/environment.yaml",
        "features/sources/flights.yaml",
        "policies/floor.yaml",
    ]


def test_a_seed_replaces_an_earlier_one(tmp_path: Path) -> None:
    """Nothing of the last run is left in it."""
    examples = write_examples(tmp_path / "examples", staging=free_port())
    seed = write_seed(examples, tmp_path / "seed")
    (seed / "leftover.txt").write_text("old")
    write_seed(examples, tmp_path / "seed")
    assert not (seed / "leftover.txt").exists()


def test_what_anybody_begins_with_has_the_pages_that_messages_name(tmp_path: Path) -> None:
    """Environments, policies and docs, so that a page that an error names is in the clone; no models, no sources."""
    root = Path(__file__).resolve().parents[2]
    seed = write_seed(root, tmp_path / "seed", BEGINNING)
    assert {path.name for path in seed.iterdir()} == {*BEGINNING}
    sources = [*(root / "bighead_ci").rglob("*.py")]
    named = {page for file in sources for page in re.findall(r"docs/[a-z-]+\.md", file.read_text())}
    assert named
    assert [page for page in sorted(named) if not (seed / page).is_file()] == []
    assert (seed / "docs/tutorial.md").is_file()
