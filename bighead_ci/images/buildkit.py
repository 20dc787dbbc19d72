"""Runs a Dockerfile in an engine's BuildKit, by the command line client: its API is a session that no SDK speaks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from bighead_ci.errors import InputError, RetryError
from bighead_ci.ports.progress import Progress
from bighead_ci.processes import ENGINE_VARIABLES, NETWORK_VARIABLES, kept_environment

PROGRAM = "docker"
Network = Literal["none", "default", "host"]
_BUILDX_FROM = 23
"""Version of the client from which BuildKit is a plugin of its own."""
_ANSWER_SECONDS = 20
_KEPT_LINES = 25
_LATER = (
    *("Cannot connect", "connection refused", "i/o timeout", "no space left"),
    *("Temporary failure", "Could not resolve", "Could not connect", "Failed to fetch", "Unable to fetch"),
)
"""Words of the engine, and of Debian's installer, that say that nothing is wrong with what was asked for."""


@cache
def client() -> str:
    """A client that can ask for BuildKit: the first of `PATH` that can.

    Raises:
        InputError: there is none; says of each what it lacks.
    """
    lacking = []
    for directory in dict.fromkeys(os.environ.get("PATH", "").split(os.pathsep)):
        program = shutil.which(PROGRAM, path=directory) if directory else None
        if program is None:
            continue
        if not (reason := _why_not(program)):
            return program
        lacking.append(f"{program}: {reason}")
    found = "; ".join(lacking) or f"there is no {PROGRAM} on PATH"
    raise InputError(
        f"images are built with BuildKit, which no client here can ask for: {found}. Install docker-buildx"
    )


@dataclass(frozen=True)
class Context:
    """Where a build is made, and of what."""

    directory: Path
    """What recipes add lies in it; only what one names is sent, and that once."""
    address: str | None
    """Of the engine; None: as this process's environment says."""


def build(
    recipe: str,
    context: Context,
    target: str,
    tag: str,
    labels: Mapping[str, str],
    network: Network,
    progress: Progress,
) -> None:
    """Build a target of a Dockerfile in the engine, and tag it.

    Args:
        recipe: The Dockerfile's text.
        context: What it adds, and where.
        target: A stage.
        tag: What the image is called in the engine.
        labels: Of the image.
        network: What a step may reach.
        progress: Gets a line for each step that takes a while.

    Raises:
        InputError: a step failed; carries its last lines.
        RetryError: the engine does not answer.
    """
    command = [client(), "build", "--progress=plain", "--file=-", f"--target={target}", f"--tag={tag}"]
    command += [f"--network={network}", "--build-arg=SOURCE_DATE_EPOCH=0"]
    command += [f"--label={name}={value}" for name, value in sorted(labels.items())]
    variables = kept_environment(*NETWORK_VARIABLES, starting=(ENGINE_VARIABLES,))
    variables |= {"DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default"}
    variables |= {"DOCKER_HOST": context.address} if context.address else {}
    with subprocess.Popen(
        [*command, str(context.directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=variables,
        text=True,
        errors="replace",
    ) as process:
        _write(process, recipe)
        said = []
        for line in process.stdout or ():
            said.append(line.rstrip())
            if re.match(r"#[0-9]+ \[.*\] RUN", line):
                progress(line.partition(" ")[2].rstrip())
    if process.returncode:
        raise _failure("\n".join(said[-_KEPT_LINES:]))


def _write(process: subprocess.Popen[str], recipe: str) -> None:
    if process.stdin:
        try:
            process.stdin.write(recipe)
            process.stdin.close()
        except BrokenPipeError:  # it ended already, and says why
            pass


def _failure(said: str) -> InputError | RetryError:
    kind = RetryError if any(word.lower() in said.lower() for word in _LATER) else InputError
    return kind(f"the image cannot be built: {said}")


def _why_not(program: str) -> str:
    """Why a client cannot ask for BuildKit; empty when it can."""
    version = _said(program, "--version")
    found = re.search(r"version ([0-9]+)\.", version)
    if found is None:
        return f"says no version: {version[:100]}"
    if int(found[1]) < _BUILDX_FROM or _said(program, "buildx", "version"):
        return ""
    return f"version {found[1]} without its plugin buildx"


def _said(program: str, *arguments: str) -> str:
    """Empty where it fails."""
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_SECONDS,
            stdin=subprocess.DEVNULL,
            env=kept_environment(starting=(ENGINE_VARIABLES,)),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
