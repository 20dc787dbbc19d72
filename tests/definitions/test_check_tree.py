"""What is wrong with the authored files of a tree: all of it, with file, line and what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.tree import DirectoryTree
from fakes.memory_tree import (
    DELAYS,
    FLIGHTS,
    GATE,
    MODEL,
    PROD,
    RUN,
    STAGING,
    MemoryTree,
    model_files,
    only,
    problems,
    repository,
)

MODEL_FILE = "models/late/v1/model.yaml"
RUN_FILE = "models/late/v1/run.yaml"
SET_FILE = "features/delays/v1/feature_set.yaml"
SOURCE_FILE = "features/sources/flights.yaml"


def test_a_valid_repository_has_no_problems() -> None:
    """A repository in which all is well gives an empty list."""
    assert problems() == []


def test_this_repository_has_no_problems() -> None:
    """The policies and environments that this project ships pass their own check."""
    root = Path(__file__).parents[2]
    mine = [path for folder in ("policies", "environments") for path in (root / folder).rglob("*.yaml")]
    assert len(mine) > 2
    assert check_tree(DirectoryTree(root), [path.relative_to(root).as_posix() for path in mine]) == []


def test_every_problem_is_found_at_once() -> None:
    """Three broken files are all reported by one call."""
    found = problems(
        **{
            SOURCE_FILE: FLIGHTS.replace("delay: float64", "delay: float46"),
            "environments/prod/environment.yaml": PROD.replace("platform: local", "platform: lokal"),
            "policies/whole.yaml": GATE.replace("quality.failed == 0", "quality.failed =="),
        }
    )
    assert {problem.file for problem in found} >= {
        SOURCE_FILE,
        "environments/prod/environment.yaml",
        "policies/whole.yaml",
    }


# (text of the environment, line, subject, part of the message, what is allowed)
PLATFORM_CASES = [
    (
        PROD.replace("platform: local", "platform: lokal"),
        1,
        "platform",
        "not one of the allowed",
        "docker, kubernetes, local",
    ),
    (PROD.replace("    platform: local\n", ""), 1, "platform", "is required here", "docker, kubernetes, local"),
    (PROD.replace("    router: {port: 18081}\n", ""), 1, "router", "is required", "host, port"),
    (PROD.replace("port: 18081", "prot: 18081"), 3, "router.prot", "there is no such field", "host, port"),
    (
        PROD.replace("platform: local", "platform: local\n    base: x"),
        2,
        "base",
        "there is no such field",
        "approvals, canary, description, keep_warm, platform, promotes_from, router",
    ),
]


@pytest.mark.parametrize(("text", "line", "subject", "message", "allowed"), PLATFORM_CASES)
def test_a_platform_decides_which_fields_an_environment_has(
    text: str, line: int, subject: str, message: str, allowed: str | None
) -> None:
    """A wrong, missing or unbuilt platform and a wrong setting of one are said at their line."""
    found = [p for p in problems(**{"environments/prod/environment.yaml": text}) if p.subject == subject]
    problem = only(found)
    assert (problem.file, problem.line, problem.allowed) == ("environments/prod/environment.yaml", line, allowed)
    assert message in problem.message


# (old text, new text, line, subject, what is allowed, closest match)
SCHEMA_CASES = [
    ("task: binary", "task: binery", 3, "task", "binary, multiclass", "binary"),
    ("description: Will", "descriptoin: Will", 2, "descriptoin", "description", "description"),
    ("kind: time", "kind: tme", 6, "split", "hash, recent, time", "time"),
    ("primary: auc", "primary: acu", 17, "evaluation.primary", "auc", "auc"),
    ("primary: auc", "primary: mae", 17, "evaluation.primary", "auc, log_loss", None),
    ("task: binary", "task: regression", 5, "label.column", "float64, int64", None),
    ("task: binary", "task: binary\n    quantiles: [0.1]", 4, "quantiles", None, None),
    ("distance: {type: int64}", "distance: {typ: int64}", 12, "request.distance.typ", "type", "type"),
]


@pytest.mark.parametrize("case", SCHEMA_CASES, ids=lambda case: case[1])
def test_schema_errors_say_line_field_and_what_is_right(
    case: tuple[str, str, int, str, str | None, str | None],
) -> None:
    """A wrong value or field is reported at its line with the allowed ones and the closest match."""
    old, new, line, subject, allowed, suggestion = case
    found = [p for p in problems(**{MODEL_FILE: MODEL.replace(old, new)}) if p.subject == subject]
    problem = only(found)
    assert (problem.file, problem.line) == (MODEL_FILE, line)
    assert allowed is None or allowed in (problem.allowed or "")
    assert problem.suggestion == suggestion


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("owner: flights", "owner: flights\n    owner: others", "duplicate key, first given at line 1"),
        ("port: 18081", 'port: "18081"', "must be a whole number"),
        ("minimum_requests: 200", "minimum_requests: no", "must be a whole number"),
        ("promotes_from: staging", "promotes_from: &x staging\n    description: *x", "aliases"),
        ("platform: local", "platform: !!python/name:os.system local", "tags are not supported"),
        ("platform: local", "platform: [local", "not YAML"),
        ("steps: [10, 50, 100]", "steps: [10, 50]", "must rise and end at 100"),
        ("steps: [10, 50, 100]", "steps: [50, 10, 100]", "must rise and end at 100"),
        ("promotes_from: staging", "promotes_from: stagin", "there is no such environment"),
        ("promotes_from: staging", "promotes_from: prod", "cannot promote from itself"),
        ("port: 18081", "port: 18080", "environment staging uses the same address"),
    ],
)
def test_a_broken_environment_is_explained(old: str, new: str, words: str) -> None:
    """Each kind of mistake in an environment gives a message that names it."""
    prod = ("    owner: flights\n" + PROD).replace(old, new) if old.startswith("owner") else PROD.replace(old, new)
    assert any(words in problem.message for problem in problems(**{"environments/prod/environment.yaml": prod}))


def test_a_circle_of_promotions_is_found() -> None:
    """Two environments that promote from each other are both reported."""
    staging = STAGING.replace("promotes_from: null", "promotes_from: prod")
    found = problems(**{"environments/staging/environment.yaml": staging})
    assert [p.value for p in found] == ["prod → staging → prod", "staging → prod → staging"]


CROSS_CASES = [
    (MODEL_FILE, "set: delays/v1", "set: delays/v2", "there is no such feature set", "delays/v1"),
    (MODEL_FILE, "delay_mean_7d", "delay_maen_7d", "has no such feature", "delay_mean_7d"),
    (MODEL_FILE, "[delay_mean_7d]", "[delay_mean_7d, delay_mean_7d]", "requested twice", None),
    (MODEL_FILE, "spine: {source: flights}", "spine: {source: fligths}", "there is no such source", "flights"),
    (MODEL_FILE, "column: late}", "column: lat}", "has no such column", "late"),
    (MODEL_FILE, "distance: {type: int64}", "distanse: {type: int64}", "has no such column", "distance"),
    (MODEL_FILE, "distance: {type: int64}", "distance: {type: string}", "column distance", None),
    (MODEL_FILE, "distance: {type: int64}", "distance: {type: int64, size: 3}", "another length", None),
    (MODEL_FILE, "distance: {type: int64}", "late: {type: bool}", "the label cannot be an input", None),
    (MODEL_FILE, "carrier: {type: string, use: lookup}", "origin: {type: string}", "is no request field", None),
    (MODEL_FILE, "slices: [origin]", "slices: [orgin]", "neither a request field nor a column", "origin"),
    (RUN_FILE, "as_of: 2013-10-01T00:00:00Z", "data: {}", "as_of is required", None),
    (RUN_FILE, "as_of: 2013-10-01T00:00:00Z", "as_of: 2013-10-01T00:00:00", "needs a zone", None),
    (
        RUN_FILE,
        "as_of: 2013-10-01T00:00:00Z",
        "as_of: 2013-10-01T00:00:00Z\n    data: {fligths: " + "ab" * 16 + "}",
        "is no source of this model",
        "flights",
    ),
    (RUN_FILE, "as_of: 2013-10-01", "as_of: 2013-05-01", "nothing of the evaluation range", None),
    (MODEL_FILE, 'evaluate: ["2013-06-01', 'evaluate: ["2013-05-31', "the model has seen its own exam", None),
    (MODEL_FILE, "distance: {type: int64}", "at: {type: timestamp}", "cannot take a timestamp as input", None),
    (MODEL_FILE, 'train: ["2013-01-01', 'train: ["2013-07-01', "must end after it starts", None),
    (SET_FILE, "source: flights", "source: fligts", "there is no such source", "flights"),
    (SET_FILE, "column: delay", "column: dealy", "no such column", "delay"),
    (SET_FILE, "column: delay", "column: at", "no such operation", None),
    (SET_FILE, "key: [carrier]", "key: [carier]", "no such column", "carrier"),
    (SET_FILE, "windows: [1h, 7d]", "windows: [1h, 1h]", "defined twice", None),
    (SET_FILE, "windows: [1h, 7d]", "windows: [1 hour]", "is not written as it must be", None),
    (SOURCE_FILE, "event_id: id", "event_id: idd", "no such column", "id"),
    (SOURCE_FILE, "timestamp: at", "timestamp: delay", "must be a timestamp column", None),
    (SOURCE_FILE, "path: flights", "path: ../../flights", "must stay below", None),
    ("features/delays/v1/expectations.yaml", "delay_count_7d", "delay_cuont_7d", "no such column", "delay_count_7d"),
    ("policies/whole.yaml", "quality.failed == 0", "quality.failed == 0 &&", "Syntax error", None),
    (
        "policies/whole.yaml",
        "quality.failed",
        "qualty.failed",
        "no evidence on a pull_request",
        "candidate.quality.failed",
    ),
    ("policies/whole.yaml", "candidate.quality", "candidat.quality", "undeclared reference", None),
    ("policies/whole.yaml", "candidate.quality.failed == 0", "candidate.quality.failed + 1", "", None),
    ("policies/whole.yaml", "metrics.auc.value", "metrics.acu.value", "no evidence on", "candidate.metrics.auc.value"),
    (
        "policies/whole.yaml",
        "candidate.quality.failed == 0",
        "has(running.prdo)",
        "there is no such environment",
        "prod",
    ),
    ("policies/whole.yaml", "metrics.auc.value", "metrics.auc.vale", "no evidence on a", "candidate.metrics.auc.value"),
    ("policies/whole.yaml", "{at_least: 0.6}", "{}", "give at least one of", None),
]
TEXTS = {
    MODEL_FILE: MODEL,
    RUN_FILE: RUN,
    SET_FILE: DELAYS,
    SOURCE_FILE: FLIGHTS,
    "policies/whole.yaml": GATE,
}


@pytest.mark.parametrize(("file", "old", "new", "words", "suggestion"), CROSS_CASES)
def test_each_mistake_across_files_is_found(file: str, old: str, new: str, words: str, suggestion: str | None) -> None:
    """A name that leads nowhere, or a contradiction, is reported in its file at a line, with the closest match."""
    text = TEXTS.get(file) or repository()[file]
    assert old in text
    found = [p for p in problems(**{file: text.replace(old, new)}) if p.file == file and words in p.message]
    assert found
    assert all(problem.line for problem in found)
    if suggestion:
        assert suggestion in [problem.suggestion for problem in found]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("[]", "one row or more"),
        ("{}", "one row or more"),
        ("[1]", "a row must be a mapping"),
        ("[{", "not JSON"),
        ('[{"distanse": 1}]', "did you mean 'distance'?"),
        ('[{"carrier": "UA"}]', "is no input of the estimator"),
    ],
)
def test_golden_rows_are_rows_of_inputs(rows: str, words: str) -> None:
    """Golden rows that are no rows, or name a lookup or a stranger, are found."""
    assert words in str(only(problems(**{"models/late/v1/golden_rows.json": rows})))


def test_every_column_of_a_list_must_exist() -> None:
    """One that the data never has is named at its place in the list."""
    text = """\
    expectations:
      - type: expect_compound_columns_to_be_unique
        kwargs:
          column_list:
            - carrier
            - delay_cuont_7d
    """
    problem = only(problems(**{"features/delays/v1/expectations.yaml": text}))
    assert (problem.line, problem.subject) == (6, "expectations.0.kwargs.column_list.1")
    assert problem.suggestion == "delay_count_7d"


def test_a_name_with_a_dot_is_one_step_of_a_path() -> None:
    """A gate may name an input such as `weather.wind`, in a rule and in a threshold; a slip beside it is found."""
    gate = GATE.replace("on: [pull_request]", "on: [canary]")
    gate = gate.replace("metrics.auc.value: {at_least", """'analysis.stable.null_ratio["weather.wind"]': {below""")
    nulls = "analysis.candidate.null_ratio"
    rule = f"""'!("weather.wind" in {nulls}) || {nulls}["weather.wind"] < 0.5'"""
    gate = gate.replace("candidate.quality.failed == 0", rule)
    assert problems(**{"policies/nulls.yaml": gate}) == []
    slip = gate.replace("analysis.stable.null_ratio", "analysis.stable.null_ration")
    assert only(problems(**{"policies/nulls.yaml": slip})).suggestion == 'analysis.stable.null_ratio["weather.wind"]'


def test_an_expression_error_names_its_own_line() -> None:
    """A multi-line expression that does not compile is reported at the line within it."""
    gate = GATE.replace(
        "expression: candidate.quality.failed == 0", "expression: |\n            true &&\n            bogus.x > 1"
    )
    text = repository(**{"policies/whole.yaml": gate})["policies/whole.yaml"]
    expected = next(number for number, line in enumerate(text.splitlines(), 1) if "bogus" in line)
    problem = only([p for p in problems(**{"policies/whole.yaml": gate}) if "bogus" in p.message])
    assert problem.line == expected


@pytest.mark.parametrize(
    "name", sorted(path.rsplit("/", 1)[1] for path in model_files("m") if "model.yaml" not in path)
)
def test_a_model_version_without_one_of_its_files_is_incomplete(name: str) -> None:
    """Each file that every model version has is missed when it is not there."""
    found = problems(**{f"models/late/v1/{name}": None})
    assert only(found).file == f"models/late/v1/{name}"


def test_only_what_changed_and_its_dependents_are_checked() -> None:
    """With paths, a broken file that has nothing to do with them is not read; a dependent is."""
    tree = MemoryTree(
        repository(
            **{
                SOURCE_FILE: FLIGHTS.replace("      delay: float64\n", ""),
                "environments/prod/environment.yaml": "nonsense",
            }
        )
    )
    found = check_tree(tree, [SOURCE_FILE])
    assert {problem.file for problem in found} == {SET_FILE}
    assert "environments/prod/environment.yaml" not in tree.reads


def test_a_removed_source_breaks_its_dependents() -> None:
    """Removing a file that others name is found from the path of the removed file alone."""
    found = check_tree(MemoryTree(repository(**{SOURCE_FILE: None})), [SOURCE_FILE])
    assert {problem.file for problem in found} == {SET_FILE, MODEL_FILE}


def test_a_hostile_file_is_a_problem_and_no_crash() -> None:
    """Depth, size and bytes that are no text are refused with a message."""
    deep = "a: " + "[" * 100_000
    large = "a: " + "x" * 2_000_000
    assert "nested deeper" in only(problems(**{"policies/whole.yaml": deep})).message
    assert "larger than" in only(problems(**{"policies/whole.yaml": large})).message
    tree = MemoryTree(repository())
    tree.content["policies/whole.yaml"] = b"owner: \xff\xfe"
    assert "not UTF-8" in only(check_tree(tree)).message


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        (MODEL_FILE, "set: delays/v1", 'set: "del\\x61ys/v1"', 14),
        (SET_FILE, "source: flights", 'source: "fl\\x69ghts"', 2),
    ],
)
def test_a_name_written_with_escapes_is_refused(file: str, old: str, new: str, line: int) -> None:
    """Who uses a feature set is found by its name in the text: an escaped one would be left out of the blast radius."""
    problem = only(problems(**{file: TEXTS[file].replace(old, new).replace("owner: flights", "owner: others")}))
    assert (problem.file, problem.message) == (file, "write the name without escapes")
    assert problem.line == line


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('"far"', "a number, or null"),
        ("[1]", "a number, or null"),
        ("{}", "a number, or null"),
        ("12", None),
        ("null", None),
    ],
)
def test_a_golden_row_holds_values_of_its_inputs(value: str, wanted: str | None) -> None:
    """A value that its input cannot be is said with line, value and what it may be, before anything is trained."""
    rows = f'[\n {{"distance": 1}},\n {{"distance":\n   {value}}}\n]'
    found = problems(**{"models/late/v1/golden_rows.json": rows})
    if wanted is None:
        assert found == []
        return
    problem = only(found)
    assert (problem.line, problem.subject, problem.value, problem.allowed) == (3, "1.distance", value, wanted)


def test_ids_of_text_do_not_join_ids_of_numbers() -> None:
    """The label's source and the spine's are both named, with the types of their event ids."""
    ids = FLIGHTS.replace("id: int64", "id: string")
    assert ids != FLIGHTS
    labels = MODEL.replace("label: {source: flights", "label: {source: labels")
    assert labels != MODEL
    found = problems(**{"features/sources/labels.yaml": ids, MODEL_FILE: labels})
    problem = next(one for one in found if "two types" in one.message)
    assert "features/sources/labels.yaml is string" in problem.message
    assert "features/sources/flights.yaml is int64" in problem.message
    assert (problem.file, problem.subject) == (MODEL_FILE, "label.source")
    assert problem.line is not None


@pytest.mark.parametrize(
    ("old", "new", "subject"),
    [
        ("slices: [", "slices: [__label, ", "evaluation.slices.0"),
        ("request:\n", "request:\n      __label: {type: string, column: carrier}\n", "request.__label"),
    ],
)
def test_a_name_of_the_training_sets_own_is_refused(old: str, new: str, subject: str) -> None:
    """Columns that begin with __ are bookkeeping; a request field or slice of that name would replace them."""
    assert old in MODEL
    found = problems(**{MODEL_FILE: MODEL.replace(old, new)})
    problem = next(one for one in found if "training set's own" in one.message)
    assert (problem.file, problem.subject) == (MODEL_FILE, subject)
    assert problem.line is not None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("column: late", "column: pixels", "label.column: a label is a number, a bool or text; got pixels: a list"),
        ("column: late", "column: known", "label.column: a label is a number, a bool or text; got known: a timestamp"),
        ("slices: [origin]", "slices: [pixels]", "evaluation.slices.0: rows are not sliced by lists; got pixels"),
        ("slices: [origin]", "slices: [picture]", "evaluation.slices.0: rows are not sliced by lists; got picture"),
    ],
)
def test_a_column_that_no_stage_could_use_so_is_found(old: str, new: str, words: str) -> None:
    """Before anything is trained: the stages would fail at its type, the last of them after all the work."""
    source = FLIGHTS.replace("delay: float64", "delay: float64\n      pixels: float64") + "    sizes: {pixels: 4}\n"
    request = "request:\n      picture: {type: float64, size: 4, column: pixels}"
    model = MODEL.replace("request:", request).replace(old, new)
    found = [str(problem) for problem in problems(**{SOURCE_FILE: source, MODEL_FILE: model})]
    assert any(words in text for text in found), found
