"""`cityeye replay`: what a camera would have seen in a recording, in words, as data, as a video."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from camera_adapters import RECORDING_BEGIN, Image, Playback
from cityeye.errors import CommandError
from cityeye.replay_camera import ReplayCamera
from pipelines.replay import Replay, ReplayDrawing, ReplayStep, closing, heading, step_lines
from serving import InProcessDetector

PHASE_STYLES = {"started": "bold magenta", "ended": "dim"}


@dataclass(frozen=True, slots=True)
class ReplayOutputs:
    """Where a replay goes.

    Attributes:
        console: For what people read: incidents and the summary.
        bar: For the progress bar, which only a terminal gets.
        lines: For lines of JSON; None for none.
        drawn: The video file; None for none.
    """

    console: Console
    bar: Console
    lines: TextIO | None = None
    drawn: Path | None = None


@dataclass(slots=True)
class ReplayTotals:
    """What a replay has given so far.

    Attributes:
        frames: Frames that were analysed.
        tracks: Ids of all tracks.
        incidents: Incidents that began, by kind.
    """

    frames: int = 0
    tracks: set[int] = field(default_factory=set)
    incidents: Counter[str] = field(default_factory=Counter)

    def add(self, step: ReplayStep) -> None:
        """Counts one step."""
        self.frames += step.frame is not None
        self.tracks.update(track.id for own in step.tracks.values() for track in own)
        self.incidents.update(
            one.incident.kind for one in step.transitions if one.phase.value == "started"
        )


def replay_recording(recording: Path, camera: ReplayCamera, outputs: ReplayOutputs) -> None:
    """Replays a recording.

    Raises:
        CameraFault: It cannot be read.
        CommandError: A model cannot be loaded, or the recording has no frame.
        DetectorError: A model failed.
    """
    detector = InProcessDetector(camera.models)
    with contextlib.closing(Playback(camera.plan.camera, recording)) as playback:
        for model in dict.fromkeys(task.model for task in camera.plan.tasks):
            problem = detector.verify(model)
            if problem:
                raise CommandError(f"model {model.key} cannot be run: {problem}")
        begun_s = time.monotonic()
        totals = ReplayTotals()
        if outputs.lines is not None:
            first = heading(camera.plan, recording.name, playback.duration_s)
            outputs.lines.write(f"{first}\n")
        steps = _followed(Replay(camera.plan, playback, detector).steps(), totals, outputs)
        with _bar(outputs.bar, playback) as moved:
            _take_all(map(moved, steps), camera, playback, outputs.drawn)
        if outputs.lines is not None:
            outputs.lines.write(f"{closing(_facts(playback, totals))}\n")
        _summarise(playback, totals, time.monotonic() - begun_s, outputs.console)


def _followed(
    steps: Iterable[ReplayStep], totals: ReplayTotals, outputs: ReplayOutputs
) -> Iterator[ReplayStep]:
    """The same steps, counted, written and said on their way."""
    for step in steps:
        totals.add(step)
        if outputs.lines is not None:
            outputs.lines.writelines(f"{line}\n" for line in step_lines(step))
        for one in step.transitions:
            incident, phase = one.incident, one.phase.value
            words = [phase, incident.kind, f"{incident.severity.value} in {incident.zone}"]
            if incident.end_reason is not None:
                begun_s = (incident.opened_at - RECORDING_BEGIN).total_seconds()
                words.append(f"since {begun_s:.1f} s: {incident.end_reason.value}")
            line = Text(f"{step.at_s:7.1f} s  ", style="dim")
            line.append("  ".join(words), style=PHASE_STYLES.get(phase, ""))
            outputs.console.print(line, soft_wrap=True)
        yield step


def _take_all(
    steps: Iterator[ReplayStep], camera: ReplayCamera, playback: Playback, drawn: Path | None
) -> None:
    """Takes every step, and draws it where that is wanted."""
    if drawn is None:
        for _ in steps:
            pass
        return
    from simulation import write_clip

    write_clip(drawn, _images(steps, ReplayDrawing(camera.plan), playback))


def _images(
    steps: Iterable[ReplayStep], drawing: ReplayDrawing, playback: Playback
) -> Iterator[tuple[float, Image]]:
    """The drawn frames with their seconds; the last one is shown up to the end."""
    at_s, image = 0.0, None
    for step in steps:
        if step.frame is not None:
            at_s, image = step.at_s, drawing.draw(step, step.frame)
            yield at_s, image
    if image is not None and playback.read_s > at_s:
        yield playback.read_s, image


@contextlib.contextmanager
def _bar(console: Console, playback: Playback) -> Iterator[Callable[[ReplayStep], ReplayStep]]:
    """Gives what passes a step on and moves the bar by it."""
    columns = (TextColumn("{task.completed:.0f} of {task.total:.0f} s"), BarColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as bar:
        task = bar.add_task("", total=playback.duration_s)

        def moved(step: ReplayStep) -> ReplayStep:
            bar.update(task, completed=step.at_s)
            return step

        yield moved


def _facts(playback: Playback, totals: ReplayTotals) -> dict[str, object]:
    """What the last line of JSON says."""
    return {
        "frames": totals.frames,
        "tracks": len(totals.tracks),
        "incidents": dict(sorted(totals.incidents.items())),
        "decoded": playback.decoded,
        "damaged": playback.damaged,
        "absent_s": round(playback.absent_s, 3),
        "broken_off": playback.broken_off,
    }


def _summarise(playback: Playback, totals: ReplayTotals, took_s: float, console: Console) -> None:
    """Says how much there was, how fast it went, and what could not be read."""
    seconds = playback.duration_s
    speed = f"{seconds / took_s:.1f} times real time" if took_s > 0 else "at once"
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(totals.incidents.items()))
    console.print(
        f"{totals.frames} frames of {seconds:.1f} s in {took_s:.1f} s ({speed}): "
        f"{len(totals.tracks)} tracks, {kinds or 'no incident'}",
        soft_wrap=True,
        highlight=False,
    )
    for text in _unread(playback):
        console.print(text, style="yellow", soft_wrap=True, highlight=False)


def _unread(playback: Playback) -> Iterator[str]:
    """What of a recording could not be read, a sentence each."""
    if playback.damaged:
        images = playback.decoded + playback.damaged
        yield f"{playback.damaged} of {images} images are damaged and were left out"
    if playback.absent_s:
        stated_s = playback.duration_s + playback.absent_s
        yield (
            f"{playback.absent_s:.1f} s of the {stated_s:.1f} s that the file states are missing "
            "or cannot be read"
        )
    if playback.broken_off:
        yield f"{playback.broken_off}: nothing was read after {playback.read_s:.1f} s"
