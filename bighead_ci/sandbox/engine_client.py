"""What is asked of a Docker engine, by its command line client."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import Any

from bighead_ci.errors import RetryError
from bighead_ci.processes import ENGINE_VARIABLES, kept_environment

PROGRAM = "docker"
ANSWER_SECONDS = 10.0
"""For the engine to answer a question."""


def address() -> str:
    """Where the engine is; nobody is asked.

    Raises:
        RetryError: the client does not know.
    """
    return ask("context", "inspect", "--format={{.Endpoints.docker.Host}}").strip()


@cache
def about() -> dict[str, Any]:
    """What the engine says of itself.

    Raises:
        RetryError: there is no answer.
    """
    answer = ask("info", "--format={{json .}}")
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise RetryError(f"docker info: no answer of a Docker engine: {answer[:200]}") from error
    if not found.get("ServerVersion"):
        raise RetryError(f"docker info: no answer of a Docker engine: {' '.join(found.get('ServerErrors') or [])}")
    return found


def remove(name: str) -> None:
    """End a container with all in it, if it is there.

    Raises:
        RetryError: the engine does not answer.
    """
    done = _client("rm", "--force", "--volumes", name)
    complaint = done.stderr.decode(errors="replace").strip()
    if done.returncode and "No such container" not in complaint and "already in progress" not in complaint:
        raise RetryError(f"docker cannot end the container {name}: {complaint}")


def ask(*arguments: str, given: bytes = b"") -> str:
    """What the client answers.

    Raises:
        RetryError: nothing, or not in time.
    """
    done = _client(*arguments, given=given)
    if done.returncode:
        raise RetryError(f"docker {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def environment() -> dict[str, str]:
    """Of the client: it finds its engine by HOME and by variables of its own."""
    return kept_environment(starting=(ENGINE_VARIABLES,))


def _client(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [PROGRAM, *arguments],
            input=given,
            capture_output=True,
            check=False,
            timeout=ANSWER_SECONDS,
            env=environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise RetryError(f"docker {arguments[0]}: no answer within {ANSWER_SECONDS:.0f} seconds") from error
    except OSError as error:
        raise RetryError(f"docker does not start: {error.strerror}") from error
