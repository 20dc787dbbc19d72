"""What Envoy is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bighead_ci.documents.live import OTHERWISE
from bighead_ci.documents.telemetry import VariantCounts
from bighead_ci.platforms.envoy_config import Share, Split, clusters, routes, traffic
from bighead_ci.platforms.samples import Counters, Sample
from bighead_ci.platforms.scrape import read_page
from bighead_ci.platforms.telemetry import Routed, counts, routed


def split(stable: int, candidate: int) -> Split:
    return Split(model="tiny", shares=[Share(variant="one", weight=stable), Share(variant="two", weight=candidate)])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (split(90, 10), {"one": 90, "two+one": 10}),
        (split(100, 0), {"one": 100}),
        (split(0, 100), {"two": 100}),
    ],
)
def test_only_a_candidate_falls_back_and_only_to_a_stable_with_traffic(wanted: Split, expected: dict[str, int]) -> None:
    """No variant gets more than git gives it, the serving stable one excepted."""
    assert traffic(routes([wanted])) == {"tiny": expected}


def test_every_cluster_that_a_route_names_exists() -> None:
    """Variants that run have clusters, and each fallback has its own."""
    names = {cluster["name"] for cluster in clusters(["one", "two"], [split(90, 10)], Path("/files"))}
    assert names == {"one", "two", "two+one"}


def test_a_model_is_not_reached_by_another_that_begins_the_same() -> None:
    """The prefix ends with a slash."""
    other = Split(model="tiny_other", shares=[Share(variant="x", weight=100)])
    found = routes([split(100, 0), other])["virtual_hosts"][0]["routes"]
    assert [route["match"]["prefix"] for route in found] == ["/tiny/", "/tiny_other/", "/"]


@pytest.mark.parametrize(
    ("counters", "variant", "expected"),
    [
        ({"cluster.one.upstream_rq_completed": 9, "cluster.one.upstream_rq_total": 9}, "one", Routed(9, 0)),
        # Ten sent to the candidate, four did not reach it and were answered by the stable one.
        (
            {
                "cluster.two+one.upstream_rq_completed": 10,
                "cluster.two.upstream_rq_total": 6,
                "cluster.two+one.upstream_rq_5xx": 1,
            },
            "two",
            Routed(10, 5),
        ),
        # Of eight answers with 4xx three say that the variant cannot keep up; the others are about wrong requests.
        (
            {
                "cluster.one.upstream_rq_completed": 9,
                "cluster.one.upstream_rq_total": 9,
                "cluster.one.upstream_rq_4xx": 8,
                "cluster.one.upstream_rq_429": 3,
            },
            "one",
            Routed(9, 3),
        ),
        # The stable one answered those four as well: they are not its own.
        ({"cluster.one.upstream_rq_completed": 90, "cluster.one.upstream_rq_total": 94}, "one", Routed(90, 0)),
        ({"cluster.two.upstream_rq_completed": 2, "cluster.two.upstream_rq_5xx": 2}, "two", Routed(2, 2)),
        # Three that the candidate declined were answered by the stable one; what the stable declined was tried again.
        (
            {
                "cluster.two+one.upstream_rq_completed": 9,
                "cluster.two.upstream_rq_total": 9,
                "cluster.two+one.retry.upstream_rq_5xx": 3,
            },
            "two",
            Routed(9, 3),
        ),
        (
            {
                "cluster.one.upstream_rq_completed": 9,
                "cluster.one.upstream_rq_total": 15,
                "cluster.one.retry.upstream_rq_5xx": 6,
            },
            "one",
            Routed(9, 0),
        ),
        ({"cluster.one-b.upstream_rq_completed": 5}, "one", Routed(0, 0)),
        ({}, "one", Routed(0, 0)),
    ],
)
def test_failures_are_told_from_the_routers_counters(
    counters: dict[str, float], variant: str, expected: Routed
) -> None:
    """Worked examples of what counts as a variant's request and as its failure."""
    assert routed(counters, variant) == expected


def test_only_the_router_says_who_else_would_answer() -> None:
    """The process of a candidate is told of the stable variant; of any other, what its callers claim is removed."""
    (route,) = [one for one in routes([split(90, 10)])["virtual_hosts"][0]["routes"] if one.get("name") == "tiny"]
    stable, candidate = route["route"]["weighted_clusters"]["clusters"]
    assert stable["request_headers_to_remove"] == [OTHERWISE]
    (header,) = candidate["request_headers_to_add"]
    assert header["header"] == {"key": OTHERWISE, "value": "one"}
    assert header["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"


@pytest.mark.parametrize(("single", "listed", "median"), [(["0.1"], ["0.2"], 1), ([], ["0.2"], 2), (["0.1"], [], 1)])
def test_times_of_rows_of_lists_are_not_mixed_with_those_of_single_rows(
    single: list[str], listed: list[str], median: int
) -> None:
    """They count only where there are no others."""

    def page(seconds: dict[str, list[str]]) -> str:
        lines = []
        for name, times in seconds.items():
            lines.append(f"# TYPE {name} histogram")
            lines += [f'{name}_bucket{{le="{le}"}} {sum(t <= le for t in times)}' for le in ("0.1", "0.2", "+Inf")]
        return "\n".join(lines) + "\n"

    def sample(second: int, **times: list[str]) -> Sample:
        seconds = {"bighead_request_seconds": times["single"], "bighead_listed_row_seconds": times["listed"]}
        process = Counters(run="1", values=read_page(page(seconds)))
        at = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
        return Sample(at=at, first=False, router=Counters(run="1", values={}), variants={"one": process})

    found = counts([sample(0, single=[], listed=[]), sample(1, single=single, listed=listed)], "one").seconds
    assert found.counts.index(1) + 1 == median


def test_what_was_under_way_at_the_first_sample_is_no_failure() -> None:
    """It reached its process before it and finished after; what did not reach it is still counted."""
    counters = {"cluster.one.upstream_rq_completed": 62, "cluster.one.upstream_rq_total": 60}
    assert routed(counters, "one", under_way=3) == Routed(62, 0)
    assert routed(counters, "one", under_way=1) == Routed(62, 1)


def test_a_variant_that_did_nothing_counts_zero() -> None:
    """Nothing sampled of it gives zeros."""
    samples = [
        Sample(
            at=datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC),
            first=second == 0,
            router=Counters(run="1", values={}),
            variants={"one": Counters(run="1", values=read_page(""))} if second else {},
        )
        for second in (0, 1)
    ]
    assert counts(samples, "one") == VariantCounts()
