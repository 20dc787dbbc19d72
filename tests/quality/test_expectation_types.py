"""The table of expectation types is what the installed library takes."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from bighead_ci.definitions.expectation_types import TABLE, expectation_types, faults, written_table
from bighead_ci.documents.expectation import Expectation
from bighead_ci.quality.expectation_types import example, library_types
from bighead_ci.quality.expectations import GreatExpectationRunner


def test_the_table_is_what_the_library_takes() -> None:
    """After the library changed, `make lock` writes it anew."""
    assert TABLE.read_bytes() == written_table(library_types())


@pytest.mark.parametrize("kind", sorted(expectation_types()))
def test_the_least_that_a_type_needs_is_accepted_and_run(kind: str) -> None:
    """Each type of the table, with an example of its arguments, has no fault and gives a result."""
    found = example(expectation_types()[kind], "x")
    assert list(faults(kind, found)) == []
    data = pa.table({"x": [1.0, 2.0], "another": [2.0, 1.0]})
    (result,) = RUNNER.run("models/x/v1", [Expectation(place="expectations.0", type=kind, arguments=found)], data)
    assert result.type == kind


def test_reading_the_table_does_not_load_the_library() -> None:
    """`bighead check` answers at once: Great Expectations takes seconds to import."""
    code = (
        "import sys; from bighead_ci.definitions.check import check_tree; "
        "from bighead_ci.definitions.expectation_types import expectation_types; expectation_types(); "
        "sys.exit(any(name.startswith('great_expectations') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


RUNNER = GreatExpectationRunner()
