"""`cityeye models rollout`, `promote`, `rollback`: versions on the cameras of a running city."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cityeye.city_client import DEFAULT_API, CityClient
from cityeye.errors import CommandError

FOLLOW_S: Final = 10.0
"""A camera that sends nothing follows when it sends again; nobody waits longer than this."""
POLL_S: Final = 0.2

ModelArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model.")]
ApiOption = Annotated[
    str, typer.Option(envvar="CITYEYE_API", help="Address of the running city's control API.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        envvar="CITYEYE_TOKEN_FILE",
        help="File with a token; CITYEYE_TOKEN, or that of the city on this machine without it.",
    ),
]


def rollout(
    name: ModelArgument,
    canary: Annotated[
        str | None, typer.Option(metavar="VERSION|none", help="Version for some of the cameras.")
    ] = None,
    cameras: Annotated[
        str | None, typer.Option(help="The canary's cameras: a share like 10%, or ids: gate,yard.")
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION|none",
            help="Version that runs on the same frames and is only compared.",
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION=SCORE", help="Another threshold; `2=default` undoes it."),
    ] = None,
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Show which versions of a model are in service, or change canary, shadow and thresholds."""
    client = CityClient.of(api, token_file, os.environ)
    wanted = {"canary": canary, "cameras": cameras, "shadow": shadow}
    change: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    if threshold:
        change["thresholds"] = dict(_threshold(text) for text in threshold)
    if not change:
        _show(client, name, client.get(f"/models/{name}/rollout"))
        return
    _follow(client, name, client.post(f"/models/{name}/rollout", change))


def promote(
    name: ModelArgument, api: ApiOption = DEFAULT_API, token_file: TokenFileOption = None
) -> None:
    """Make the canary (or the shadow, if there is no canary) the version of all cameras."""
    client = CityClient.of(api, token_file, os.environ)
    _follow(client, name, client.post(f"/models/{name}/promote"))


def rollback(
    name: ModelArgument, api: ApiOption = DEFAULT_API, token_file: TokenFileOption = None
) -> None:
    """Take the canary back; without one, go back to the stable version before this one."""
    client = CityClient.of(api, token_file, os.environ)
    _follow(client, name, client.post(f"/models/{name}/rollback"))


def _threshold(text: str) -> tuple[str, float | None]:
    version, _, score = text.partition("=")
    if score == "default":
        return version, None
    try:
        return version, float(score)
    except ValueError:
        raise CommandError(
            f"--threshold {text}: write VERSION=SCORE, for example 2=0.4, or 2=default"
        ) from None


def _follow(client: CityClient, name: str, table: dict[str, Any]) -> None:
    """Waits a little until the cameras have followed a change, then shows the table."""
    deadline_s = time.monotonic() + FOLLOW_S
    while time.monotonic() < deadline_s and not _followed(client, name, table):
        time.sleep(POLL_S)
    _show(client, name, table)


def _followed(client: CityClient, name: str, table: dict[str, Any]) -> bool:
    canary = table["canary"]
    wanted = dict.fromkeys(table["cameras"], table["stable"])
    wanted |= dict.fromkeys(canary["cameras"], canary["version"]) if canary else {}
    counts: dict[str, str] = {}
    for one in client.get("/models"):
        if one["name"] == name and one["role"] != "pinned":
            counts |= dict.fromkeys(one["cameras"], one["version"])
    return counts == wanted


def _show(client: CityClient, name: str, table: dict[str, Any]) -> None:
    """The table as a person reads it, with where the cameras are at this moment."""
    running = [one for one in client.get("/models") if one["name"] == name]
    before = f", before it {table['previous']}" if table["previous"] else ""
    typer.echo(f"{name}: version {table['stable']} is stable{before}")
    if table["canary"]:
        canary = table["canary"]
        chosen = canary["cameras"]
        typer.echo(
            f"  canary {canary['version']} on {len(chosen)} of {len(table['cameras'])} cameras "
            f"({canary['asked']}): {', '.join(chosen)}"
        )
    if table["shadow"]:
        versions = f"{name} {table['stable']} {table['shadow']}"
        typer.echo(f"  shadow {table['shadow']}: cityeye models compare {versions}")
    for version, score in table["thresholds"].items():
        typer.echo(f"  threshold of {version}: {score:g}")
    for why in table["absent"].values():
        typer.echo(f"  not running: {why}")
    for one in running:
        cameras = ", ".join(one["cameras"]) or "no camera"
        typer.echo(
            f"  {one['version']:>4} {one['role']:8} {one['status'].lower()} on {one['provider']}, "
            f"{one['images']} images, {one['errors']} errors, counts on: {cameras}"
        )
