"""`cityeye events`: what has not arrived, why, sending it again; and what models got wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cityeye.city_client import DEFAULT_API, CityClient
from cityeye.commands.disputed import export_disputed
from cityeye.commands.model_rollout import ApiOption, TokenFileOption
from cityeye.errors import CommandError
from cityeye.undelivered import RunningCity, StoppedCity, Undelivered

HELP = "Events that have not arrived, and keyframes of false alarms."
app = typer.Typer(help=HELP, no_args_is_help=True)
app.command("export-disputed")(export_disputed)

StoppedOption = Annotated[
    Path | None,
    typer.Option(help="Read the files of a stopped city in its folder `state` instead."),
]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")]
AsJsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(help=HELP)
def events() -> None:
    """See `HELP`."""


@app.command("pending")
def pending(
    limit: LimitOption = 50,
    as_json: AsJsonOption = False,
    state: StoppedOption = None,
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """List events that wait for a sink, oldest first, with the reason where one is known."""
    rows = _city(state, api, token_file).pending(limit)
    _show(rows, ("since", "sink", "partition", "type", "event", "reason"), limit, as_json)


@app.command("dead")
def dead(
    limit: LimitOption = 50,
    as_json: AsJsonOption = False,
    state: StoppedOption = None,
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """List events that a sink refused while it took others, oldest first."""
    rows = _city(state, api, token_file).dead(limit)
    _show(rows, ("at", "sink", "partition", "type", "event", "reason"), limit, as_json)


@app.command("replay")
def replay(
    event: Annotated[
        str | None, typer.Argument(metavar="[EVENT]", help="The id of one dead letter.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Send all of them again.")] = False,
    sink: Annotated[str | None, typer.Option(help="Only dead letters of this sink.")] = None,
    state: StoppedOption = None,
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Send dead letters again; one that is refused once more stays what it was."""
    if (event is None) == (not everything):
        raise CommandError("name the event to send again, or give --all")
    count = _city(state, api, token_file).replay(event, sink)
    when = "when the city runs again" if state is not None else "now"
    typer.echo(f"{count} to be sent again {when}; `cityeye events dead` lists what stays refused")


def _city(state: Path | None, api: str, token_file: Path | None) -> Undelivered:
    if state is not None:
        return StoppedCity(state)
    return RunningCity(CityClient.of(api, token_file, os.environ))


def _show(
    rows: Sequence[dict[str, Any]], columns: Sequence[str], limit: int, as_json: bool
) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    from cityeye.commands.terminal_text import plain

    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("none")
        return
    table = Table(box=None)
    for name in columns:
        # Half a time or id is of no use; where a line is too narrow, reasons go over several.
        table.add_column(name, no_wrap=name in {"since", "at"}, overflow="fold")
    for row in rows:
        at, *others = (plain(str(row[name] or "")) for name in columns)
        table.add_row(f"{datetime.fromisoformat(at):%Y-%m-%dT%H:%M:%SZ}", *others)
    Console().print(table)
    if len(rows) == limit:
        typer.echo(f"there may be more: these are the oldest {limit}")
