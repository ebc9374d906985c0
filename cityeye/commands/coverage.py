"""`cityeye coverage`: what every task could see of its camera, and why not more."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cityeye.city_client import DEFAULT_API, CityClient
from cityeye.commands.events import AsJsonOption
from cityeye.commands.model_rollout import ApiOption, TokenFileOption

HoursOption = Annotated[float, typer.Option(min=0.01, max=768, help="The hours before now.")]
CameraOption = Annotated[str | None, typer.Option(help="The id of one camera; all without it.")]


def coverage(
    hours: HoursOption = 1.0,
    camera: CameraOption = None,
    as_json: AsJsonOption = False,
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Say how much of the time cameras were watched, and why not all of it."""
    import json

    until = datetime.now(UTC)
    times = {"until": until.isoformat(), "since": (until - timedelta(hours=hours)).isoformat()}
    only = {} if camera is None else {"camera": camera}
    answer = CityClient.of(api, token_file, os.environ).get("/coverage", **times, **only)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cityeye.commands.terminal_text import plain

    table = Table(box=None)
    for name in ("camera", "task", "requested", "watched", "able to see", "gaps"):
        table.add_column(name, overflow="fold")
    for one in answer["covered"]:
        seconds, asked_s = (one["watched_s"], one["able_s"]), one["requested_s"]
        shares = (f"{s:.0f} s {s / asked_s:.1%}" if asked_s else "" for s in seconds)
        gaps = sorted(one["gaps"].items(), key=lambda gap: -gap[1])
        said = ", ".join(f"{reason} {gap_s:.0f} s" for reason, gap_s in gaps)
        row = (one["camera"], one["task"], f"{asked_s:.0f} s", *shares, said)
        table.add_row(*map(plain, row))
    console = Console()
    console.print(table)
    for camera, why in answer["unknown"].items():
        console.print(f"unknown: {plain(camera)}: {plain(why)}", soft_wrap=True)
