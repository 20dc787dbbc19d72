"""An S3 server on loopback: moto, which takes any credentials."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import boto3
from moto.server import ThreadedMotoServer

from bighead_ci.documents.stores import ObjectStore

BUCKET = "models"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-test"}


@contextmanager
def s3_server() -> Iterator[ObjectStore]:
    """Where its one bucket is, below a prefix; credentials are in the environment meanwhile."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        with mock.patch.dict(os.environ, CREDENTIALS):
            boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
            yield ObjectStore(url=f"s3://{BUCKET}/team", endpoint=endpoint)
    finally:
        server.stop()
