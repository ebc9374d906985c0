"""`cityeye bench incidents`: what the rules report, against what happens."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cityeye.commands.bench_options import JsonOption, outputs, progress, publish
from cityeye.errors import CommandError
from cityeye.model_place import cache_folder

if TYPE_CHECKING:
    from benchmarks.incidents import LoadedCamera


class Ablation(StrEnum):
    """A rule whose kinds of evidence are tried one by one."""

    LITTERING = "littering"
    CONGESTION = "congestion"


def camera_of(file: Path, named: str) -> LoadedCamera:
    """The only camera of a configuration; models run as in a replay, in one thread.

    Raises:
        CommandError: The configuration has mistakes; the message calls it by the given name.
        ModelError: A model is missing, unusable or not admitted.
    """
    from cityeye.config import ConfigurationError
    from cityeye.replay_camera import CameraChoice, chosen_camera

    try:
        chosen = chosen_camera(CameraChoice(str(file)), os.environ).running(1, "cpu")
    except ConfigurationError as error:
        problems = (str(one).replace("cameras[0]", "camera") for one in error.problems)
        raise CommandError("\n".join(f"{named}: {problem}" for problem in problems)) from None
    return chosen.plan, chosen.models


def incidents(  # noqa: PLR0913, PLR0917 - options, which people name
    seed: Annotated[int, typer.Option(min=0, help="Of the drawn scenes; any number.")] = 1,
    scenes: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Scenes or patterns, with commas: `red-light,bag-*`. All if absent.",
        ),
    ] = "",
    clips: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Recordings in place of drawn scenes, each with NAME.yaml beside it.",
        ),
    ] = None,
    ablate: Annotated[
        list[Ablation] | None,
        typer.Option(help="Also try each kind of evidence of a rule alone; repeatable."),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Clips that are drawn and replayed at once.")
    ] = 2,
    motion_gate: Annotated[
        float | None,
        typer.Option(min=0.5, max=30, help="The key `motion_gate_s` of the cameras, seconds."),
    ] = None,
    precision: Annotated[
        Literal["fp32", "int8"] | None, typer.Option(help="The key `precision` of the models.")
    ] = None,
    idle_fps: Annotated[
        float | None,
        typer.Option(
            min=0.05, max=30, help="`adaptive_fps: idle` of all tasks, as low as their rules allow."
        ),
    ] = None,
    near_fps: Annotated[
        float | None, typer.Option(min=0.05, max=30, help="`adaptive_fps: near` of all tasks.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Measure what the rules report of drawn scenes, or of recordings, against what happens.

    Precision, recall, F1, time to detect and duplicates by kind of incident, and what was reported
    of hard negatives. Every clip goes the whole path from encoded images to incidents, with the
    built-in models. Clips are drawn at first use and kept in the cache.
    """
    from benchmarks.incidents import IncidentsBenchmark, run

    where = outputs(json, None)
    benchmark = IncidentsBenchmark(
        load=camera_of,
        cache=cache_folder("incidents", os.environ),
        seed=seed,
        scenes=tuple(filter(None, (name.strip() for name in scenes.split(",")))),
        clips=clips,
        ablate=tuple(one.value for one in ablate or ()),
        processes=processes,
        motion_gate_s=motion_gate,
        precision=precision,
        idle_fps=idle_fps,
        near_fps=near_fps,
    )
    publish(run(benchmark, progress()), where)
