"""What `deploy/access` gives is enough to run an environment, and no more than its own namespace."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bighead_ci.errors import InputError
from bighead_ci.platforms.kubernetes.api import DEPLOYMENT, ApiServer
from bighead_ci.platforms.kubernetes.telemetry import KubernetesTelemetry
from fakes.cluster_bench import ClusterBench
from fakes.local_bench import desired, weighted

pytestmark = pytest.mark.e2e
ACCESS = Path(__file__).parents[2] / "deploy" / "access"
ACCOUNT = "runner"


def test_an_account_with_the_two_roles_runs_an_environment_and_sees_no_other(tmp_path: Path) -> None:
    """Apply, route, measure, compare, delete; not a look elsewhere."""
    bench = ClusterBench(tmp_path)
    bench.create_namespace()
    try:
        bench.kubectl("apply", "-k", str(ACCESS))
        within = ("-n", bench.namespace)
        bench.kubectl(*within, "create", "serviceaccount", ACCOUNT)
        account = f"--serviceaccount={bench.namespace}:{ACCOUNT}"
        for role in ("bighead-watch", "bighead-apply"):
            bench.kubectl(*within, "create", "rolebinding", role, f"--clusterrole={role}", account)
        bench.kubectl("create", "clusterrolebinding", bench.namespace, "--clusterrole=bighead-namespaces", account)
        bench.cluster = ApiServer(None, as_account(bench, tmp_path / "kubeconfig"))
        platform = bench.platform = bench.another_platform()
        platform.start()
        one = bench.variant("v1")
        assert platform.ensure_variant(one, 90.0)
        wanted = desired(weighted(one, 100))
        bench.merge(wanted)
        platform.route(wanted)
        assert platform.drift("tiny") == []
        (live,) = platform.observe()
        assert live.since is not None
        assert KubernetesTelemetry(platform).measure("tiny", [one.name], live.since).variants[one.name].errors == 0
        with pytest.raises(InputError, match="forbidden"):
            bench.cluster.objects(DEPLOYMENT, "default", "")
        platform.stop()
        assert platform.observe() == []
    finally:
        bench.kubectl("delete", "clusterrolebinding", bench.namespace, "--ignore-not-found")
        bench.delete_namespace()


def as_account(bench: ClusterBench, file: Path) -> Path:
    """A kubeconfig of the account."""
    config = yaml.safe_load(bench.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    token = bench.kubectl("-n", bench.namespace, "create", "token", ACCOUNT).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    file.write_text(yaml.safe_dump(config))
    return file
