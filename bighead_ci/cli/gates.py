"""`bighead explain`: a gate's expressions, their inputs and the verdict; or what a model's scores rest on."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, reports_errors, table_of
from bighead_ci.delivery.explain import Explained, explain
from bighead_ci.delivery.importance import Importance, importance_of
from bighead_ci.documents.verdict import RuleResult
from bighead_ci.errors import InputError


@click.command("explain")
@click.argument("subject", required=False)
@click.option("--model", "model_version", default=None, help="Model version whose record is meant: flight_delay/v2.")
@click.option(
    "--pr",
    "number",
    type=int,
    default=None,
    help="Judge what this pull request brings: model versions, or a move of a release.",
)
@click.option("--canary", default=None, help="Judge the canary under way in this environment: needs --model NAME.")
@json_option
@reports_errors
def explain_command(
    subject: str | None, model_version: str | None, number: int | None, canary: str | None, as_json: bool
) -> None:
    """Show what a gate says and why, or what a model's scores rest on.

    SUBJECT is a gate of main, which judges a record (--model), a pull request (--pr) or a canary (--canary); or a model
    version (models/flight_delay/v2), of which the importance of each input is shown. --model alone means the latter.
    """
    version = subject if subject is not None and "/" in subject else None
    if version is not None and (model_version is not None or number is not None or canary is not None):
        raise InputError(f"{version} is a model version and no gate: give no --model, --pr or --canary beside it")
    if subject is None and (model_version is None or number is not None or canary is not None):
        raise InputError("say what to explain: a gate (bighead explain not_worse --pr 3), or models/flight_delay/v2")
    if subject is not None and version is None:
        _explain_gate(subject, model_version, number, canary, as_json)
        return
    found = importance_of(wiring.context(), version or model_version or "")
    answer(found.model_dump(mode="json"), lambda: importance_table(found), as_json)


def _explain_gate(gate: str, model_version: str | None, number: int | None, canary: str | None, as_json: bool) -> None:
    results = explain(wiring.context(), gate, model_version, number, canary)
    passed = all(result.passed or not result.applied for result in results)
    text = "\n\n".join(explained(result) for result in results)
    answer({"gates": [result.model_dump() for result in results], "passed": passed}, text, as_json)
    sys.exit(0 if passed else EXIT_REFUSED)


def importance_table(found: Importance) -> Table:
    """A row each input, those that scores rest on most first."""
    title, exact = f"{found.model}, run {found.run_id}", found.attributed
    how = "share of how far scores move when an input's values are exchanged between evaluation rows"
    if exact is None:
        return table_of(
            ("input", "of the scores"), [(name, f"{share:.1%}") for name, share in found.inputs.items()], title, how
        )
    parts = exact.shares()
    rows = [
        (name, f"{share:.1%}", f"{parts[name]:.1%}", f"{exact.inputs[name]:.4g}")
        for name, share in found.inputs.items()
    ]
    about = f"; mean |SHAP|: exact, in units of {exact.of}, over {exact.rows:,} evaluation rows"
    return table_of(
        ("input", "permutation", "share of |SHAP|", "mean |SHAP|"), rows, title, f"permutation: {how}{about}"
    )


def explained(result: Explained) -> str:
    """One gate's verdict in full."""
    verdict = "passes" if result.passed else "FAILS"
    said = verdict if result.applied else "does not apply"
    lines = [f"{result.gate} on {result.about}: {said}", f"  {result.description}"]
    if result.match is not None:
        holds = "applies" if result.applied else "does not apply"
        lines += ["", f"  {holds}, by match  {result.match.expression}", *_inputs(result.match)]
    if result.variables and result.applied:
        lines.append("")
        lines += [f"  variables.{name} = {text}" for name, text in result.variables.items()]
    for rule in result.rules if result.applied else ():
        lines += ["", f"  {'ok' if rule.passed else 'NO'}  {rule.expression}"]
        # The message says what is wrong: under a rule that holds it would say the opposite of what is true.
        lines += _inputs(rule) if rule.passed else [f"      {rule.message}", *_inputs(rule)]
        if rule.reason:
            lines.append(f"      because: {rule.reason}")
    return "\n".join(lines)


def _inputs(rule: RuleResult) -> list[str]:
    return [f"      {one.name} = {one.value}" for one in rule.inputs]
