"""`cityeye bench streams`, `overload` and `scale`: the city and its peers on cameras over RTSP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cityeye.commands.bench_options import (
    ClipOption,
    JsonOption,
    ModelOption,
    PackageOption,
    PlotOption,
    RoundsOption,
    SecondsOption,
    outputs,
    progress,
    publish,
)
from cityeye.errors import CommandError
from cityeye.model_place import cache_folder

if TYPE_CHECKING:
    from benchmarks.street import Street
    from benchmarks.subject import Say
    from simulation import ClipShow

BUILT_IN = "traffic"
SCENES = ("crossroad-jam",)
CLIPS = "clips"

FpsOption = Annotated[
    float, typer.Option("--fps", help="Frames per second to infer of each camera.", min=0.1, max=25)
]
PeersOption = Annotated[
    str,
    typer.Option(
        metavar="NAME,...",
        help="Whom to compare with: loop, serve-per-frame, ultralytics; decoding for what reading "
        "and decoding alone allow; empty for nobody.",
    ),
]
SettleOption = Annotated[
    float, typer.Option(help="Seconds between the first results and a measurement.", min=0)
]
PythonOption = Annotated[
    str, typer.Option(help="Interpreter that has ultralytics, for that peer.", metavar="FILE")
]
UltralyticsOption = Annotated[
    str,
    typer.Option(
        "--ultralytics-model", help="What it runs, .onnx with dynamic batch or .pt.", metavar="FILE"
    ),
]
SizeOption = Annotated[
    str, typer.Option("--ultralytics-imgsz", help="Its input.", metavar="HEIGHTxWIDTH")
]
PerWorkerOption = Annotated[
    int | None,
    typer.Option(help="Cameras per worker of the city; its default if absent.", min=1, max=64),
]
NeighbourOption = Annotated[
    bool, typer.Option("--busy-neighbour", help="Beside a process that takes a core if it can.")
]


CityPrecisionOption = Annotated[
    Literal["fp16", "int8"] | None,
    typer.Option("--city-precision", help="The city runs the model in it, the peers as it is."),
]
GateOption = Annotated[
    float | None,
    typer.Option(
        "--motion-gate", help="The key motion_gate_s of the city's cameras.", min=0.5, max=30
    ),
]
StillOption = Annotated[
    float,
    typer.Option(
        "--still",
        help="Seconds for which cameras show motion and then none, in turns; 0 for motion always.",
        min=0,
        max=60,
    ),
]
MainClipOption = Annotated[
    Path | None,
    typer.Option(
        "--main-clip",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="H.264 video that the city's cameras send as their main stream; --clip is inferred.",
    ),
]
KeyFrameOption = Annotated[
    float, typer.Option("--key-frames", help="Seconds between key frames.", min=0.2, max=10)
]


class Growth(StrEnum):
    """What grows with the load."""

    RATE = "rate"
    CAMERAS = "cameras"


def streams(  # noqa: PLR0913, PLR0917 - options, which people name
    model: ModelOption = BUILT_IN,
    package: PackageOption = None,
    clip: ClipOption = None,
    fps: FpsOption = 5.0,
    peers: PeersOption = "loop",
    first: Annotated[int, typer.Option(help="Cameras of the first probe.", min=1)] = 8,
    cameras: Annotated[
        int, typer.Option(help="Cameras beyond which nobody searches.", min=1, max=1000)
    ] = 256,
    seconds: SecondsOption = 10.0,
    rounds: RoundsOption = 1,
    settle: SettleOption = 4.0,
    cameras_per_worker: PerWorkerOption = None,
    busy_neighbour: NeighbourOption = False,
    city_precision: CityPrecisionOption = None,
    motion_gate: GateOption = None,
    main_clip: MainClipOption = None,
    still: StillOption = 0.0,
    key_frames: KeyFrameOption = 1.6,
    ultralytics_python: PythonOption = "",
    ultralytics_model: UltralyticsOption = "",
    ultralytics_imgsz: SizeOption = "384x640",
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Search the largest number of cameras at a service level, over real RTSP."""
    from benchmarks.streams import StreamsBenchmark, run
    from benchmarks.subject import package_of
    from models import in_precision
    from simulation import ClipShow

    where, say = outputs(json, plot), progress()
    street = _street(
        model, package, clip, say, settle, cameras_per_worker, busy_neighbour,
        (ultralytics_python, ultralytics_model, ultralytics_imgsz),
        ClipShow(key_frame_s=key_frames, still_s=still),
    )  # fmt: skip
    street = replace(_with_main(street, main_clip), motion_gate_s=motion_gate)
    if city_precision is not None:
        folder = street.package.with_name(in_precision(street.package.name, city_precision))
        street = replace(street, city_package=package_of("", folder).directory)
    contestants, predicted = contestants_of(peers, street), _predicted(street, fps)
    say(f"`cityeye plan` predicts {predicted} cameras of this kind for this machine")
    wanted = StreamsBenchmark(street, contestants, fps, first, cameras, seconds, rounds, predicted)
    publish(run(wanted, say), where)


