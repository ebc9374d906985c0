"""`cityeye token`: who may use the control API and the hub of a city."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cityeye.errors import CommandError
from pipelines.access import Scope, TokenFile

STATE = Path("var")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}

app = typer.Typer(help="Tokens for the control API and the hub.", no_args_is_help=True)


ConfigArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[CITY.YAML]", help="The city's file; the running one without it."),
]
StateOption = Annotated[
    Path | None, typer.Option(help="The city's folder `state`, instead of its file.")
]


@app.callback()
def token() -> None:
    """Tokens for the control API and the hub."""


@app.command("show")
def show(config: ConfigArgument = None, state: StateOption = None) -> None:
    """Print the first token, which is good for everything."""
    typer.echo(_tokens(config, state).first())


@app.command("list")
def list_tokens(config: ConfigArgument = None, state: StateOption = None) -> None:
    """List the tokens that are valid, without their secrets."""
    for one in _tokens(config, state).tokens():
        until = f"until {one.expires_at:%Y-%m-%d %H:%M} UTC" if one.expires_at else "without end"
        limits = f"  ({', '.join(one.groups)})" if one.groups else ""
        typer.echo(f"{one.id}  {one.scope:8}  {until:26}  {one.name}{limits}")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What to call it, for example its owner.")],
    scope: Annotated[Scope, typer.Option(help="What it is good for.")],
    config: ConfigArgument = None,
    state: StateOption = None,
    expires: Annotated[
        str | None, typer.Option(metavar="30d", help="After how many days, hours or minutes.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="A camera group of the hub that it is limited to; may be repeated."),
    ] = None,
) -> None:
    """Make a token and print it; it is shown this once and kept nowhere."""
    lifetime = None if expires is None else _lifetime(expires)
    if not name.isprintable() or not name.strip():
        raise CommandError("the name is empty or has characters that cannot be printed")
    if group and scope is Scope.SENDER:
        raise CommandError("a sender is limited to no group; give --group with another scope")
    tokens = _tokens(config, state)
    typer.echo(tokens.issue(name, scope, lifetime, groups=tuple(group or ())))


@app.command("revoke")
def revoke(
    wanted: Annotated[str, typer.Argument(metavar="ID|NAME", help="From `cityeye token list`.")],
    config: ConfigArgument = None,
    state: StateOption = None,
) -> None:
    """End tokens at once, and the console sessions that were opened with them."""
    count = _tokens(config, state).revoke(wanted)
    if not count:
        raise CommandError(f"there is no token {wanted}; `cityeye token list` has their ids")
    typer.echo(f"revoked: {count}; a running city refuses them from now on")


def _lifetime(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,5})([mhd])", text)
    if match is None:
        raise CommandError(f"--expires {text}: write days, hours or minutes like 30d, 12h or 15m")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _tokens(config: Path | None, state: Path | None) -> TokenFile:
    """The tokens of a city: of the named file or folder, or of the one that runs here."""
    from cityeye.access import note_about, tokens_of
    from cityeye.city_client import DEFAULT_API
    from cityeye.config import state_folder

    if config is not None and state is not None:
        raise CommandError("give either the city's file or --state")
    if config is not None:
        state = state_folder(config, os.environ)
    api = os.environ.get("CITYEYE_API", DEFAULT_API)
    note = note_about(api, os.environ) if state is None else None
    tokens = TokenFile(Path(note.tokens)) if note else tokens_of(state or STATE)
    if not tokens.folder.is_dir():
        raise CommandError(
            f"there are no tokens in {tokens.folder}; start the city once, or name its file"
        )
    return tokens
