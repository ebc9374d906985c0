"""`cityeye replay`: what a camera would have seen in a recording."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cityeye.commands.model_option import ThreadsOption, WantedDevice
from cityeye.errors import CommandError
from cityeye.model_place import HELP


def replay(  # noqa: PLR0913, PLR0917
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP", help="A video file.", show_default=False)
    ],
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
    path: Annotated[
        str | None, typer.Option("--path", help=f"{HELP} The built-in ones without it.")
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write lines of JSON there; `-` is stdout."),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(metavar="OUT.MP4", help="Draw what was seen into a video file (H.264)."),
    ] = None,
    why: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ZONE@TIME",
            help="Explain what each rule made of a zone or line at a time, in seconds or H:MM:SS, "
            "or over a span, FROM..TO; may be repeated.",
        ),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="A.YAML [B.YAML...]",
            help="Compare the rules of these files in one pass; of one file with the camera's own.",
        ),
    ] = None,
    begin: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"],
            help="When the recording began, by the clock of the city: schedules are applied then.",
        ),
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

    clip, files = _named(clips, rules or [])
    from cityeye.replay import STDOUT, ReplayOutputs, replay_recording
    from cityeye.replay_camera import CameraChoice, chosen_camera
    from cityeye.replay_findings import parse_questions

    for out in (draw, Path(json_file) if json_file not in (None, STDOUT) else None):
        if out is not None and out.exists() and clip.exists() and out.samefile(clip):
            raise CommandError(f"{out} is the recording itself; write to another file")
    if draw is not None and draw.suffix.lower() != ".mp4":
        raise CommandError(f"{draw} must end in .mp4")
    chosen = chosen_camera(CameraChoice(camera, config, fps, path), os.environ)
    if files:
        chosen = chosen.compared(files, os.environ)
    questions = parse_questions(why or [])
    unapplied = begin is None and chosen.has_schedules
    chosen = chosen.running(threads, provider.value).begun(begin)
    errors = Console(stderr=True)
    said = errors if json_file == STDOUT else Console()
    # A bar and lines on one terminal must be of one console.
    bar = said if said.is_terminal else errors
    if unapplied:
        said.print("schedules are not applied: say when the recording began with --begin")
    replay_recording(clip, chosen, ReplayOutputs(said, bar, json_file, draw), questions)


def _named(clips: list[Path], rules: list[Path]) -> tuple[Path, list[Path]]:
    """The recording, and the files with rules: those after the first come without an option."""
    files = [one for one in clips if rules and one.suffix in {".yaml", ".yml"}]
    clip, *more = [one for one in clips if one not in files] or [Path()]
    if more or clip == Path():
        said = ", ".join(map(str, more)) or "none"
        raise CommandError(f"give one recording; beside it there is {said}")
    return clip, [*rules, *files]
