"""`cityeye group`: named sets of cameras to which users and tokens of the hub are limited."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from cityeye.city_client import DEFAULT_HUB
from cityeye.commands.hub_option import HubOption, HubTokenOption, hub_client
from cityeye.errors import CommandError

app = typer.Typer(help="Camera groups of the event hub.", no_args_is_help=True)

GroupNameArgument = Annotated[str, typer.Argument(help="The name of the group.")]


@app.callback()
def group() -> None:
    """Camera groups of the event hub."""


@app.command("set")
def set_group(
    name: GroupNameArgument,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="A camera's id, or the beginning of ids and `*`; may be repeated."),
    ] = None,
    city: Annotated[str, typer.Option(help="Only cameras of this city.")] = "",
    division: Annotated[
        str, typer.Option(help="Only cameras whose division code begins like this.")
    ] = "",
    hub: HubOption = DEFAULT_HUB,
    token_file: HubTokenOption = None,
) -> None:
    """Make a camera group, or give it other cameras; it counts at once."""
    if not (camera or city or division):
        raise CommandError("give --camera, --city or --division: a group has some of the cameras")
    place = {"city": city, "division": division}
    members = [place | {"camera": one} for one in camera or [""]]
    hub_client(hub, token_file).change("PUT", _path(name), {"members": members})
    typer.echo(f"set: {name}")


@app.command("list")
def list_groups(hub: HubOption = DEFAULT_HUB, token_file: HubTokenOption = None) -> None:
    """List the camera groups and what is in them."""
    for one in hub_client(hub, token_file).get("/api/groups")["groups"]:
        members = ("+".join(f"{k}={v}" for k, v in of.items() if v) for of in one["members"])
        typer.echo(f"{one['name']}  {', '.join(members)}")


@app.command("rm")
def remove(
    name: GroupNameArgument, hub: HubOption = DEFAULT_HUB, token_file: HubTokenOption = None
) -> None:
    """Remove a camera group that no user is limited to; tokens that are see nothing any more."""
    hub_client(hub, token_file).change("DELETE", _path(name))
    typer.echo(f"removed: {name}")


def _path(name: str) -> str:
    return f"/api/groups/{quote(name, safe='')}"
