"""`bighead features`: bring the online store up to date, and read it."""

from __future__ import annotations

import click

from bighead_ci import wiring
from bighead_ci.cli.output import answer, json_option, reports_errors, say
from bighead_ci.delivery.materialize import fetch, materialize


@click.group("features")
def features_command() -> None:
    """Materialise features for serving, and read them."""


@features_command.command("materialize")
@click.argument("sets", nargs=-1)
@json_option
@reports_errors
def materialize_command(sets: tuple[str, ...], as_json: bool) -> None:
    """Write the state of feature SETS (all of main by default) up to the workspace's moment to the online store."""
    done = materialize(wiring.context(), list(sets) or None, (lambda _: None) if as_json else say)
    text = "\n".join(f"{name}: {rows} keys" for name, rows in done.items())
    answer({"keys": done}, text, as_json)


@features_command.command("get")
@click.argument("feature_set")
@click.argument("key", nargs=-1, required=True)
@json_option
@reports_errors
def get_command(feature_set: str, key: tuple[str, ...], as_json: bool) -> None:
    """Features of FEATURE_SET (carrier_delays/v1) for KEY (one value a key column) as of the workspace's moment."""
    found = fetch(wiring.context(), feature_set, key)
    answer(found, "\n".join(f"{name:45} {value}" for name, value in found.items()), as_json)
