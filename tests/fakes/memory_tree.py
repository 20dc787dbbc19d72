"""A tree of files held in memory, and a small repository of authored files to put in it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.tree import blob_id
from bighead_ci.errors import Problem


class MemoryTree:
    """`Tree` over a mapping of path → text or bytes. `reads` has the paths that were read, in order."""

    def __init__(self, files: Mapping[str, str] | Mapping[str, bytes], links: Iterable[str] = ()) -> None:
        self.content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.linked = frozenset(links)
        self.reads: list[str] = []

    def files(self) -> Mapping[str, str]:
        return {path: blob_id(data) for path, data in self.content.items()}

    def links(self) -> frozenset[str]:
        return self.linked

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        return self.content[path]

    def containing(self, text: str, prefixes: Iterable[str]) -> list[str]:
        wanted, needle = tuple(prefixes), text.encode()
        files = {path: data for path, data in self.content.items() if path not in self.linked}
        return sorted(path for path, data in files.items() if path.startswith(wanted) and needle in data)


def dedented(files: Mapping[str, str]) -> dict[str, str]:
    """The same files without common indentation."""
    return {path: textwrap.dedent(text).lstrip("\n") for path, text in files.items()}


FLIGHTS = """
    owner: flights
    path: flights.parquet
    timestamp: at
    event_id: id
    known_at: known
    columns:
      id: int64
      at: timestamp
      known: timestamp
      delay: float64
      late: bool
      carrier: string
      origin: string
      distance: int64
"""
DELAYS = """
    owner: flights
    source: flights
    key: [carrier]
    aggregations:
      - column: delay
        operations: [count, mean]
        windows: [1h, 7d]
"""
MODEL = """
    owner: flights
    description: Will it be late?
    task: binary
    spine: {source: flights}
    label: {source: flights, column: late}
    split:
      kind: time
      train: ["2013-01-01T00:00:00Z", "2013-06-01T00:00:00Z"]
      evaluate: ["2013-06-01T00:00:00Z", "2013-09-01T00:00:00Z"]
    request:
      carrier: {type: string, use: lookup}
      distance: {type: int64}
    features:
      - set: delays/v1
        columns: [delay_mean_7d]
    evaluation:
      primary: auc
      slices: [origin]
"""
RUN = """
    as_of: 2013-10-01T00:00:00Z
"""
LOCK = f"""
    numpy==2.4.6 \\
        --hash=sha256:{"0" * 64}
"""
STAGING = """
    platform: local
    promotes_from: null
    router: {port: 18080}
    canary: {steps: [100], soak: 5s, minimum_requests: 0}
"""
PROD = """
    platform: local
    promotes_from: staging
    router: {port: 18081}
    canary: {steps: [10, 50, 100], soak: 8s, minimum_requests: 200}
    keep_warm: 1m
"""
EXPECTATIONS = """
    expectations:
      - type: expect_column_values_to_not_be_null
        kwargs: {column: delay_count_7d}
"""
GATE = """
    owner: platform
    description: data is whole
    on: [pull_request]
    thresholds:
      metrics.auc.value: {at_least: 0.6}
    rules:
      - expression: candidate.quality.failed == 0
        message: an expectation failed
"""
DVC_LOCK = """
    schema: '2.0'
    stages:
      flights:
        outs:
          - path: features/sources/flights.parquet
            md5: aaaa
            size: 1
"""


def model_files(folder: str, definition: str = MODEL) -> dict[str, str]:
    """Every file of a model version."""
    return {
        f"{folder}/model.yaml": definition,
        f"{folder}/model.py": "def build(parameters): ...\n",
        f"{folder}/run.yaml": RUN,
        f"{folder}/training.lock": LOCK,
        f"{folder}/serving.lock": LOCK,
        f"{folder}/README.md": "# Card\n",
        f"{folder}/golden_rows.json": '[{"distance": 200, "delays.delay_mean_7d": null}]',
        f"{folder}/expectations.yaml": "expectations: []\n",
        f"{folder}/dvc.yaml": "stages: {}\n",
    }


def repository(**changes: str | None) -> dict[str, str]:
    """A small valid repository; `changes` (path → text, None removes) come last."""
    files: dict[str, str | None] = {
        "features/sources/flights.yaml": FLIGHTS,
        "features/delays/v1/feature_set.yaml": DELAYS,
        "features/delays/v1/expectations.yaml": EXPECTATIONS,
        **model_files("models/late/v1"),
        "environments/staging/environment.yaml": STAGING,
        "environments/prod/environment.yaml": PROD,
        "policies/whole.yaml": GATE,
        "dvc.lock": DVC_LOCK,
        **changes,
    }
    return dedented({path: text for path, text in files.items() if text is not None})


def problems(**changes: str | None) -> list[Problem]:
    """What is wrong with the repository after changes."""
    return check_tree(MemoryTree(repository(**changes)))


def only(found: list[Problem]) -> Problem:
    """The one problem that there is."""
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]
