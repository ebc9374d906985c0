"""`cityeye check`: says everything that is wrong with a configuration file, and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cityeye.config import Config


def check(
    config: Annotated[Path, typer.Argument(metavar="CITY.YAML", help="The configuration file.")],
    connect: Annotated[
        bool, typer.Option("--connect", help="Also open every camera and load every model.")
    ] = False,
) -> None:
    """Check a configuration file; lists every mistake with its line and what to do."""
    from cityeye.capacity import expected_load
    from cityeye.config import ConfigurationError, load_config
    from cityeye.faster_precisions import faster_precisions

    try:
        loaded = load_config(config, os.environ)
    except ConfigurationError as error:
        typer.echo(str(error))
        raise typer.Exit(1) from error
    for warning in loaded.warnings:
        typer.echo(f"{config}:{warning.line}: {warning} (warning)")
    if connect:
        from cityeye.commands.connect import try_everything

        results = []
        for result in try_everything(loaded):
            typer.echo(f"{result.subject}: {result.sentence}")
            results.append(result.good)
        if not all(results):
            raise typer.Exit(1)
    typer.echo(_summary(loaded))
    if kept_s := loaded.settings.models.keep_warm_s:
        typer.echo(
            f"A model version that leaves service stays loaded for {kept_s:g} s, with the memory "
            "that it takes (`keep_warm_s` of `models`)."
        )
    typer.echo(f"Capacity: {expected_load(loaded)}.")
    for sentence in (*loaded.rules.newer(), *faster_precisions(loaded)):
        typer.echo(f"{sentence}.")


def _summary(config: Config) -> str:
    """One sentence about a good file, and the rule sets and rules in use if there are any."""
    tasks = [task for plan in config.plans for task in plan.tasks]
    models = {(task.model.name, task.model.version) for task in tasks}
    counts = (
        _count(len(config.plans), "camera"),
        _count(len(tasks), "task"),
        _count(sum(len(task.rules) for task in tasks), "rule"),
    )
    said = [f"{config.path} is good: {', '.join(counts)} and {_count(len(models), 'model')}."]
    for words, used in (("Rule sets", config.rules.sets), ("Rules", config.rules.single)):
        if used:
            said.append(f"{words}: {', '.join(map(str, used))}.")
    return " ".join(said)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
