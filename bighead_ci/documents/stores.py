"""Where an environment keeps what its machines share: artifacts, predictions, features."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from bighead_ci.documents.authored import Definition

StoreUrl = Annotated[str, StringConstraints(pattern=r"^(s3|gs)://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*$")]
"""`s3://bucket/prefix`."""
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$")]
RedisUrl = Annotated[str, StringConstraints(pattern=r"^rediss?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[0-9]{1,2})?$")]
"""Without a password: that is a secret, and comes from the environment variable `BIGHEAD_REDIS_PASSWORD`."""


class ObjectStore(Definition):
    """Where a cluster finds artifacts and leaves predictions; every digest is checked by whoever reads.

    Credentials come from the environment (`AWS_ACCESS_KEY_ID` and the others that every S3 client reads), in pods from
    the environment's `secret`.
    """

    url: StoreUrl
    endpoint: HttpUrl | None = None
    """Of an S3 server that is not Amazon's."""
    region: str = "us-east-1"
