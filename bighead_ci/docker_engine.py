"""The connection to a Docker engine, for the edges that build and run containers. Talks to it with the package docker.

Which engine: `DOCKER_HOST`, else the one of the client's current context, as with every other client.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeAlias

import docker
import requests
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from bighead_ci.errors import InputError, RetryError

Client: TypeAlias = docker.DockerClient
_ANSWER_SECONDS = 600
"""A large image is loaded or pushed in one request."""
_REFUSED = ("unauthorized", "authentication required", "denied", "no basic auth", "forbidden")
"""Words of a registry that does not know who asks."""
_SERVER_FAULT = 500


@cache
def connect(address: str | None = None) -> Client:
    """A client of the engine at an address (`unix:///…`), else of the one that this process's environment names.

    Raises:
        RetryError: no engine answers.
    """
    with answering("no Docker engine answers"):
        if address is not None:
            client = docker.DockerClient(base_url=address, timeout=_ANSWER_SECONDS)
        elif os.environ.get("DOCKER_HOST"):
            client = docker.from_env(timeout=_ANSWER_SECONDS)
        else:
            context = ContextAPI.get_current_context()
            client = docker.DockerClient(base_url=context.Host, tls=context.TLSConfig, timeout=_ANSWER_SECONDS)
        client.ping()
        return client


@contextmanager
def answering(doing: str) -> Iterator[None]:
    """Turn what the engine complains of into the kind of error that it is.

    Raises:
        InputError: the engine or a registry refuses what was asked.
        RetryError: the engine or a registry does not answer.
    """
    try:
        yield
    except APIError as error:
        raise engine_error(doing, str(error.explanation or error), error.status_code or _SERVER_FAULT) from error
    except (DockerException, RequestException, requests.Timeout, OSError) as error:
        raise RetryError(f"{doing}: {error}") from error


def engine_error(doing: str, said: str, status: int = _SERVER_FAULT) -> InputError | RetryError:
    """What the engine said, as the kind of error that it is."""
    if any(word in said.lower() for word in _REFUSED):
        return InputError(
            f"{doing}: the registry does not let us: {said.strip()}; log in with `docker login <registry>`"
        )
    return (RetryError if status >= _SERVER_FAULT else InputError)(f"{doing}: {said.strip()}")
