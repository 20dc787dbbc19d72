"""Stores that the machines of an environment share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bighead_ci.errors import InputError

if TYPE_CHECKING:
    from bighead_ci.documents.environment import EnvironmentDefinition, KubernetesEnvironment
    from bighead_ci.ports.object_store import ObjectStore
    from bighead_ci.ports.online_store import OnlineStore


def objects_of(definition: EnvironmentDefinition) -> ObjectStore | None:
    """The bucket of a cluster's environment."""
    from bighead_ci.documents.environment import KubernetesEnvironment
    from bighead_ci.stores.objects_remote import RemoteObjectStore

    return RemoteObjectStore(definition.store) if isinstance(definition, KubernetesEnvironment) else None


def redis_of(
    environment: str, definition: KubernetesEnvironment, *, readonly: bool, patience_seconds: float
) -> OnlineStore:
    """The online store of a cluster's environment.

    Raises:
        InputError: it has none, or refuses us.
        RetryError: it is out of reach, or, to a writer, locked by another.
    """
    from bighead_ci.stores.online_redis import PASSWORD, RedisOnlineStore

    if definition.online_store is None:
        raise InputError(f"environments/{environment}/environment.yaml: online_store: it names none")
    return RedisOnlineStore(
        definition.online_store, os.environ.get(PASSWORD), readonly=readonly, patience_seconds=patience_seconds
    )
