"""`cityeye events export-disputed`: what models got wrong, as a set to train on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cityeye.city_client import DEFAULT_HUB
from cityeye.commands.hub_option import HubOption, HubTokenOption, hub_client
from cityeye.commands.transfer_bar import transfer_bar

IMAGES_MAX = 500
"""The most that the hub gives at once."""
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]


def export_disputed(  # noqa: PLR0913, PLR0917 - options, which people name
    out: Annotated[
        Path, typer.Argument(metavar="FOLDER|FILE.zip", help="Where it goes; not there yet.")
    ],
    camera: Annotated[str | None, typer.Option(help="Only incidents of this camera.")] = None,
    city: Annotated[str | None, typer.Option(help="Only incidents of this city.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only incidents of this kind: traffic.congestion.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only what this model found.")] = None,
    version: Annotated[str | None, typer.Option(help="Only what this version found.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=TIMES, help="Only incidents that opened then or later."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=TIMES, help="Only incidents that opened before.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=IMAGES_MAX, help="The most keyframes, newest incidents first.")
    ] = IMAGES_MAX,
    hub: HubOption = DEFAULT_HUB,
    token_file: HubTokenOption = None,
) -> None:
    """Export the keyframes of false alarms as a COCO set, and say what was left out and why."""
    from cityeye.disputed_export import export_disputed as export

    named = {"camera": camera, "city": city, "kind": kind, "model": model, "version": version}
    times = {"since": since, "until": until}
    query = {name: text for name, text in named.items() if text is not None}
    # A day begins where the command is given.
    query |= {name: at.astimezone().isoformat() for name, at in times.items() if at is not None}
    client = hub_client(hub, token_file)
    with transfer_bar(out.name) as bar:
        exported = export(client, out, query | {"limit": str(limit)}, bar)
    typer.echo(
        f"{out}: {exported.images} keyframes of {exported.incidents} false alarms, "
        f"{exported.annotations} boxes"
    )
    for line in exported.left_out_lines():
        typer.echo(f"  left out: {line}")
