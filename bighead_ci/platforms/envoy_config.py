"""What Envoy is told: bootstrap, clusters, endpoints and routes as JSON. Pure.

A variant is a cluster. A candidate under a canary is reached through an aggregate cluster `<candidate>+<stable>`: where
it cannot be reached at all, or answers that it is not ready, its requests go to the stable variant, which may have all
the traffic anyway. The reverse
never happens: no variant gets more than git gives it. The answer's headers come from the process that answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bighead_ci.documents.base import Document, Moment
from bighead_ci.documents.live import BODY_LIMIT, OTHERWISE, UNREADY

Json = dict[str, Any]
TYPE = "type.googleapis.com/envoy"
ROUTES = "models"
"""Name of the route configuration."""
REQUEST_TIMEOUT = "15s"
RECEIVE_TIMEOUT = "10s"
"""From the first byte of a request to its last: who sends slower is answered 408, and never reaches a process."""
KEEP_ALIVE = "300s"
"""How long a caller's connection may rest."""
CIRCUIT_BREAKERS: Json = {
    "thresholds": [{"max_connections": 1024, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 1024}]
}
"""Of variants and aggregates alike: a retry counts at the cluster that the route named, where Envoy would allow 3."""


class Share(Document):
    """A variant's share of its model's traffic, in percent."""

    variant: str
    weight: int


class Split(Document):
    """One model's traffic; the first share is the stable variant's."""

    model: str
    shares: list[Share]
    since: Moment | None = None
    """Since when it was seen in force."""
    before: Moment | None = None
    """Since when the weights before these were, if that is known."""

    @property
    def weights(self) -> dict[str, int]:
        """Variant → weight, of those that have any."""
        return {share.variant: share.weight for share in self.shares if share.weight}

    def cluster(self, share: Share) -> str:
        """The cluster that a share's requests are sent to."""
        stable = self.shares[0]
        behind = stable.weight > 0 and share is not stable and share.variant != stable.variant
        return f"{share.variant}+{stable.variant}" if behind else share.variant


def _from_file(file: Path) -> Json:
    return {
        "path_config_source": {"path": str(file), "watched_directory": {"path": str(file.parent)}},
        "resource_api_version": "V3",
    }


def response(version: str, resources: list[Json]) -> Json:
    """An xDS DiscoveryResponse."""
    return {"version_info": version, "resources": resources}


def bootstrap(environment: str, host: str, port: int, files: Path) -> Json:
    """Envoy's own file: one listener; everything else is read from `files` and may change."""
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "models",
        "codec_type": "HTTP1",
        "rds": {"route_config_name": ROUTES, "config_source": _from_file(files / "rds.json")},
        # Old clients speak HTTP/1.0, and need not say which host they mean: there is one.
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "models"},
        "request_headers_timeout": RECEIVE_TIMEOUT,
        "request_timeout": RECEIVE_TIMEOUT,
        "common_http_protocol_options": {"idle_timeout": KEEP_ALIVE},
        "local_reply_config": {
            "body_format": {
                "json_format": {"error": "%LOCAL_REPLY_BODY%"},
                "content_type": "application/json",
            }
        },
        "http_filters": [
            # A request takes a place in a process when it is whole.
            _filter("buffer", "buffer.v3.Buffer", max_request_bytes=BODY_LIMIT),
            _filter("router", "router.v3.Router"),
        ],
    }
    listener = {
        "name": "callers",
        "address": {"socket_address": {"address": host, "port_value": port}},
        "enable_reuse_port": False,  # with it, two routers could share a port without anybody noticing
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {
        "node": {"id": f"bighead-{environment}", "cluster": "bighead"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {"cds_config": _from_file(files / "cds.json")},
        "static_resources": {"listeners": [listener]},
    }


def _filter(name: str, kind: str, **settings: Any) -> Json:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{TYPE}.extensions.filters.http.{kind}", **settings},
    }


def variant_cluster(variant: str, files: Path) -> Json:
    """A variant's process, found through its own endpoint file: a restart moves it without touching its counters."""
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": variant,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _from_file(files / "eds" / f"{variant}.json")},
        "connect_timeout": "1s",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        # Only a process that cannot be reached is left alone for a second. Errors that it answers are to be seen.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 3,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "interval": "0.5s",
            "base_ejection_time": "1s",
            "max_ejection_time": "2s",
            "max_ejection_percent": 100,
        },
        "circuit_breakers": CIRCUIT_BREAKERS,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "30s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def aggregate_cluster(name: str) -> Json:
    """`<candidate>+<stable>`: the second where the first cannot be reached."""
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": CIRCUIT_BREAKERS,
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": f"{TYPE}.extensions.clusters.aggregate.v3.ClusterConfig",
                "clusters": name.split("+"),
            },
        },
    }


