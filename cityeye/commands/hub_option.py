"""Which hub a command asks, and with which token."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cityeye.city_client import DEFAULT_HUB, EVENT_HUB, CityClient

HubOption = Annotated[
    str, typer.Option("--hub", envvar="CITYEYE_HUB", help="The address of the event hub.")
]
HubTokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file", envvar="CITYEYE_TOKEN_FILE", help="File that holds a token for the hub."
    ),
]


def hub_client(hub: str = DEFAULT_HUB, token_file: Path | None = None) -> CityClient:
    """A client of the hub, with the token that is found for it.

    Raises:
        CommandError: There is none.
    """
    return CityClient.of(hub, token_file, os.environ, EVENT_HUB)
