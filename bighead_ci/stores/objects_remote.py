"""Objects in a bucket: S3, whoever serves it, and Google's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import GCSStore, S3Store

from bighead_ci.documents.base import replacing
from bighead_ci.documents.stores import ObjectStore as Address
from bighead_ci.errors import InputError, RetryError
from bighead_ci.stores.object_names import checked

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

CONNECT_SECONDS = 5
_CODE = re.compile(r"<Code>([A-Za-z]+)</Code>")
_REFUSED = re.compile(r"status code: (401 Unauthorized|403 Forbidden)")
"""Where the library has no class of its own for it: of lists."""
_NO_BUCKET = "NoSuchBucket"


@dataclass(frozen=True)
class Patience:
    """How long a call may take that gets no answer."""

    tries: timedelta
    """How long a request is sent again, with growing pauses."""
    answer: timedelta
    """How long one request may take, of what it sends and gets all included."""


PATIENT = Patience(timedelta(seconds=20), timedelta(seconds=300))
BRISK = Patience(timedelta(seconds=3), timedelta(seconds=5))
"""Of who has little to send, and something else to do."""


class RemoteObjectStore:
    """`ObjectStore` in a bucket, below the prefix of its address.

    Raises:
        InputError: what the environment has of credentials cannot be understood.
    """

    def __init__(self, address: Address, patience: Patience = PATIENT) -> None:
        self.address = address
        self._found_bucket = False
        try:
            self._store = _opened(address, patience)
        except (BaseError, ValueError) as error:
            raise InputError(f"the object store {address.url} cannot be opened: {_words(error)}") from error

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object; a large one in parts, which are one object when all are there."""
        with self._answering("written", name):
            obstore.put(self._store, checked(name), content)

    def read(self, name: str) -> bytes:
        """What an object holds."""
        with self._answering("read", name):
            return obstore.get(self._store, checked(name)).bytes().to_bytes()

    def get(self, name: str, into: Path) -> None:
        """Write what an object holds to a file."""
        with self._answering("read", name):
            found = obstore.get(self._store, checked(name))
            with replacing(into) as beside, beside.open("wb") as file:
                for chunk in found.stream():
                    file.write(chunk)

    def has(self, name: str) -> bool:
        """Whether there is an object of that name."""
        try:
            with self._answering("read", name):
                obstore.head(self._store, checked(name))
        except KeyError:
            self._find_bucket()  # an answer without a body does not say what is missing
            return False
        return True

    def names(self, folder: str = "") -> list[str]:
        """Names of all objects below a folder, sorted."""
        with self._answering("listed", folder):
            found = obstore.list(self._store, checked(folder) if folder else None, chunk_size=1000)
            return sorted(one["path"] for chunk in found for one in chunk)

    def delete(self, name: str) -> None:
        """Remove an object."""
        try:
            with self._answering("written", name):
                obstore.delete(self._store, checked(name))
        except KeyError:
            return

    def _find_bucket(self) -> None:
        if not self._found_bucket:
            with self._answering("listed", ""):
                next(iter(obstore.list(self._store, chunk_size=1)), None)
            self._found_bucket = True

    @contextmanager
    def _answering(self, done: str, name: str) -> Iterator[None]:
        where = f"the object store {self.address.url}"
        try:
            yield
        except (BaseError, OSError) as error:
            if isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSED.search(str(error)):
                what = f"refuses our credentials for {name or 'its names'}"
                raise InputError(f"{where} {what}: {_words(error)}; {self._remedy()}") from error
            if _NO_BUCKET in str(error):
                raise InputError(f"{where} has no such bucket; make it, or name another one") from error
            if isinstance(error, FileNotFoundError):
                raise KeyError(name) from error
            raise RetryError(f"{where} cannot be {done}: {_words(error)}") from error

    def _remedy(self) -> str:
        if self.address.url.startswith("gs://"):
            return "they are what GOOGLE_APPLICATION_CREDENTIALS names"
        return "they are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment, or the machine's own role"


def _opened(address: Address, patience: Patience) -> S3Store | GCSStore:
    url = urlsplit(address.url)
    prefix = url.path.strip("/") or None
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "timeout": patience.answer,
        "allow_http": (address.endpoint or "").startswith("http://"),
    }
    retry: RetryConfig = {
        "max_retries": 10,
        "retry_timeout": patience.tries,
        "backoff": {"max_backoff": timedelta(seconds=3)},
    }
    if url.scheme == "gs":
        return GCSStore(url.netloc, prefix=prefix, client_options=client, retry_config=retry)
    config: S3Config = {"region": address.region}
    if address.endpoint:
        config["endpoint"] = address.endpoint
    return S3Store(url.netloc, prefix=prefix, config=config, client_options=client, retry_config=retry)


def _words(error: Exception) -> str:
    """What went wrong, without the server's page: that repeats what was signed."""
    text = str(error)
    code = _CODE.search(text)
    plain = " ".join(text.partition("<")[0].partition("\n")[0].split()).rstrip(": ")
    return f"{plain} ({code[1]})" if code else plain
