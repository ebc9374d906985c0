"""`cityeye models`: what model packages there are, and what each one is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cityeye.city_client import DEFAULT_API
from cityeye.commands import model_compare, model_rollout, model_store
from cityeye.commands.model_check import check_model
from cityeye.commands.model_eval import evaluate
from cityeye.commands.model_fetch import fetch
from cityeye.commands.model_import import import_file
from cityeye.commands.model_option import PackageArgument, PathOption, name_and_version
from cityeye.commands.model_upload import upload
from cityeye.errors import CommandError
from cityeye.model_place import models_repository

app = typer.Typer(help="Bring in, check and inspect model packages.", no_args_is_help=True)
app.command("import")(import_file)
app.command("fetch")(fetch)
app.command("check")(check_model)
app.command("eval")(evaluate)
app.command("rollout")(model_rollout.rollout)
app.command("promote")(model_rollout.promote)
app.command("rollback")(model_rollout.rollback)
app.command("ledger")(model_rollout.ledger)
app.command("compare")(model_compare.compare)
app.command("upload")(upload)
app.command("push")(model_store.push)
app.command("pull")(model_store.pull)


@app.command("list")
def list_models(path: PathOption = None) -> None:
    """List every model package: its input, how accurate it was found to be, whether it may serve.

    AP50 is of its newest evaluation; `models show` has all of it, thresholds and labels.
    """
    from rich.console import Console
    from rich.table import Table

    from cityeye.commands.evaluation_report import accuracy_words
    from cityeye.commands.model_report import state
    from cityeye.commands.terminal_text import plain
    from models import ModelError

    repository = models_repository(path, os.environ)
    table = Table("model", "tasks", "input", "labels", "accuracy", "state", box=None)
    for name in repository.names():
        for version in repository.versions(name):
            try:
                package = repository.find(name, version)
            except ModelError as error:
                table.add_row(f"{name}/{version}", "", "", "", "", f"unusable: {plain(str(error))}")
                continue
            manifest = package.manifest
            table.add_row(
                str(package),
                plain(", ".join(manifest.tasks)),
                f"{manifest.input.width}x{manifest.input.height}",
                str(len(package.labels)),
                accuracy_words(package),
                state(package),
            )
    if not table.row_count:
        raise CommandError(f"{repository} holds no model package")
    Console().print(table)
    Console(stderr=True).print(f"in {repository}", soft_wrap=True, highlight=False)


@app.command("rm")
def remove_model(
    model: Annotated[str, typer.Argument(metavar="NAME/VERSION", help="The version.")],
    path: PathOption = None,
    config: Annotated[
        Path, typer.Option(metavar="CITY.YAML", help="The city that must not need it.")
    ] = Path("city.yaml"),
    api: model_rollout.ApiOption = DEFAULT_API,
) -> None:
    """Remove a version from a folder of packages, for good.

    Refused while a city uses it: one that runs at --api, or that of --config as it was left.
    """
    from cityeye.model_removal import remove_version

    name, version = name_and_version(model)
    if version is None:
        raise CommandError(f"name the version too, as in {name}/1; `models list` has them")
    repository = models_repository(path, os.environ)
    remove_version(repository, name, version, config, api, os.environ)
    typer.echo(f"{name}/{version} is removed from {repository}")


@app.command("show")
def show_model(model: PackageArgument, path: PathOption = None) -> None:
    """Show one model package: its manifest, its admission, its evaluations and its card."""
    from cityeye.commands.evaluation_report import kept_line
    from cityeye.commands.model_report import lines
    from cityeye.commands.terminal_text import plain
    from model_tools.evaluation import read_evaluations
    from models import CARD_FILE, MANIFEST_FILE
    from models.admission import read_report, why_not_admitted

    package = models_repository(path, os.environ).find(*name_and_version(model))
    manifest = (package.directory / MANIFEST_FILE).read_text(encoding="utf-8")
    typer.echo(f"{plain(manifest).rstrip()}\n")
    report, reason = read_report(package.directory), why_not_admitted(package)
    if reason and (report is None or report.passed):
        typer.echo(f"{package} is not admitted: {plain(reason)}")
    for line in lines(report) if report is not None else ():
        typer.echo(line)
    for evaluation in read_evaluations(package.directory):
        typer.echo(kept_line(evaluation, package))
    card = (package.directory / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    typer.echo(f"\n{plain(card).rstrip()}")


@app.command("try")
def try_out(
    model: PackageArgument,
    recording: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[Path, typer.Option(help="Folder for the annotated images.")] = Path("trial"),
    fps: Annotated[
        float, typer.Option(help="Images to infer per second of the recording.", min=0.05, max=30)
    ] = 1.0,
    path: PathOption = None,
) -> None:
    """Run inference on a recording and draw what is found into images."""
    from cityeye.model_trial import try_model

    package = models_repository(path, os.environ).find(*name_and_version(model))
    count = try_model(package, recording, fps, out)
    typer.echo(f"{count} annotated images in {out}")
