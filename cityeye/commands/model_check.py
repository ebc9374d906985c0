"""`cityeye models check`: examines a package in a throw-away process and keeps the report."""

from __future__ import annotations

import os

import typer

from cityeye.commands.model_option import (
    PackageArgument,
    PathOption,
    ProviderOption,
    ReportOption,
    ThreadsOption,
    WantedDevice,
    name_and_version,
)
from cityeye.errors import CommandError
from cityeye.model_place import models_repository

GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES")
"""What a GPU's libraries read; nothing else of the environment reaches the process."""


def check_model(
    model: PackageArgument,
    path: PathOption = None,
    provider: ProviderOption = WantedDevice.AUTO,
    threads: ThreadsOption = 1,
    json_file: ReportOption = None,
) -> None:
    """Examine a model package; only what passes may serve. The report stays with the version."""
    from cityeye.commands.model_report import measured, result_line
    from model_tools.admission import admit
    from models import ModelRepository

    repository = models_repository(path, os.environ)
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
    for line in (result_line(report), *measured(report)):
        typer.echo(line)
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if not report.passed:
        raise typer.Exit(1)