def endpoint(variant: str, host: str, port: int) -> Json:
    """Where a variant's process listens."""
    address = {"socket_address": {"address": host, "port_value": port}}
    return {
        "@type": f"{TYPE}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": variant,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    }


def port_of(discovery_response: Mapping[str, Any]) -> int:
    """The port in a response with one `endpoint`."""
    (assignment,) = discovery_response["resources"]
    port: int = assignment["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"]
    return port


def clusters(variants: Sequence[str], splits: Sequence[Split], files: Path) -> list[Json]:
    """Every cluster that the splits need, and one for every variant that runs."""
    named = {split.cluster(share) for split in splits for share in split.shares if share.weight}
    aggregates = sorted(name for name in named if "+" in name)
    return [variant_cluster(v, files) for v in sorted(variants)] + [aggregate_cluster(name) for name in aggregates]


def routes(splits: Sequence[Split]) -> Json:
    """The route configuration: `/<model>/…` to the model's variants by weight."""
    known = ", ".join(sorted(split.model for split in splits)) or "none"
    nowhere = {
        "match": {"prefix": "/"},
        "direct_response": {
            "status": 404,
            "body": {"inline_string": f"no such model; POST /<model>/predict, models here: {known}"},
        },
    }
    return {
        "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "validate_clusters": True,
        "virtual_hosts": [
            {"name": ROUTES, "domains": ["*"], "routes": [*(_route(s) for s in splits), nowhere]},
        ],
    }


def _route(split: Split) -> Json:
    shares = [_weighted(split.cluster(share), share.weight) for share in split.shares if share.weight]
    return {
        "name": split.model,
        "match": {"prefix": f"/{split.model}/"},
        "route": {
            "prefix_rewrite": "/",
            "weighted_clusters": {"clusters": shares},
            "timeout": REQUEST_TIMEOUT,
            # A prediction changes nothing, so one whose process vanished may be asked again, elsewhere if there is one.
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,reset,retriable-headers",
                "retriable_headers": [{"name": UNREADY, "present_match": True}],
                "num_retries": 2,
                "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
                "retry_priority": {
                    "name": "envoy.retry_priorities.previous_priorities",
                    "typed_config": {
                        "@type": f"{TYPE}.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                        "update_frequency": 1,
                    },
                },
            },
        },
    }


def _weighted(cluster: str, weight: int) -> Json:
    """A cluster's share; whom it asks is told who else would answer, and nobody but the router may say that."""
    _, _, stable = cluster.partition("+")
    if not stable:
        return {"name": cluster, "weight": weight, "request_headers_to_remove": [OTHERWISE]}
    otherwise = {"header": {"key": OTHERWISE, "value": stable}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"name": cluster, "weight": weight, "request_headers_to_add": [otherwise]}


def traffic(route_configuration: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Model → cluster → weight of a route configuration, ours or the one that Envoy says it uses."""
    return {
        route["name"]: {c["name"]: int(c["weight"]) for c in route["route"]["weighted_clusters"]["clusters"]}
        for host in route_configuration["virtual_hosts"]
        for route in host["routes"]
        if "route" in route
    }
