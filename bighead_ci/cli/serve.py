"""`bighead serve-variant`: the process of one variant. Started by the local platform, not by people."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bighead_ci import wiring
from bighead_ci.documents.live import VariantConfig


@click.command(name="serve-variant", hidden=True)
@click.option("--config", "config_file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def serve_variant_command(config_file: Path) -> None:
    """Serve one variant until SIGTERM."""
    sys.exit(wiring.serve_variant(VariantConfig.read(config_file)))
