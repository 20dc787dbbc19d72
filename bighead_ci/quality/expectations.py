"""Runs expectations with Great Expectations, in memory: no project directory, no pages, nothing sent anywhere."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from typing import Any

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.expectations.registry import (
    get_expectation_impl,
    list_registered_expectation_implementations,
)
from pydantic.v1 import ValidationError

from bighead_ci.documents.expectation import Expectation
from bighead_ci.documents.record import ExpectationResult
from bighead_ci.errors import BugError, InputError, Problem
from bighead_ci.quality.wording import expected_text, observed_text
from bighead_ci.words import closest

_INDEX = "index"
EXACT = 2**53
"""Beyond it float64 has no equal for some integers."""


class GreatExpectationRunner:
    """`ExpectationRunner` on Great Expectations' own expectation types."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "False"
        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
        self._context = gx.get_context(mode="ephemeral")
        self._context.enable_analytics(enable=False)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)

    def run(self, suite: str, expectations: Sequence[Expectation], data: pa.Table) -> list[ExpectationResult]:
        """Check each expectation on the data; results in the order of the expectations.

        A missing column, or an expectation that raises on the data, is a failed result that says so.

        Raises:
            InputError: an unknown type or arguments that the type does not take; all of them at once.
        """
        configured = _configured(suite, expectations)
        if not configured:
            return []
        source = self._context.data_sources.add_or_update_pandas("data")
        batch = source.add_dataframe_asset("data").add_batch_definition_whole_dataframe("data")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            validated = batch.get_batch({"dataframe": _frame(data)}).validate(
                ExpectationSuite(suite.replace("/", "."), expectations=configured), result_format="BASIC"
            )
        by_index = {one.expectation_config.meta[_INDEX]: one for one in validated.results}
        if by_index.keys() != set(range(len(expectations))):
            raise BugError(f"Great Expectations answered {sorted(by_index)} of {len(expectations)} expectations")
        return [_result(suite, expectation, by_index[index]) for index, expectation in enumerate(expectations)]


def _frame(data: pa.Table) -> pd.DataFrame:
    """The data as pandas takes it; integers beside nulls stay integers where float64 has no equal for one of them."""
    found = data.to_pandas()
    for name in data.column_names:
        column = data[name]
        if pa.types.is_integer(column.type) and column.null_count and not _all_within_float64(column):
            found[name] = column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return found


def _all_within_float64(column: pa.ChunkedArray) -> bool:
    ends = pc.min_max(column).as_py()
    return ends["min"] is None or (ends["min"] >= -EXACT and ends["max"] <= EXACT)


def _configured(suite: str, expectations: Sequence[Expectation]) -> list[Any]:
    known = list_registered_expectation_implementations()
    configured, problems = [], []
    for index, expectation in enumerate(expectations):
        kind, subject = expectation.type, expectation.place
        if kind not in known:
            meant = closest(kind, known)
            problems.append(
                Problem(
                    file=f"{suite}/expectations.yaml",
                    subject=f"{subject}.type",
                    message="there is no such expectation type",
                    value=kind,
                    allowed=f"the types of Great Expectations, such as {known[0]}" if meant is None else None,
                    suggestion=meant,
                )
            )
            continue
        try:
            configured.append(get_expectation_impl(kind)(**expectation.arguments, meta={_INDEX: index}))
        except ValidationError as error:
            problems += [
                Problem(
                    file=f"{suite}/expectations.yaml",
                    subject=f"{subject}.{_path(item)}",
                    message=f"{kind}: {item['msg']}",
                )
                for item in error.errors()
            ]
        except (GreatExpectationsError, TypeError, ValueError) as error:
            problems.append(Problem(file=f"{suite}/expectations.yaml", subject=subject, message=f"{kind}: {error}"))
    if problems:
        raise InputError(problems)
    return configured


def _path(item: Any) -> str:
    return ".".join(str(part) for part in item["loc"] if part != "__root__") or "arguments"


def _result(suite: str, expectation: Expectation, answer: Any) -> ExpectationResult:
    arguments, found = expectation.arguments, dict(answer.result or {})
    column = arguments.get("column")
    count = found.get("unexpected_count")
    return ExpectationResult(
        suite=suite,
        type=expectation.type,
        column=None if column is None else str(column),
        success=bool(answer.success),
        observed=observed_text(found, _exceptions(answer.exception_info)),
        expected=expected_text(expectation.type, arguments),
        unexpected_count=None if count is None else int(count),
    )


def _exceptions(info: Any) -> list[str]:
    """Messages of what was raised; Great Expectations nests them by metric when there are several."""
    if not isinstance(info, dict):
        return []
    flat = [info] if "raised_exception" in info else [one for one in info.values() if isinstance(one, dict)]
    return [str(one["exception_message"]) for one in flat if one.get("exception_message")]
