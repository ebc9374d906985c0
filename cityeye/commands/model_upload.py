"""`cityeye models upload`: a network on this machine becomes a version of a running city."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from cityeye.city_client import DEFAULT_API, CityClient
from cityeye.commands.model_import import (
    HalfPrecisionOption,
    HeadOption,
    LabelsOption,
    LicenceOption,
    PackageSizeOption,
    ScoresOption,
    TasksOption,
    ThresholdOption,
    TrainingDataOption,
    size_of,
)
from cityeye.commands.model_rollout import ApiOption, TokenFileOption
from cityeye.commands.terminal_text import plain, thresholds_line
from cityeye.commands.transfer_bar import transfer_bar
from cityeye.errors import CommandError


def upload(  # noqa: PLR0913, PLR0917 - options, which people name
    place: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="An ONNX file, or a package: NAME/VERSION.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the model; that of a package without it.")
    ] = None,
    labels: LabelsOption = None,
    head: HeadOption = None,
    scores: ScoresOption = None,
    size: PackageSizeOption = None,
    threshold: ThresholdOption = None,
    tasks: TasksOption = "",
    licence: LicenceOption = None,
    training_data: TrainingDataOption = None,
    fp16: HalfPrecisionOption = False,
    api: ApiOption = DEFAULT_API,
    token_file: TokenFileOption = None,
) -> None:
    """Upload a network to a running city, which examines it and makes the next version of it.

    Labels and thresholds of a package come along. Nothing serves the version before a rollout.
    """
    from cityeye.model_import import labels_from
    from cityeye.model_upload import network_file, upload_network
    from model_tools.importing import ImportRequest
    from models import NAME_PATTERN

    file = network_file(place)
    name = name or (place.absolute().parent.name if place.is_dir() else None)
    if name is None:
        raise CommandError(f"--name is missing: which model is {file} a version of?")
    if not re.match(NAME_PATTERN, name):
        raise CommandError(f"{name} is no name of a model: a-z, 0-9, - and _, a letter first")
    request = ImportRequest(
        name=name,
        file=file.name,
        labels=None if labels is None else labels_from(labels),
        head=head,
        scores=scores,
        size=None if size is None else size_of(size),
        threshold=threshold,
        tasks=tuple(one.strip() for one in tasks.split(",") if one.strip()),
        licence=licence,
        training_data=training_data,
        precision="fp16" if fp16 else "fp32",
    )
    client = CityClient.of(api, token_file, os.environ)
    with transfer_bar(file.name, file.stat().st_size) as bar:
        made = upload_network(
            client, file, request, bar, lambda step: typer.echo(f"  {plain(step)} …")
        )
    _show(made)


def _show(made: dict[str, Any]) -> None:
    manifest, version = made["manifest"], f"{made['name']}/{made['version']}"
    typer.echo(f"{version} is in the repository of the city")
    typer.echo(f"  images         {manifest['input']['width']}x{manifest['input']['height']}")
    typer.echo(f"  labels         {plain(', '.join(made['labels']))}")
    typer.echo(f"  tasks          {', '.join(manifest['tasks'])}")
    typer.echo(f"  thresholds     {thresholds_line(manifest['thresholds'])}")
    typer.echo(f"  admission      {'passed' if made['admitted'] else plain(made['problem'])}")
    typer.echo(f"Try it with: cityeye models rollout {made['name']} --shadow {made['version']}")
