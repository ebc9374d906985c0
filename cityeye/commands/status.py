"""`cityeye status`: what the running city does, on one screen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import typer

from cityeye.city_client import DEFAULT_API, CityClient
from cityeye.commands.model_rollout import ApiOption, TokenFileOption

MOST_PROBLEMS: Final = 12


def status(api: ApiOption = DEFAULT_API, token_file: TokenFileOption = None) -> None:
    """Show cameras, models, delivery and every problem of the running city, on one screen.

    The exit status is 0 where all is well, 1 where something is not, or where nobody answers.
    """
    client = CityClient.of(api, token_file, os.environ)
    health, models = client.get("/health"), []
    if health["cameras_unknown"] < health["cameras"] or not health["problems"]:
        models = client.get("/models")
    for line in status_lines(api, health, models):
        typer.echo(line)
    if health["status"] != "ok":
        raise typer.Exit(1)


def _rate(value: float | None) -> str:
    return "?" if value is None else f"{round(value, 1):g}"


def status_lines(
    api: str, health: Mapping[str, Any], models: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What the control API says, for a terminal."""
    yield f"city at {api}: {health['status']}"
    total, online = health["cameras"], health["cameras_online"]
    others = (
        (health["cameras_degraded"], "degraded"),
        (health["cameras_unknown"], "unknown: nobody may be watching them"),
        (
            total - online - health["cameras_degraded"] - health["cameras_unknown"],
            "offline",
        ),
    )
    rest = "".join(f", {count} {word}" for count, word in others if count)
    yield f"cameras   {online} of {total} online{rest}"
    for priority, load in health["load"].items():
        given, asked = _rate(load["given_fps"]), _rate(load["asked_fps"])
        yield f"load      {priority}: {given} of {asked} inferences/s"
    if capacity := health["capacity"]:
        yield f"capacity  {capacity['sentence']}"
    for model in models:
        cameras = len(model["cameras"])
        yield (
            f"model     {model['name']}/{model['version']} {model['role']}, "
            f"{model['status'].lower()} on {model['provider']}, {cameras} cameras"
        )
    delivered, pending, dead = (
        health[f"events_{kind}"] for kind in ("delivered", "pending", "dead")
    )
    yield f"events    {delivered} delivered, {pending} wait, {dead} refused for good"
    for sink in health["sinks"]:
        reason = f": {sink['reason']}" if sink["reason"] else ""
        yield f"sink      {sink['name']} {sink['status']}{reason}"
    problems = health["problems"]
    for problem in problems[:MOST_PROBLEMS]:
        yield f"problem   {problem}"
    if len(problems) > MOST_PROBLEMS:
        yield f"          and {len(problems) - MOST_PROBLEMS} more; GET /health has all"
