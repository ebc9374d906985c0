"""`cityeye plan`: how many cores or GPUs a number of cameras needs."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityeye.errors import CommandError
from cityeye.model_place import HELP

if TYPE_CHECKING:
    from cityeye.capacity_plan import CapacityPlan
    from serving.capacity import StreamShape


class PlannedCodec(StrEnum):
    """How cameras encode."""

    H264 = "h264"
    H265 = "h265"


def plan(  # noqa: PLR0913, PLR0917 - options, which people name
    cameras: Annotated[int, typer.Option(help="How many cameras.", min=1, max=1_000_000)],
    config: Annotated[
        Path | None,
        typer.Option(metavar="CITY.YAML", help="Cameras like those of a configuration."),
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Pixels of an image; 1920 if absent.", min=64, max=8192)
    ] = None,
    height: Annotated[
        int | None, typer.Option(help="Pixels of an image; 1080 if absent.", min=64, max=4320)
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Images per second; 25 if absent.", min=0.1, max=120)
    ] = None,
    codec: Annotated[PlannedCodec | None, typer.Option(help="h264 if absent.")] = None,
    mbit: Annotated[
        float | None,
        typer.Option(help="Megabits per second; usual for the size if absent.", min=0.01, max=200),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Images per second to infer; 5 if absent.", min=0.05, max=30),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="MODEL[/VERSION][:TASK,TASK][+MODEL...]; traffic if absent."),
    ] = None,
    path: Annotated[str | None, typer.Option("--path", help=HELP)] = None,
    gpu_result: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A result of `bench gpu` beside the stored ones."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--measure", help="Measure costs again, as if for the first time.")
    ] = False,
    price: Annotated[
        float | None, typer.Option(help="Price of one machine like this one.", min=0)
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the answer there.")
    ] = None,
) -> None:
    """Say how many cores or GPUs of which kind a number of cameras needs, as measured."""
    from cityeye.capacity_plan import capacity_plan, plan_of_config, plan_of_model
    from cityeye.config import load_config

    stream = _stream(width, height, fps, codec, mbit)
    if config is not None:
        if model is not None or rate is not None or path is not None:
            raise CommandError("--model, --rate and --path are for cameras without --config")
        found = plan_of_config(load_config(config, os.environ), stream, anew=anew)
    else:
        shape = stream or _stream(1920, None, None, None, None)
        assert shape is not None  # noqa: S101 - a width was given
        found = plan_of_model(model or "traffic", rate or 5.0, path, shape, os.environ, anew=anew)
    answer = capacity_plan(cameras, found, gpu_result or [], price)
    for line in plan_lines(answer):
        typer.echo(line)
    if json is not None:
        json.write_text(json_module.dumps(answer.as_json(), indent=2) + "\n", encoding="utf-8")


def _stream(
    width: int | None,
    height: int | None,
    fps: float | None,
    codec: PlannedCodec | None,
    mbit: float | None,
) -> StreamShape | None:
    """What cameras send; None where nothing was said of it."""
    from camera_adapters import Size
    from serving.capacity import StreamShape

    if all(one is None for one in (width, height, fps, codec, mbit)):
        return None
    size = Size(width or 1920, height or 1080)
    return StreamShape(size, fps or 25.0, (codec or PlannedCodec.H264).value, mbit)


def plan_lines(answer: CapacityPlan) -> Iterator[str]:
    """The answer for a terminal."""
    from cityeye.capacity_plan import gpus_needed

    camera, costs = answer.camera, answer.costs
    yield f"machine   {costs.machine}"
    models = ", ".join(f"{key} {fps:g}/s" for key, fps in camera.analysis.inferences.items())
    yield f"camera    {camera.stream or 'as measured in this city'}; {models}"
    yield f"          {camera.cost.cores:.4f} cores each, give or take {costs.spread:.0%}"
    yield f"here      {answer.per_machine} such cameras fit on this machine's {costs.cores:g} cores"
    machines = answer.machines
    text = f"cores     {answer.cameras} cameras need {answer.cores} cores of this kind"
    if machines is None:
        yield f"{text}; this machine carries none"
    else:
        yield f"{text}, or {machines} machine{'s' * (machines != 1)} like this one"
    price = answer.cost_per_camera(machines)
    if price is not None:
        yield f"price     {price:.2f} per camera"
    for one in answer.gpus:
        count = gpus_needed(one, answer.cameras)
        need = f"{count} x {one.gpu}" if count else f"one {one.gpu} carries none"
        yield f"GPUs      {need}: {one.cameras} such cameras each, {one.limit} is the limit"
        yield f"          measured ({one.source}): {one.measured}; host {one.host}"
    if not answer.gpus:
        yield (
            "GPUs      none was measured with this model and codec; `cityeye bench gpu --json "
            "FILE` on a machine with one, then --gpu-result FILE"
        )
