"""`cityeye replay`: what a camera would have seen in a recording, in words, as data, as a video."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from camera_adapters import Image, Playback
from cityeye.errors import CommandError
from cityeye.replay_camera import ReplayCamera
from cityeye.replay_findings import ReplayFindings
from pipelines.replay import (
    Replay,
    ReplayDrawing,
    ReplayStep,
    WhyQuestion,
    closing,
    heading,
    incident_words,
    step_lines,
)
from serving import InProcessDetector

STDOUT: Final = "-"
PHASE_STYLES: Final[Mapping[str, str]] = {"started": "bold magenta", "ended": "dim"}


@dataclass(frozen=True, slots=True)
class ReplayOutputs:
    """Where a replay goes.

    Attributes:
        console: For what people read: incidents and the summary.
        bar: For the progress bar, which only a terminal gets.
        lines: The file for lines of JSON, `-` for standard output; None for none. It is opened
            when the recording and all models are known to be usable.
        drawn: The video file; None for none.
    """

    console: Console
    bar: Console
    lines: str | None = None
    drawn: Path | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[Callable[[str], object]]:
        """Gives what takes a line of JSON."""
        if self.lines is None:
            yield lambda _: None
        elif self.lines == STDOUT:
            yield lambda line: sys.stdout.write(f"{line}\n")
        else:
            with contextlib.ExitStack() as stack:
                try:
                    file = stack.enter_context(Path(self.lines).open("w", encoding="utf-8"))
                except OSError as error:
                    problem = f"{self.lines} cannot be written: {error.strerror}"
                    raise CommandError(problem) from None
                yield lambda line: file.write(f"{line}\n")


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
            one.incident.kind for one in step.transitions if one.phase == "started"
        )


def replay_recording(
    recording: Path,
    camera: ReplayCamera,
    outputs: ReplayOutputs,
    questions: Sequence[WhyQuestion] = (),
) -> None:
    """Replays a recording.

    Args:
        recording: A video file.
        camera: What it is replayed as.
        outputs: Where it goes.
        questions: What is to be explained.

    Raises:
        CameraFault: It cannot be read.
        CommandError: A model cannot be loaded, the lines cannot be written, or a question is about
            no place of the camera or a time after the end.
        DetectorError: A model failed.
    """
    findings = ReplayFindings(questions, camera)
    detector = InProcessDetector(camera.models)
    with contextlib.closing(Playback(camera.plan.camera, recording)) as playback:
        for model in dict.fromkeys(task.model for task in camera.plan.tasks):
            problem = detector.verify(model)
            if problem:
                name = f"model {model.key}: "
                raise CommandError(problem.replace(name * 2, name))
        findings.check_times(playback.duration_s)
        begun_s, totals = time.monotonic(), ReplayTotals()
        with outputs.opened() as write:
            write(heading(camera.plan, recording.name, playback.duration_s))
            replay = Replay(camera.plan, playback, detector, tuple(camera.others.values()))
            steps = findings.followed(replay, write)
            with _bar(outputs.bar, playback) as moved:
                followed = _followed(map(moved, steps), totals, write, outputs.console)
                _take_all(followed, camera, playback, outputs.drawn)
            findings.finish(write)
            write(closing(_facts(playback, totals)))
        _summarise(playback, totals, time.monotonic() - begun_s, outputs.console)
        findings.show(outputs.console)


def _followed(
    steps: Iterable[ReplayStep],
    totals: ReplayTotals,
    write: Callable[[str], object],
    console: Console,
) -> Iterator[ReplayStep]:
    """The same steps, counted, written and said on their way."""
    view: str | None = None
    for step in steps:
        totals.add(step)
        for line in step_lines(step):
            write(line)
        if step.signals is not None and step.signals.view != view:
            view = step.signals.view
            words = f"view  {view}: rules are suspended" if view else "view  good"
            _say(console, step.at_s, words, "yellow" if view else "green")
        for one in step.transitions:
            _say(console, step.at_s, incident_words(one), PHASE_STYLES.get(one.phase, ""))
        yield step


def _say(console: Console, at_s: float, words: str, style: str) -> None:
    line = Text(f"{at_s:7.1f} s  ", style="dim")
    line.append(words, style=style)
    console.print(line, soft_wrap=True)


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
    tracks = len(totals.tracks)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(totals.incidents.items()))
    console.print(
        f"{totals.frames} frames of {seconds:.1f} s in {took_s:.1f} s ({speed}): "
        f"{tracks} track{'s' * (tracks != 1)}, {kinds or 'no incident'}",
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
