"""`bighead explain`: a gate's expressions, the inputs they read, and the verdict."""

from __future__ import annotations

import sys

import click

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, reports_errors
from bighead_ci.delivery.explain import Explained, explain
from bighead_ci.documents.verdict import RuleResult


@click.command("explain")
@click.argument("gate")
@click.option("--model", "model_version", default=None, help="Model version whose record is judged: flight_delay/v2.")
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
    gate: str, model_version: str | None, number: int | None, canary: str | None, as_json: bool
) -> None:
    """Show what GATE says of a record, a pull request or a canary, and why. Gates come from main."""
    results = explain(wiring.context(), gate, model_version, number, canary)
    passed = all(result.passed or not result.applied for result in results)
    text = "\n\n".join(explained(result) for result in results)
    answer({"gates": [result.model_dump() for result in results], "passed": passed}, text, as_json)
    sys.exit(0 if passed else EXIT_REFUSED)


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
