"""`cityeye replay`: what a camera would have seen in a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.model_option import PathOption, ThreadsOption, WantedDevice
from cityeye.errors import CommandError


def replay(  # noqa: PLR0913, PLR0917
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video file.")],
    camera: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="CITY.YAML#NAME, a camera of a configuration (NAME alone with --config), or "
            "MODEL[/VERSION][:TASK,TASK], a model package by name on the whole image with the "
            "default rules of its tasks and all signals; `+` joins several packages.",
        ),
    ],
    config: Annotated[
        Path | None, typer.Option(metavar="CITY.YAML", help="The configuration of the camera.")
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames per second to analyse, for a package by name; 5 without it.",
            min=0.05,
            max=30,
            show_default=False,
        ),
    ] = None,
    path: PathOption = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write lines of JSON there; `-` is stdout."),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="OUT.MP4", help="Draw what was seen into a video file (H.264)."),
    ] = None,
    provider: Annotated[
        WantedDevice,
        typer.Option(help="Where models run. Only a processor always gives the same numbers."),
    ] = WantedDevice.CPU,
    threads: ThreadsOption = 1,
) -> None:
    """Replay a recording as fast as possible, as a camera: tracks, signals and incidents.

    The same recording, camera and models give the same lines of JSON, byte for byte, however fast
    the machine is: frames are chosen by the time of the recording, and none is dropped. Nothing is
    published, and no city is needed.

    Examples: `cityeye replay gate.mp4 --camera city.yaml#gate --draw seen.mp4`, and
    `cityeye replay gate.mp4 --camera deimv2-atto:traffic --path packages --json seen.jsonl`.
    """
    from rich.console import Console

    from cityeye.replay import STDOUT, ReplayOutputs, replay_recording
    from cityeye.replay_camera import CameraChoice, chosen_camera

    for out in (draw, Path(json_file) if json_file not in (None, STDOUT) else None):
        if out is not None and out.exists() and clip.exists() and out.samefile(clip):
            raise CommandError(f"{out} is the recording itself; write to another file")
    if draw is not None and draw.suffix.lower() != ".mp4":
        raise CommandError(f"{draw} must end in .mp4")
    chosen = chosen_camera(CameraChoice(camera, config, fps, path), os.environ)
    chosen = chosen.running(threads, provider.value)
    errors = Console(stderr=True)
    said = errors if json_file == STDOUT else Console()
    # A bar and lines on one terminal must be of one console.
    bar = said if said.is_terminal else errors
    replay_recording(clip, chosen, ReplayOutputs(said, bar, json_file, draw))
