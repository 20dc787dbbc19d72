"""How a model is watched and who may reach it: scraping, alerts, a dashboard and network rules."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from bighead_ci.documents import labels
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.manifests.objects import Json, Placed, object_name

MONITORING = "bighead/monitoring"
"""Label of namespaces whose pods may read metrics."""
PORTS = {"https": 443, "http": 80, "redis": 6379, "rediss": 6379}
ERROR_SHARE, UNREADY_MINUTES = 0.02, 5


def watching_objects(placed: Placed) -> list[Json]:
    """What belongs to the model whatever its variants."""
    watched = [_service_monitor(placed), _rules(placed)] if placed.environment.prometheus_operator else []
    return [_network_policy(placed), *watched, _dashboard(placed)]


def _network_policy(placed: Placed) -> Json:
    """Callers come by the gateway; pods reach names and their stores, and nothing else by any port but those."""
    gateway = placed.environment.gateway
    http = [{"port": labels.HTTP_PORT, "protocol": "TCP"}]
    callers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": gateway.namespace}}}
    scrapers = {"namespaceSelector": {"matchLabels": {MONITORING: "true"}}}
    names = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": placed.metadata(object_name(placed.model)),
        "spec": {
            "podSelector": {"matchLabels": {labels.MODEL: placed.model}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [callers, scrapers], "ports": http}],
            "egress": [
                {"ports": names},
                {"ports": [{"port": port, "protocol": "TCP"} for port in _store_ports(placed.environment)]},
            ],
        },
    }


def _store_ports(environment: KubernetesEnvironment) -> list[int]:
    urls = [environment.store.endpoint or "https://store", *filter(None, [environment.online_store])]
    return sorted({url.port or PORTS[url.scheme] for url in map(urlsplit, urls)})


def _service_monitor(placed: Placed) -> Json:
    carried = [labels.MODEL, labels.VERSION, labels.VARIANT]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": placed.metadata(object_name(placed.model)),
        "spec": {
            "selector": {"matchLabels": {labels.MODEL: placed.model}},
            "endpoints": [{"port": labels.HTTP_PORT, "path": "/metrics", "interval": "15s", "honorLabels": True}],
            "targetLabels": carried,
        },
    }


def _series(placed: Placed, name: str, *, failed: bool = False) -> str:
    """The series of a model's variants in its environment; of answers, those that failed if asked for."""
    chosen = f'namespace="{placed.environment.namespace}",model="{placed.model}"'
    more = ',status=~"5..|429"' if failed else ""
    return f"bighead_{name}{{{chosen}{more}}}"


def _rate(placed: Placed, name: str, span: str, by: str = "variant", *, failed: bool = False) -> str:
    return f"sum by ({by}) (rate({_series(placed, name, failed=failed)}[{span}]))"


def _error_share(placed: Placed) -> str:
    return f"{_rate(placed, 'requests_total', '5m', failed=True)} / {_rate(placed, 'requests_total', '5m')}"


def _rules(placed: Placed) -> Json:
    errors = f"{_error_share(placed)} > {ERROR_SHARE}"
    unready = f"sum by (variant) ({_series(placed, 'ready')}) == 0"
    drops = f"sum by (variant) (increase({_series(placed, 'log_drops_total')}[10m])) > 0"
    variant = "{{ $labels.variant }}"
    rules = [
        _alert(placed, "BigheadErrors", errors, "5m", f"answers of {variant} fail"),
        _alert(placed, "BigheadNotReady", unready, f"{UNREADY_MINUTES}m", f"{variant} is not ready"),
        _alert(placed, "BigheadLogDrops", drops, "0m", f"predictions of {variant} are not logged"),
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": placed.metadata(object_name(placed.model)),
        "spec": {"groups": [{"name": f"bighead-{object_name(placed.model)}", "rules": rules}]},
    }


def _alert(placed: Placed, name: str, expression: str, lasting: str, summary: str) -> Json:
    return {
        "alert": name,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": "page", "model": placed.model, "owner": placed.owner},
        "annotations": {
            "summary": f"{placed.release.environment}/{placed.model}: {summary}",
            "remedy": f"bighead rollback {placed.model} --env {placed.release.environment} --check",
        },
    }


def _dashboard(placed: Placed) -> Json:
    title = f"{placed.model} in {placed.release.environment}"
    buckets = _rate(placed, "request_seconds_bucket", "5m", "variant, le")
    shown = {
        "Answers a second": _rate(placed, "requests_total", "1m"),
        "Share of errors": _error_share(placed),
        "p95, seconds": f"histogram_quantile(0.95, {buckets})",
        "Mean score": f"{_rate(placed, 'score_sum', '5m')} / {_rate(placed, 'score_count', '5m')}",
    }
    panels = [
        {
            "id": number + 1,
            "title": name,
            "type": "timeseries",
            "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
            "targets": [{"refId": "A", "expr": expression, "legendFormat": "{{variant}}"}],
        }
        for number, (name, expression) in enumerate(shown.items())
    ]
    uid = f"bighead-{object_name(placed.release.environment)}-{object_name(placed.model)}"[:40]
    document = {"uid": uid, "title": title, "schemaVersion": 39, "refresh": "10s", "panels": panels}
    name = f"{object_name(placed.model)}-dashboard"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": placed.metadata(name, grafana_dashboard="1"),
        "data": {f"{placed.model}.json": json.dumps(document, indent=1) + "\n"},
    }
