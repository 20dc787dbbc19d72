"""Flux applies what is pushed to a repository of ours, which a small server gives it over HTTP."""

from __future__ import annotations

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from bighead_ci.documents import labels
from bighead_ci.documents.release import rendered_directory
from fakes.cluster_bench import ClusterBench, required

GIT_HOST = "BIGHEAD_TEST_GIT_HOST"
"""Environment variable: the address by which pods of the cluster reach this machine."""
FLUX_NAMESPACE = "flux-system"


class GitServer:
    """Serves the bare repositories of a directory for fetching, by git's own CGI program."""

    def __init__(self, directory: Path, host: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                told = {
                    "GIT_PROJECT_ROOT": str(directory),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("content-type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                    "REMOTE_ADDR": self.client_address[0],
                }
                command = ["git", "-c", "safe.directory=*", "http-backend"]
                done = subprocess.run(command, input=body, env=os.environ | told, stdout=subprocess.PIPE, check=True)
                head, _, answer = done.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
                self.send_response(int(headers.pop("Status", "200").split()[0]))
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET  # noqa: N815  # likewise

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://{host}:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class FluxBench(ClusterBench):
    """A `ClusterBench` whose files are pushed, and applied by Flux."""

    def __init__(self, state: Path, interval: str = "1m") -> None:
        super().__init__(state)
        host = required(GIT_HOST)
        self.definition = self.definition.model_copy(update={"applied_by": "flux"})
        self.platform = self.another_platform()
        self.interval = interval
        self._bare = state / "git" / "models.git"
        self._clone = state / "clone"
        self._git("init", "--bare", "-b", "main", str(self._bare))
        self._git("clone", str(self._bare), str(self._clone))
        for name, value in (("user.name", "test"), ("user.email", "test@test.test")):
            self._git("-C", str(self._clone), "config", name, value)
        self.server = GitServer(self._bare.parent, host)

    def begin(self) -> None:
        """The namespace, and Flux's order to apply the environment's directory there."""
        self.create_namespace()
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(self._orders()))

    def end(self) -> None:
        """Take both back; Flux takes back what it applied."""
        orders = (f"{kind}/{self.namespace}" for kind in ("kustomization", "gitrepository"))
        self.kubectl("-n", FLUX_NAMESPACE, "delete", *orders)
        self.delete_namespace()
        self.server.close()

    def commit(self, model: str) -> None:
        """Render what main says, and push it; one commit."""
        super().commit(model)
        directory = self._clone / rendered_directory("prod", model)
        directory.mkdir(parents=True, exist_ok=True)
        for stale in {file.name for file in directory.iterdir()} - self.files[model].keys():
            (directory / stale).unlink()
        for name, content in self.files[model].items():
            (directory / name).write_bytes(content)
        self.push("merge")

    def push(self, message: str) -> None:
        """What lies in the clone becomes main's."""
        at = ("-C", str(self._clone))
        self._git(*at, "add", "-A")
        self._git(*at, "commit", "--allow-empty", "-qm", message)
        self._git(*at, "push", "-q", "origin", "HEAD:main")

    def suspend(self, suspended: bool) -> None:
        """Whether Flux leaves alone what is changed by hand."""
        patch = f'{{"spec": {{"suspend": {str(suspended).lower()}}}}}'
        order = ("kustomization", self.namespace)
        self.kubectl("-n", FLUX_NAMESPACE, "patch", *order, "--type=merge", "-p", patch)

    def revert(self, model: str) -> None:
        """Take the last commit back, by git alone."""
        at = ("-C", str(self._clone))
        self._git(*at, "revert", "--no-edit", "HEAD")
        self._git(*at, "push", "-q", "origin", "HEAD:main")
        directory = self._clone / rendered_directory("prod", model)
        self.files[model] = {file.name: file.read_bytes() for file in directory.iterdir()}

    def _orders(self) -> list[dict[str, Any]]:
        own: dict[str, Any] = {
            "name": self.namespace,
            "namespace": FLUX_NAMESPACE,
            "labels": {labels.ENVIRONMENT: "prod"},
        }
        source: dict[str, Any] = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": own,
            "spec": {"url": f"{self.server.url}/models.git", "ref": {"branch": "main"}, "interval": self.interval},
        }
        order: dict[str, Any] = {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": own,
            "spec": {
                "sourceRef": {"kind": "GitRepository", "name": self.namespace},
                "path": "./environments/prod/rendered",
                "interval": self.interval,
                "retryInterval": "5s",
                "prune": True,
                "wait": False,
            },
        }
        return [source, order]

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, capture_output=True)
