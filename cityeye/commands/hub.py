"""`cityeye hub`: the embedded event hub and its console on their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cityeye.access import FOLDER, console_link, tokens_of
from cityeye.errors import CommandError
from cityeye.ports import HUB_PORT

GIGABYTE = 10**9
SECRET_VARIABLE = "CITYEYE_HUB_SECRET"  # noqa: S105 - the name of a variable


def hub(  # noqa: PLR0913, PLR0917 - one argument for each option
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = HUB_PORT,
    database: Annotated[
        str, typer.Option(help="SQLAlchemy URL of the database.")
    ] = "sqlite:///event_hub.db",
    keyframes: Annotated[
        Path, typer.Option(help="Folder that the images lie in.", file_okay=False)
    ] = Path("keyframes"),
    state: Annotated[
        Path, typer.Option(help="Folder that the tokens are kept in.", file_okay=False)
    ] = Path("var"),
    host_names: Annotated[
        list[str] | None,
        typer.Option("--host-name", help="A name that it is called by; may be repeated."),
    ] = None,
    tls: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="CERTIFICATE KEY", help="PEM files of the certificate and its key."),
    ] = None,
    without_tls: Annotated[
        bool, typer.Option("--without-tls", help="A reverse proxy with TLS stands in front.")
    ] = False,
    keep_days: Annotated[
        float, typer.Option(min=3, max=3650, help="Days that events are kept.")
    ] = 90.0,
    max_gb: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="Gigabytes of events kept at most.")
    ] = 10.0,
) -> None:
    """Run the event hub and the operators' console alone.

    `cityeye token new NAME --scope sender` makes the token that a sender of events needs.
    Deliveries must be signed where the environment variable CITYEYE_HUB_SECRET holds a secret,
    or two with a space between them while they are being changed.
    """
    from pydantic import SecretStr, ValidationError

    from event_hub import HubSettings, RetentionLimits

    secrets = os.environ.get(SECRET_VARIABLE, "").split()
    certificate, key = tls or (None, None)
    try:
        settings = HubSettings(
            host=host,
            port=port,
            database=database,
            access=state / FOLDER,
            hosts=tuple(host_names or ()),
            certificate=certificate,
            key=key,
            without_tls=without_tls,
            webhook_secrets=tuple(map(SecretStr, secrets)),
            retention=RetentionLimits(keep_days=keep_days, max_bytes=int(max_gb * GIGABYTE)),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = f"{first['loc'][0]}: " if first["loc"] else ""
        raise CommandError(f"{place}{first['msg'].removeprefix('Value error, ')}") from None

    from event_hub import FolderKeyframes, Hub

    tokens = tokens_of(state)

    def say(url: str) -> None:
        typer.echo(f"CityEye event hub at {url}")
        if sys.stdout.isatty():
            typer.echo(f"Open the console with {url}{console_link(tokens)}")

    Hub(settings, FolderKeyframes(keyframes), say).run()
