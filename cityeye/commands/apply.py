"""`cityeye apply`: has the running city take its configuration file as it is now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def apply(
    config: Annotated[Path, typer.Argument(metavar="CITY.YAML", help="The configuration file.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be changed.")
    ] = False,
) -> None:
    """Change cameras of the running city; all others go on.

    Cameras may be added, removed and changed. Whatever else is different needs a restart, and is
    refused with the line where it stands; nothing is changed then.
    """
    from cityeye.config import state_folder
    from cityeye.control_socket import request_apply

    outcome = request_apply(state_folder(config, os.environ), config, dry_run=dry_run)
    for line in outcome.lines:
        typer.echo(line)
    if not outcome.done:
        raise typer.Exit(1)
