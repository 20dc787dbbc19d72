"""`bighead images`: which there are, who needs them, whether they are whole, what is in one; and building them."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from bighead_ci import wiring
from bighead_ci.cli.output import EXIT_REFUSED, answer, json_option, reports_errors, say, table_of
from bighead_ci.delivery.kept_images import (
    RELEASES,
    KeptImage,
    bill_of,
    build_images,
    collect_images,
    kept_images,
    verified_images,
)
from bighead_ci.documents.base import short
from bighead_ci.ports.progress import silent

releases_option = click.option(
    "--releases",
    type=click.IntRange(1),
    default=RELEASES,
    show_default=True,
    help="How many releases of a model in an environment a rollback should still reach.",
)


@click.group("images")
def images_command() -> None:
    """List, build, verify and collect images of model versions.

    An environment of processes has its images as directories of the workspace, one of containers in the Docker engine,
    and in a registry where its environment.yaml names one.
    """


@images_command.command("list")
@releases_option
@json_option
@reports_errors
def list_command(releases: int, as_json: bool) -> None:
    """Every image that is here, and who needs it: releases, versions of main, open pull requests."""
    context = wiring.context()
    found = kept_images(context, context.main(), releases)
    answer({"images": [image.model_dump(mode="json") for image in found]}, lambda: _table(found), as_json)


@images_command.command("build")
@click.argument("version", metavar="MODEL/VERSION")
@click.option("--env", "environment", required=True, help="The environment that they are for.")
@json_option
@reports_errors
def build_command(version: str, environment: str, as_json: bool) -> None:
    """Build every image of MODEL/VERSION (flight_delay/v2) as main has it, for one environment.

    A promotion does so by itself; this is for who wants it done before. What is there is not built again.

    \b
    bighead images build flight_delay/v2 --env prod
    """  # noqa: D301 - click's \b keeps the lines
    context = wiring.context()
    name, _, number = version.removeprefix("models/").strip("/").partition("/")
    done = build_images(context, context.main(), name, number, environment, silent if as_json else say)
    data = {str(image): reference.model_dump(mode="json") for image, reference in done.items()}
    answer(data, "\n".join(f"{image}: {reference.reference}" for image, reference in done.items()), as_json)


@images_command.command("verify")
@json_option
@reports_errors
def verify_command(as_json: bool) -> None:
    """Look at every image that a release on main names: in its directory, its engine or its registry.

    Exit code 1: one is gone or damaged. It is built again by the next check or promotion of its version.
    """
    context = wiring.context()
    found = verified_images(context, context.main())
    lines = [f"{reference}: whole" for reference in found.whole]
    lines += [f"{reference}: GONE OR DAMAGED, named by {', '.join(who)}" for reference, who in found.missing.items()]
    answer(found.model_dump(mode="json"), "\n".join(lines) or "no release names an image", as_json)
    sys.exit(EXIT_REFUSED if found.missing else 0)


@images_command.command("collect")
@releases_option
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@reports_errors
def collect_command(releases: int, dry_run: bool, as_json: bool) -> None:
    """Let go of every image here that nobody needs: see `bighead images list`.

    What a registry keeps is not touched: it has rules of its own for that.
    """
    context = wiring.context()
    main = context.main()
    if dry_run:
        gone = [image for image in kept_images(context, main, releases) if not image.needed_by]
    else:
        gone = collect_images(context, main, releases, silent if as_json else say)
    data = {"collected": [image.model_dump(mode="json") for image in gone], "dry_run": dry_run}
    said = f"{len(gone)} images {'would go' if dry_run else 'went'}"
    answer(data, "\n".join([*(f"{one.model}/{one.version} {one.reference}" for one in gone), said]), as_json)


@images_command.command("sbom")
@click.argument("reference")
@reports_errors
def sbom_command(reference: str) -> None:
    """Print what is in the image REFERENCE as CycloneDX 1.6: libraries by version, the base, our files by digest.

    \b
    bighead images sbom engine/flight_delay@sha256:…
    """  # noqa: D301 - click's \b keeps the lines
    context = wiring.context()
    click.echo(bill_of(context, context.main(), reference), nl=False)


def _table(images: list[KeptImage]) -> Table:
    rows = [
        (f"{one.model}/{one.version}", one.target, one.reference.partition("@")[0], short(one.reference), _needed(one))
        for one in images
    ]
    return table_of(["version", "for", "where", "digest", "needed by"], rows)


def _needed(image: KeptImage) -> str:
    shown = image.needed_by[:2]
    more = len(image.needed_by) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "nobody"
