"""`cityeye hold`: incidents whose keyframes are evidence, and are not deleted by retention."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.token import STATE, ConfigArgument, StateOption
from cityeye.errors import CommandError

MAX_ID_CHARS = 200

app = typer.Typer(help="Keep the keyframes of an incident.", no_args_is_help=True)

IncidentArgument = Annotated[
    str, typer.Argument(help="The incident's id, as events and the hub have it.")
]


@app.callback()
def hold() -> None:
    """Keep the keyframes of an incident."""


@app.command("add")
def add(
    incident: IncidentArgument,
    reason: Annotated[str, typer.Option(help="Why, for those who come after.")],
    config: ConfigArgument = None,
    state: StateOption = None,
) -> None:
    """Keep the keyframes of an incident until it is released; a running city knows at once."""
    from pipelines.delivery import Holds

    if not incident.strip() or len(incident) > MAX_ID_CHARS or not incident.isprintable():
        raise CommandError("this is no incident id; copy it from the event, or from the hub")
    folder = _state(config, state)
    try:
        Holds(folder).add(incident, reason)
    except OSError as error:
        raise CommandError(f"the hold cannot be written to {folder}: {error.strerror}") from None
    typer.echo(f"held: {incident}")


@app.command("list")
def list_holds(config: ConfigArgument = None, state: StateOption = None) -> None:
    """List the incidents that are held."""
    from pipelines.delivery import Holds

    for one in Holds(_state(config, state)).all():
        typer.echo(f"{one.incident}  since {one.since:%Y-%m-%d %H:%M} UTC  {one.reason}")


@app.command("release")
def release(
    incident: IncidentArgument, config: ConfigArgument = None, state: StateOption = None
) -> None:
    """Let an incident go; its keyframes are deleted when their time is over."""
    from pipelines.delivery import Holds

    folder = _state(config, state)
    try:
        released = Holds(folder).release(incident)
    except OSError as error:
        raise CommandError(f"the hold cannot be changed in {folder}: {error.strerror}") from None
    if not released:
        raise CommandError(f"{incident} is not held; `cityeye hold list` has those that are")
    typer.echo(f"released: {incident}")


def _state(config: Path | None, state: Path | None) -> Path:
    from cityeye.config import state_folder

    if config is not None and state is not None:
        raise CommandError("give either the city's file or --state")
    folder = state or (state_folder(config, os.environ) if config else STATE)
    if not folder.is_dir():
        raise CommandError(f"there is no folder {folder}; start the city once, or name its file")
    return folder
