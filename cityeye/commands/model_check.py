"""`cityeye models check`: examines a package in a throw-away process and keeps the report."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.model_option import Name, Place, name_and_version
from cityeye.errors import CommandError
from cityeye.model_place import repository_at

GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES")
"""What a GPU's libraries look for; nothing else of the environment reaches the process."""


class Provider(StrEnum):
    """Where a model must run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def check_model(
    model: Name,
    path: Place = None,
    provider: Annotated[
        Provider, typer.Option(help="Where it must run; auto means the GPU where there is one.")
    ] = Provider.AUTO,
    threads: Annotated[int, typer.Option(help="Threads inside one run.", min=1, max=256)] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the report there.")
    ] = None,
) -> None:
    """Examine a model package; only what passes may serve. The report stays with the version."""
    from cityeye.commands.model_report import measured, verdict
    from model_tools.admission import admit
    from models.repository import ModelRepository

    repository = repository_at(path, os.environ)
    if not isinstance(repository, ModelRepository):
        raise CommandError(
            f"{repository} holds published packages, which never change; `cityeye models pull` "
            "brings one into a folder, where it can be examined"
        )
    directory = repository.directory_of(*name_and_version(model))
    report = admit(
        directory,
        provider=provider.value,
        threads=threads,
        on_step=lambda step: typer.echo(f"  {step} …"),
        environment={key: os.environ[key] for key in GPU_VARIABLES if key in os.environ},
    )
    for line in (verdict(report), *measured(report)):
        typer.echo(line)
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if not report.passed:
        raise typer.Exit(1)
