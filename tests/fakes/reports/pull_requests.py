"""Realistic reports of pull requests: flight delays, with numbers that belong together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bighead_ci.documents.chart import Curve, CurvePoint, Matrix
from bighead_ci.documents.definition import FeatureSchema, RequestField, Serving
from bighead_ci.documents.histogram import UNIT_BOUNDS, Histogram
from bighead_ci.documents.image import ImageRef
from bighead_ci.documents.inputs import VersionInputs
from bighead_ci.documents.plan import ChangedFile, FeatureImpact, Plan, PlannedModel
from bighead_ci.documents.record import (
    ColumnDrift,
    ColumnProfile,
    DriftResult,
    EvaluationResult,
    ExpectationResult,
    Metric,
    MetricDifference,
    QualityResult,
    RunRecord,
    Slice,
    Timings,
    TrainingSetSummary,
)
from bighead_ci.documents.report import (
    Link,
    ModelReport,
    PullRequestReport,
    ReportEntry,
    RunningVersion,
)
from bighead_ci.documents.target import Target
from bighead_ci.documents.verdict import GateResult, Occasion, RuleInput, RuleResult, Verdict

V1_AUC = 0.679
NOW = datetime(2013, 10, 1, 10, 0, tzinfo=UTC)
CLASSES = ["on time", "late"]
REQUEST = {
    "carrier": RequestField(type="string", description="two-letter code", example="UA"),
    "origin": RequestField(type="string"),
    "dest": RequestField(type="string", use="lookup"),
    "distance": RequestField(type="float64"),
    "seats": RequestField(type="int64", required=False),
}
COLUMNS = [
    "carrier", "origin", "distance", "seats",
    "carrier_delays.dep_delay_mean_7d", "carrier_delays.dep_delay_count_7d", "carrier_delays.dep_delay_mean_1d",
    "airport_weather.visib_min_6h", "airport_weather.precip_sum_6h", "airport_weather.wind_speed_max_6h",
]  # fmt: skip


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def commit(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def histogram(peak: float, width: float, rows: int) -> Histogram:
    weights = [math.exp(-(((i + 0.5) / 20 - peak) ** 2) / (2 * width**2)) for i in range(20)]
    return Histogram(bounds=UNIT_BOUNDS, counts=[*(round(rows * w / sum(weights)) for w in weights), 0])


def evaluation(auc: float, rows: int = 48_210) -> EvaluationResult:
    power = (1 - auc) / auc
    lga, hawaii = (0.071, 0.09) if auc == V1_AUC else (-0.017, -0.06)
    half = 0.0062
    values = {"auc": auc, "accuracy": 0.72 + auc / 10, "log_loss": 0.86 - auc / 2, "brier": 0.31 - auc / 5}
    slices = [
        ("origin", "EWR", 17_530, 0.004), ("origin", "JFK", 16_120, 0.011), ("origin", "LGA", 14_560, lga),
        ("carrier", "UA", 9_120, 0.006), ("carrier", "B6", 8_800, 0.002), ("carrier", "EV", 7_940, -0.004),
        ("carrier", "DL", 7_610, 0.012), ("carrier", "AA", 5_020, -0.022), ("carrier", "HA", 64, hawaii),
    ]  # fmt: skip
    return EvaluationResult(
        primary="auc",
        metrics={n: Metric(value=v, low=v - half, high=v + half) for n, v in values.items()},
        slices=[
            Slice(
                column=column,
                value=value,
                rows=n,
                metrics={"auc": Metric(value=auc + d, low=auc + d - 1.2 / n**0.5, high=auc + d + 1.2 / n**0.5)},
            )
            for column, value, n, d in slices
        ],
        rows=rows,
        target=Target(task="binary", outputs=CLASSES),
        charts=[
            Curve(
                name="ROC",
                x="false positive rate",
                y="true positive rate",
                dots=False,
                points=[CurvePoint(x=i / 100, y=(i / 100) ** power) for i in range(101)],
            ),
            Curve(
                name="calibration",
                x="mean score",
                y="observed rate",
                points=[CurvePoint(x=i / 10 + 0.05, y=(i / 10 + 0.05) ** (1.9 - auc)) for i in range(10)],
            ),
            Matrix(name="confusion", names=CLASSES, counts=[[33_150, 3_904], [6_871, 4_285]]),
        ],
        score_histogram=histogram(0.15 + auc / 10, auc - 0.55, rows),
        conversion_error=3.1e-7,
    )


def _quality(failing: bool) -> QualityResult:
    suite = "models/flight_delay/v2"
    results = [
        ExpectationResult(
            suite=f"features/{name}/v1", type="expect_column_values_to_not_be_null", column=column, success=True,
            observed="0 of 289,260 rows unexpected",
            expected="values to not be null, in at least 99 % of rows", unexpected_count=0,
        )
        for name, column in [("carrier_delays", c) for c in ("carrier", "dep_delay", "time_hour")]
        + [("airport_weather", c) for c in ("origin", "visib", "precip", "wind_speed")]
    ]  # fmt: skip
    results.append(
        ExpectationResult(
            suite=suite, type="expect_column_values_to_be_between", column="distance", success=True,
            observed="0 of 289,260 rows unexpected",
            expected="values ≥ 1 and ≤ 6,000", unexpected_count=0,
        )
    )  # fmt: skip
    results.append(
        ExpectationResult(
            suite=suite, type="expect_column_values_to_be_in_set", column="origin", success=not failing,
            observed="212 of 289,260 rows unexpected (0.0733 %): SWF" if failing else "0 of 289,260 rows unexpected",
            expected="values to be in set (value set [EWR, JFK, LGA])",
            unexpected_count=212 if failing else 0,
        )
    )  # fmt: skip
    return QualityResult(results=results)


IMPORTANCE = dict(
    zip(
        [COLUMNS[i] for i in (6, 8, 4, 9, 7, 5, 2, 0, 1, 3)],
        [0.012, 0.31, 0.004, 0.09, 0.11, 0.14, 0.08, 0.15, 0.06, 0.044],
        strict=True,
    )
)


def _importance(columns: Sequence[str]) -> dict[str, float]:
    total = sum(IMPORTANCE[name] for name in columns)
    return {name: IMPORTANCE[name] / total for name in columns}


def _drift(reference: str) -> DriftResult:
    scores = [0.231, 0.164, 0.142, 0.061, 0.044, 0.031, 0.022, 0.013, 0.009, 0.002]
    return DriftResult(
        reference=reference,
        current="training set of flight_delay/v2",
        reference_rows=229_000,
        current_rows=241_050,
        columns=[
            ColumnDrift(
                column=column,
                method="Jensen-Shannon distance" if column in COLUMNS[:2] else "Wasserstein distance (normed)",
                score=score,
                threshold=0.1,
                drifted=score > 0.1,
                chance=0.0 if score > 0.1 else 1.0,
            )
            for column, score in zip(IMPORTANCE, scores, strict=True)
        ],
    ).weighed(IMPORTANCE)


def _profile() -> list[ColumnProfile]:
    numbers = [
        ColumnProfile(
            column=c, type="float64", rows=241_050, nulls=i * 310, mean=12.6 + i, std=40.2, minimum=-43.0,
            maximum=1301.0, quantiles=[-9.0, -5.0, -2.0, 11.0, 88.0],
        )
        for i, c in enumerate(COLUMNS[2:])
    ]  # fmt: skip
    top = {"UA": 43_512, "B6": 41_903, "EV": 40_118, "DL": 35_222, "AA": 24_117}
    return [ColumnProfile(column="carrier", type="string", rows=241_050, nulls=0, top=top), *numbers]


def image(name: str) -> str:
    return f"local/flight_delay@{digest(f'image {name}')}"


def record(version: str, auc: float, *, failing_quality: bool = False, model: str = "flight_delay") -> RunRecord:
    name = f"{model}/{version}"
    first = version == "v1"
    request = {k: v for k, v in REQUEST.items() if not (first and k == "seats")}
    columns = [c for c in COLUMNS if not first or c in COLUMNS[:3] + COLUMNS[4:7]]
    return RunRecord(
        sandbox="bubblewrap",
        run_id=hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(),
        model=model,
        version=version,
        content_key=digest(f"key {name}"),
        inputs=VersionInputs(model=model, version=version, stages={}, images={}),
        task="binary",
        commit=commit(name),
        recorded_at=NOW - timedelta(days=20 if first else 0),
        artifact=digest(f"artifact {name}"),
        artifact_bytes=18_204 if first else 61_870,
        parameters={"learning_rate": 0.1, "max_iter": 100 if first else 250, **({} if first else {"max_depth": 6})},
        request=request,
        features=[
            FeatureSchema(set="carrier_delays/v1", digest=digest("carrier_delays"), columns=COLUMNS[4:7]),
            *(
                []
                if first
                else [FeatureSchema(set="airport_weather/v1", digest=digest("weather"), columns=COLUMNS[7:])]
            ),
        ],
        training_set=TrainingSetSummary(
            rows=289_260, train_rows=241_050, evaluate_rows=48_210, outside_split=38_204, unlabelled=8_255,
            immature=1_120, columns=columns,
        ),
        training_set_digest=digest(f"training set {name}"),
        quality=_quality(failing_quality),
        evaluation=evaluation(auc).model_copy(update={"importance": _importance(columns)}),
        profile=_profile(),
        serving=Serving(),
        packages={
            "training": {"numpy": "2.4.6", "scikit-learn": "1.9.1" if first else "1.10.0"},
            "serving": {"numpy": "2.4.6", "onnxruntime": "1.32.0"},
        },
        data={"features/sources/flights.parquet": "d25c103e0a6659eb81ab53685b239d7d"},
        images={
            "train": ImageRef(key=digest(f"train {name}"), reference=image(f"train {name}")),
            "serve": ImageRef(key=digest(f"serve {name}"), reference=image(name)),
        },
        timings=Timings(
            seconds={
                "sources/import_nycflights13": 0.0, "training-set": 4.2, "quality": 2.9, "train": 21.4,
                "evaluate": 5.1, "package": 1.3,
            },
            reused=["sources/import_nycflights13"],
        ),
    )  # fmt: skip


def rule(expression: str, message: str, reason: str = "", **inputs: str) -> RuleResult:
    read = [RuleInput(path=tuple(path.split("__")), value=value) for path, value in inputs.items()]
    return RuleResult(expression=expression, message=message, passed=not reason, reason=reason, inputs=read)


def gate(name: str, description: str, *rules: RuleResult, applied: bool = True) -> GateResult:
    return GateResult(
        gate=name, description=description, applied=applied, passed=all(r.passed for r in rules), rules=list(rules)
    )


def verdict(*, failing: bool = False, occasion: Occasion = "pull_request") -> Verdict:
    worse = "false" if failing else ""
    return Verdict(
        occasion=occasion,
        gates=[
            gate(
                "no_worse", "The primary metric must hold up against what runs.",
                rule(
                    "running.prod.gain.auc.low >= -0.005", "AUC must not fall by more than 0.005 against prod.", worse,
                    running__prod__gain__auc__low="-0.031" if failing else "0.051",
                ),
            ),
            gate("minimum_quality", "Good enough to be useful at all.",
                  rule("candidate.metrics.auc.low >= 0.65", "AUC must be 0.65 at least.",
                        candidate__metrics__auc__low="0.735"),
                  rule("candidate.metrics.brier.value <= 0.2", "Brier score must be 0.2 at most.",
                        candidate__metrics__brier__value="0.162")),
            gate("data_quality", "All expectations of the data hold.",
                  rule("candidate.quality.failed == 0", "Every expectation must hold.", worse,
                        candidate__quality__failed="1" if failing else "0")),
            gate("slices", "No airport is left behind.",
                  rule("candidate.slices.all(s, s.metrics.auc.value >= 0.6)", "AUC must be 0.6 on each slice.",
                        candidate__slices="9 slices, least 0.659")),
            gate("conversion", "The artifact says what the estimator said.",
                  rule("candidate.conversion_error < 1e-5", "Scores must agree to 1e-5.",
                        candidate__conversion_error="3.1e-07")),
            gate("callers", "Callers of the version that runs are not broken.",
                  rule("request.breaking == 0", "No field may become required.", request__breaking="0")),
            gate("images_only", "About images.", applied=False),
        ],
    )  # fmt: skip


def differences(auc: float, against: list[str], theirs: float) -> list[MetricDifference]:
    here, there = evaluation(auc).metrics, evaluation(theirs).metrics
    return [
        MetricDifference(
            metric=metric, against=environment, model_version="v1", ours=here[metric].value,
            theirs=there[metric].value, difference=(d := here[metric].value - there[metric].value),
            low=d - 0.011, high=d + 0.011, rows=48_210,
        )
        for environment in against
        for metric in ("auc", "accuracy", "log_loss", "brier")
    ]  # fmt: skip


def model_report(auc: float = 0.741, *, failing: bool = False, reused: bool = False, **kind: Any) -> ModelReport:
    v1 = record("v1", V1_AUC)
    return ModelReport(
        record=record("v2", auc, failing_quality=failing, **kind),
        running=[
            RunningVersion(environment="staging", version="v1", weight=100, record=v1),
            RunningVersion(environment="prod", version="v1", weight=100, record=v1),
        ],
        differences=differences(auc, ["staging", "prod"], V1_AUC),
        drift=_drift("training set of flight_delay/v1"),
        verdict=verdict(failing=failing),
        reused=reused,
        seconds=0.4 if reused else 44.9,
        request_changes=["added optional field seats"],
        package_changes={"training": ["scikit-learn 1.9.1 → 1.10.0"], "serving": []},
        links=[Link(title="MLflow run", url="http://127.0.0.1:5000/#/experiments/1/runs/4f2a")],
    )


def unmeasured() -> ModelReport:
    """An evaluation of no rows."""
    report = model_report()
    nothing = EvaluationResult(
        primary="auc", metrics={}, slices=[], rows=0, target=Target(task="binary", outputs=CLASSES),
        score_histogram=Histogram(), conversion_error=0.0,
    )  # fmt: skip
    record = report.record.model_copy(update={"evaluation": nothing})
    return report.model_copy(update={"record": record, "differences": []})


def plan() -> Plan:
    return Plan(
        base=commit("base"),
        head=commit("head"),
        files=[
            ChangedFile(path="features/carrier_delays/v1/feature_set.yaml", change="modified"),
            ChangedFile(path="models/flight_delay/v2/model.py", change="added"),
            ChangedFile(path="models/flight_delay/v2/model.yaml", change="added"),
        ],
        models=[
            PlannedModel(model="flight_delay", version="v2", content_key=digest("key flight_delay/v2"),
                         because=["model files changed", "features/carrier_delays/v1 changed"]),
        ],
        impacts=[
            FeatureImpact(changed="features/carrier_delays/v1", columns=COLUMNS[4:7],
                          models=["flight_delay/v1", "flight_delay/v2", "taxi_time/v3"]),
        ],
        releases=[],
        policies=[],
        removed_models=[],
    )  # fmt: skip


def pull_request(**changes: Any) -> PullRequestReport:
    fields: dict[str, Any] = {
        "number": 7,
        "title": "flight_delay v2: weather and fleet age",
        "commit": commit("head"),
        "base": commit("base"),
        "at": NOW,
        "state": "passed",
        "plan": plan(),
        "problems": [],
        "models": [model_report()],
        "seconds": 46.2,
        "reproduce": ["git fetch origin weather && git checkout 2f9a3c41d0", "bighead train models/flight_delay/v2"],
        "links": [Link(title="full report with plots", url="https://ci.example.org/reports/7/index.html")],
    }
    return PullRequestReport(**{**fields, **changes})


def passing() -> PullRequestReport:
    return pull_request()


def failing() -> PullRequestReport:
    return pull_request(state="failed", models=[model_report(0.661, failing=True)])


def invalid() -> PullRequestReport:
    return pull_request(
        state="invalid",
        models=[],
        plan=None,
        seconds=0.3,
        problems=[
            "models/flight_delay/v2/model.yaml:14: features.0.set: no such set; did you mean 'carrier_delays/v1'?",
            "models/flight_delay/v2/model.yaml:22: evaluation.primary: got f1; allowed: auc, accuracy, log_loss, brier",
            "models/flight_delay/v2/training.lock: every model version has this file, but it is missing",
        ],
    )


def two_models() -> PullRequestReport:
    return pull_request(
        state="failed",
        models=[model_report(reused=True), model_report(0.655, failing=True, model="taxi_time")],
        seconds=41.2,
    )


def first_version() -> PullRequestReport:
    report = model_report()
    alone = report.model_copy(
        update={
            "running": [],
            "differences": [],
            "request_changes": [],
            "drift": None,
            "package_changes": {},
        }
    )
    return pull_request(models=[alone])


def entries() -> list[ReportEntry]:
    """The lines of a list of reports."""
    reports = (failing(), passing(), invalid())
    return [
        ReportEntry(
            number=number,
            title=report.title,
            commit=report.commit,
            at=report.at,
            state=report.state,
            subjects=[model.record.id for model in report.models],
            failed=[gate for model in report.models for gate, _ in model.verdict.failures],
            page=f"pr-{number}/{report.commit[:12]}/index.html",
        )
        for number, report in enumerate(reports, 7)
    ]
