"""`cityeye models rollout`, `promote`, `rollback`: versions on the cameras of a running city."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import typer

from cityeye.city_client import DEFAULT_API, CityClient
from cityeye.commands.terminal_text import plain, thresholds_line
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


WhyOption = Annotated[str, typer.Option(help="Why, for the ledger; `models ledger` shows it.")]


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
        typer.Option(
            metavar="VERSION[:CLASS]=SCORE",
            help="Another threshold, of all classes without one of their own or of one class; "
            "`2=default` undoes all of version 2.",
        ),
    ] = None,
    why: WhyOption = "",
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Show which versions of a model are in service, or change canary, shadow and thresholds."""
    client = CityClient.of(api, token_file, os.environ)
    wanted = {"canary": canary, "cameras": cameras, "shadow": shadow}
    change: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    if threshold:
        change["thresholds"] = _thresholds(threshold)
    if not change:
        _show(client, name, client.get(f"/models/{name}/rollout"))
        return
    _follow(client, name, client.post(_asked(f"/models/{name}/rollout", why=why), change))


def promote(
    name: ModelArgument,
    why: WhyOption = "",
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Make the canary (or the shadow, if there is no canary) the version of all cameras."""
    client = CityClient.of(api, token_file, os.environ)
    _follow(client, name, client.post(_asked(f"/models/{name}/promote", why=why)))


def rollback(
    name: ModelArgument,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Go back to any version at once.")
    ] = None,
    why: WhyOption = "",
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Take the canary back; without one, go back to the stable version before this one."""
    client = CityClient.of(api, token_file, os.environ)
    _follow(client, name, client.post(_asked(f"/models/{name}/rollback", version=to, why=why)))


def ledger(
    name: ModelArgument, api: ApiOption = DEFAULT_API, token_file: TokenFileOption = None
) -> None:
    """Show who changed which versions of a model are in service, when and why."""
    client = CityClient.of(api, token_file, os.environ)
    for entry in client.get(f"/models/{name}/ledger"):
        typer.echo(ledger_line(entry))


def ledger_line(entry: Mapping[str, str]) -> str:
    """One change of versions for a terminal."""
    before, stable = entry["before"], entry["stable"]
    what = f"{before} -> {stable}" if before != stable else f"{stable} stays"
    more = "".join(f", {role} {entry[role]}" for role in ("canary", "shadow") if entry[role])
    why = f": {plain(entry['why'])}" if entry["why"] else ""
    when = entry["at"][:19].replace("T", " ")
    return (
        f"{when} UTC  {entry['deed']:8}  {what}{more}  by {plain(entry['who']) or 'unknown'}{why}"
    )


def _asked(path: str, **query: str | None) -> str:
    given = {name: text for name, text in query.items() if text}
    return f"{path}?{urlencode(given)}" if given else path


def _thresholds(texts: list[str]) -> dict[str, Any]:
    """What is to change by version; several options for one version go together."""
    changes: dict[str, Any] = {}
    for text in texts:
        place, _, score = text.rpartition("=")
        version, _, label = place.partition(":")
        if changes.get(version, {}) is None:
            raise CommandError(
                f"--threshold {text}: {version}=default undoes all of them; give one"
            )
        if score == "default" and version and not label:
            changes[version] = None
            continue
        change = changes.setdefault(version, {"classes": {}})
        try:
            value = None if score == "default" else float(score)
        except ValueError:
            version, value = "", None
        if not version:
            raise CommandError(
                f"--threshold {text}: write VERSION=SCORE or VERSION:CLASS=SCORE, for example "
                "2=0.4 or 2:person=0.35; 2=default and 2:person=default go back"
            )
        if label:
            change["classes"][label] = value
        else:
            change["default"] = value
    return changes


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
    for one in running:
        changed = "changed by this table" if one["version"] in table["thresholds"] else "its own"
        typer.echo(
            f"  thresholds of {one['version']}, {changed}: {thresholds_line(one['thresholds'])}"
        )
    for version in sorted(table["thresholds"].keys() - {one["version"] for one in running}):
        wanted = thresholds_line(table["thresholds"][version])
        typer.echo(f"  thresholds of {version}, which does not run: {wanted}")
    for why in table["absent"].values():
        typer.echo(f"  not running: {why}")
    for one in running:
        cameras = ", ".join(one["cameras"]) or "no camera"
        typer.echo(
            f"  {one['version']:>4} {one['role']:8} {one['status'].lower()} on {one['provider']}, "
            f"{one['images']} images, {one['errors']} errors, counts on: {cameras}"
        )
    if warm := table["warm"]:
        typer.echo(
            f"  {warm['version']} stays loaded until {warm['until'][:16]} UTC; a rollback to it "
            "takes effect at once"
        )
