"""`cityeye hub`: the embedded event hub and its console on their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cityeye.errors import CommandError
from cityeye.ports import HUB_PORT

SECRET_VARIABLE = "CITYEYE_HUB_SECRET"  # noqa: S105 - the name of a variable


def hub(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = HUB_PORT,
    database: Annotated[
        str, typer.Option(help="SQLAlchemy URL of the database.")
    ] = "sqlite:///event_hub.db",
    keyframes: Annotated[
        Path, typer.Option(help="Folder that the images lie in.", file_okay=False)
    ] = Path("keyframes"),
) -> None:
    """Run the event hub and the operators' console alone.

    Deliveries must be signed where the environment variable CITYEYE_HUB_SECRET holds a secret,
    or two with a space between them while they are being changed.
    """
    from pydantic import SecretStr, ValidationError

    from event_hub import HubSettings

    secrets = os.environ.get(SECRET_VARIABLE, "").split()
    try:
        settings = HubSettings(
            host=host, port=port, database=database, webhook_secrets=tuple(map(SecretStr, secrets))
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CommandError(f"{first['loc'][0]}: {first['msg']}") from None

    from event_hub import FolderKeyframes, Hub

    Hub(
        settings,
        FolderKeyframes(keyframes),
        lambda url: typer.echo(f"CityEye event hub at {url}"),
    ).run()