def overload(  # noqa: PLR0913, PLR0917 - options, which people name
    model: ModelOption = BUILT_IN,
    package: PackageOption = None,
    clip: ClipOption = None,
    growing: Annotated[Growth, typer.Option(help="What grows with the load.")] = Growth.RATE,
    fps: FpsOption = 5.0,
    peers: PeersOption = "loop",
    cameras: Annotated[
        int | None,
        typer.Option(help="Cameras where the rate grows; chosen if absent.", min=1, max=1000),
    ] = None,
    capacity: Annotated[
        float | None, typer.Option(help="Inferences/s that are load 1; measured if absent.", min=1)
    ] = None,
    load: Annotated[
        list[float] | None,
        typer.Option(help="Multiple of the capacity; repeatable. 0.5 to 2 if absent.", min=0.01),
    ] = None,
    seconds: SecondsOption = 10.0,
    rounds: RoundsOption = 3,
    settle: SettleOption = 4.0,
    cameras_per_worker: PerWorkerOption = None,
    busy_neighbour: NeighbourOption = False,
    ultralytics_python: PythonOption = "",
    ultralytics_model: UltralyticsOption = "",
    ultralytics_imgsz: SizeOption = "384x640",
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Measure inferences, frame age and evenness from half to twice the capacity."""
    from benchmarks.overload import FACTORS, OverloadBenchmark, run

    where, say = outputs(json, plot), progress()
    street = _street(
        model, package, clip, say, settle, cameras_per_worker, busy_neighbour,
        (ultralytics_python, ultralytics_model, ultralytics_imgsz),
    )  # fmt: skip
    wanted = OverloadBenchmark(
        street,
        contestants_of(peers, street),
        growing.value,
        fps,
        cameras,
        capacity,
        tuple(load or FACTORS),
        seconds,
        rounds,
    )
    publish(run(wanted, say), where)


def scale(  # noqa: PLR0913, PLR0917 - options, which people name
    model: ModelOption = BUILT_IN,
    package: PackageOption = None,
    clip: ClipOption = None,
    fps: FpsOption = 5.0,
    peers: PeersOption = "",
    cameras: Annotated[int, typer.Option(help="The most cameras.", min=1, max=1000)] = 16,
    main_clip: MainClipOption = None,
    soak: Annotated[
        float | None,
        typer.Option(
            help="Instead, run the city with --cameras for so many minutes and say what grows.",
            metavar="MINUTES",
            min=0.1,
        ),
    ] = None,
    seconds: SecondsOption = 10.0,
    rounds: RoundsOption = 3,
    settle: SettleOption = 4.0,
    cameras_per_worker: PerWorkerOption = None,
    ultralytics_python: PythonOption = "",
    ultralytics_model: UltralyticsOption = "",
    ultralytics_imgsz: SizeOption = "384x640",
    json: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Measure processor time and memory per camera, from one camera to many."""
    from benchmarks.scale import ScaleBenchmark, counts_up_to
    from benchmarks.scale import run as run_scale
    from benchmarks.soak import SoakBenchmark
    from benchmarks.soak import run as run_soak
    from benchmarks.street import Load

    where, say = outputs(json, plot), progress()
    street = _street(
        model, package, clip, say, settle, cameras_per_worker, False,
        (ultralytics_python, ultralytics_model, ultralytics_imgsz),
    )  # fmt: skip
    street = _with_main(street, main_clip)
    if soak is not None:
        publish(run_soak(SoakBenchmark(street, Load(cameras, fps), soak), say), where)
        return
    wanted = ScaleBenchmark(
        street, contestants_of(peers, street), fps, counts_up_to(cameras), seconds, rounds
    )
    publish(run_scale(wanted, say), where)


def _with_main(street: Street, main_clip: Path | None) -> Street:
    """A street whose cameras send a main stream too, where one is given."""
    return street if main_clip is None else replace(street, main_clip=main_clip.absolute())


def contestants_of(peers: str, street: Street) -> tuple[str, ...]:
    """The city and its peers by name.

    Raises:
        CommandError: There is no such peer, or what it needs was not given.
    """
    from benchmarks.street import CITYEYE, PEERS, ULTRALYTICS

    names = [name for name in peers.replace(" ", "").split(",") if name]
    for name in names:
        if name not in PEERS:
            raise CommandError(f"there is no peer {name}; choose among {', '.join(PEERS)}")
    if ULTRALYTICS in names and not (street.ultralytics_python and street.ultralytics_model):
        raise CommandError(
            "ultralytics is no part of this program: give --ultralytics-python with an interpreter "
            "that has it, and --ultralytics-model with what it shall run"
        )
    return (CITYEYE, *dict.fromkeys(names))


def _predicted(street: Street, fps: float) -> int:
    """How many cameras of a street fit on this machine, by its cost model, measured now."""
    from camera_adapters import Size
    from cityeye.capacity_plan import CapacityPlan, plan_of_model
    from serving.capacity import StreamShape

    width, _, height = street.camera_size.partition("x")
    size = Size(int(width), int(height))
    shape = StreamShape(size, street.camera_fps, "h264", street.camera_mbit_per_s)
    package = street.city_package or street.package
    name, version = package.parent.name, package.name
    place = str(package.resolve().parents[1])
    camera, costs = plan_of_model(f"{name}/{version}", fps, place, shape, os.environ, anew=True)
    return CapacityPlan(1, camera, costs).per_machine


def _street(  # noqa: PLR0913, PLR0917 - what three commands have in common
    model: str,
    package: Path | None,
    clip: Path | None,
    say: Say,
    settle_s: float,
    cameras_per_worker: int | None,
    busy_neighbour: bool,
    ultralytics: Sequence[str],
    show: ClipShow | None = None,
) -> Street:
    """Package and stamped cameras; makes the clip where it is missing."""
    from benchmarks.recorded_street import street_of
    from benchmarks.subject import clips_of, package_of
    from simulation import ClipShow

    cache = cache_folder(CLIPS, os.environ)
    (recording,) = clips_of(clip, cache, say, SCENES).values()
    python, file, size = ultralytics
    return street_of(
        package_of(model, package),
        recording,
        cache,
        show or ClipShow(),
        settle_s=settle_s,
        cameras_per_worker=cameras_per_worker,
        busy_neighbour=busy_neighbour,
        ultralytics_python=python,
        ultralytics_model=str(Path(file).absolute()) if file else "",
        ultralytics_imgsz=size,
    )
