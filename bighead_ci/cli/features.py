"""`bighead features`: bring the online store up to date, and read it."""

from __future__ import annotations

import click

from bighead_ci import wiring
from bighead_ci.cli.output import answer, end_with, json_option, reports_errors, say
from bighead_ci.delivery.materialize import fetch, materialize
from bighead_ci.delivery.online_sets import stale_sets
from bighead_ci.ports.progress import silent


@click.group("features")
def features_command() -> None:
    """Materialise features for serving, and read them."""


@features_command.command("materialize")
@click.argument("sets", nargs=-1)
@click.option("--stale", is_flag=True, help="Only those whose online features are not of main's data and definition.")
@click.option("--environment", metavar="NAME", help="Whose online store is written; default: this machine's.")
@json_option
@reports_errors
def materialize_command(sets: tuple[str, ...], stale: bool, environment: str | None, as_json: bool) -> None:
    """Write the state of feature SETS (all of main by default) up to the workspace's moment to the online store.

    The runner does it by itself with `--stale` whenever main's data or features change.

    Exit code 75: running it again may do more. 2: something must be mended first. `failures` says what, by set.
    """
    context = wiring.context()
    ids: list[str] | None = list(sets) or None
    if stale and environment is not None:
        raise click.UsageError("--stale looks at this machine's online store alone: leave out --environment")
    if stale:
        known = [one.set for one in stale_sets(context, context.main())]
        ids = [name for name in known if ids is None or name in ids]
    done = materialize(context, ids, silent if as_json else say, environment)
    lines = [f"{name}: {rows} keys" for name, rows in done.keys.items()]
    answer(done.model_dump(mode="json"), "\n".join(lines) or "nothing to materialise", as_json)
    end_with(done.failures, as_json)


@features_command.command("get")
@click.argument("feature_set")
@click.argument("key", nargs=-1, required=True)
@json_option
@reports_errors
def get_command(feature_set: str, key: tuple[str, ...], as_json: bool) -> None:
    """Features of FEATURE_SET (carrier_delays/v1) for KEY (one value a key column) as of the workspace's moment."""
    found = fetch(wiring.context(), feature_set, key)
    answer(found, "\n".join(f"{name:45} {value}" for name, value in found.items()), as_json)
