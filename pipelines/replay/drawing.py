"""A replay as images for people: what was seen, drawn into each analysed frame, and a panel below.

In the image: boxes with track, class and score; zones and lines, red while an incident is open in
them; masks, darkened; what was added or removed and stays (magenta); outlines of what moves (blue).
In the panel: the second of the recording, the view, motion, and the open incidents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from camera_adapters import RECORDING_BEGIN, Frame, Image, Size
from models.detections import Box, plain_label
from pipelines.incident import Incident, Phase
from pipelines.plan import CameraPlan
from pipelines.replay.replay import ReplayStep
from pipelines.signals.signal import NO_SIGNALS, Signals
from pipelines.track import CYCLES, LITTER, PERSONS, VEHICLES, Track

RgbTriple = tuple[int, int, int]
COLOURS: Final = (
    (PERSONS, (64, 224, 64)),
    (VEHICLES, (255, 176, 32)),
    (CYCLES, (64, 224, 224)),
    (LITTER, (255, 128, 192)),
)
OTHER: Final[RgbTriple] = (208, 208, 208)
PLACE: Final[RgbTriple] = (224, 224, 96)
ALARM: Final[RgbTriple] = (255, 64, 48)
CHANGE: Final[RgbTriple] = (255, 64, 255)
MOVING: Final[RgbTriple] = (96, 144, 255)
MASK: Final[RgbTriple] = (150, 150, 150)
PANEL: Final[RgbTriple] = (24, 24, 24)
TEXT: Final[RgbTriple] = (232, 232, 232)

LEAST_WIDTH, MOST_WIDTH = 640, 1280
"""Smaller images are enlarged and larger ones reduced, so that text can be read beside objects."""

FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE: Final = 0.42
LINE_PX: Final = 18
INCIDENT_LINES: Final = 3
PANEL_PX: Final = (2 + INCIDENT_LINES) * LINE_PX + 8
WHOLE_IMAGE: Final = {(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)}

_Points = npt.NDArray[np.int32]


def drawn_size(full: Size) -> Size:
    """The size of drawn images of a camera whose images have size `full`: even sides."""
    width = min(max(full.width, LEAST_WIDTH), MOST_WIDTH) // 2 * 2
    return Size(width, max(2, round(full.height * width / full.width) // 2 * 2) + PANEL_PX)


class ReplayDrawing:
    """Draws the steps of one replay, in order."""

    def __init__(self, plan: CameraPlan) -> None:
        """Starts with nothing seen; the zones and lines are those of the plan's rules."""
        rules = [rule for task in plan.tasks for rule in task.rules]
        zones = {zone.name: zone for rule in rules for zone in rule.zones}
        lines = {line.name: line for rule in rules for line in rule.lines}
        self._places: dict[str, tuple[tuple[float, float], ...]] = {
            **{name: zone.polygon for name, zone in zones.items()},
            **{name: (line.start, line.end) for name, line in lines.items()},
        }
        masks = {(mask.name, mask.polygon) for rule in rules for mask in rule.masks}
        self._masks = sorted(masks)
        self._wants_signals = bool(plan.signals)
        self._signals: Signals = NO_SIGNALS
        self._open: dict[str, Incident] = {}

    def draw(self, step: ReplayStep, frame: Frame) -> Image:
        """(H, W, 3) uint8 RGB of size `drawn_size`: the frame of a step with all that is known.

        `frame` is that of the step.
        """
        self._note(step)
        size = drawn_size(frame.full.size)
        height = size.height - PANEL_PX
        canvas = np.empty((size.height, size.width, 3), np.uint8)
        canvas[height:] = PANEL
        image = canvas[:height]
        shown = (size.width, height)
        cv2.resize(frame.full.rgb(), shown, dst=image, interpolation=cv2.INTER_AREA)
        tracks = [track for own in step.tracks.values() for track in own]
        self._draw_masks(image)
        self._draw_signals(image, step.at_s)
        self._draw_places(image)
        for track in tracks:
            _draw_track(image, track)
        if self._signals.view is not None:
            cv2.rectangle(image, (0, 0), (size.width - 1, height - 1), ALARM, 4)
        for number, (text, colour) in enumerate(self._panel(step.at_s, tracks)):
            corner = (8, height + (number + 1) * LINE_PX)
            cv2.putText(canvas, text, corner, FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)
        return canvas

    def _note(self, step: ReplayStep) -> None:
        if step.signals is not None:
            self._signals = step.signals
        for one in step.transitions:
            if one.phase is Phase.ENDED:
                self._open.pop(one.incident.id, None)
            else:
                self._open[one.incident.id] = one.incident

    def _draw_signals(self, image: Image, at_s: float) -> None:
        height, width = image.shape[:2]
        if self._signals.motion is not None:
            mask = self._signals.motion.mask.astype(np.uint8)
            moving = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
            outlines, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            cv2.drawContours(image, outlines, -1, MOVING, 1)
        for change in self._signals.static_changes:
            text = f"{change.kind.value} {at_s - change.since_s:.0f} s"
            _draw_box(image, change.box, CHANGE)
            # Below, as the track of the same object says its class above.
            _write(image, text, (change.box.x1 * width, change.box.y2 * height + LINE_PX), CHANGE)

    def _draw_masks(self, image: Image) -> None:
        height, width = image.shape[:2]
        for name, polygon in self._masks:
            path: _Points = (np.array(polygon) * (width, height)).round().astype(np.int32)
            covered = np.zeros((height, width), np.uint8)
            cv2.fillPoly(covered, [path], 1)
            image[covered > 0] //= 2
            cv2.polylines(image, [path], isClosed=True, color=MASK)
            (x, y), text = polygon[0], f"mask {name}"
            _write(image, text, (x * width, y * height), MASK)

    def _draw_places(self, image: Image) -> None:
        height, width = image.shape[:2]
        alarmed = {incident.zone for incident in self._open.values()}
        for name, points in self._places.items():
            if {*points} == WHOLE_IMAGE:
                continue
            corners = np.array(points) * (width, height)
            path: _Points = corners.round().astype(np.int32)
            colour = ALARM if name in alarmed else PLACE
            is_zone = len(points) > len(("start", "end"))
            cv2.polylines(image, [path], is_zone, colour, 1 + (name in alarmed))
            _write(image, name, (points[0][0] * width, points[0][1] * height), colour)

    def _panel(self, at_s: float, tracks: Sequence[Track]) -> list[tuple[str, RgbTriple]]:
        counts = Counter(track.label for track in tracks)
        seen = ", ".join(f"{number} {label}" for label, number in sorted(counts.items()))
        lines = [(f"{_clock(at_s)}   {seen or 'no object'}", TEXT), self._view_line()]
        for incident in [*self._open.values()][:INCIDENT_LINES]:
            since = _clock((incident.opened_at - RECORDING_BEGIN).total_seconds())
            text = f"{incident.kind}  {incident.severity.value}  in {incident.zone}  since {since}"
            lines.append((text, ALARM))
        more = len(self._open) - INCIDENT_LINES
        if more > 0:
            lines[-1] = (f"{lines[-1][0]}   and {more} more", ALARM)
        return lines

    def _view_line(self) -> tuple[str, RgbTriple]:
        seen = self._signals
        if not self._wants_signals:
            return "no signals asked for", OTHER
        if seen.view is not None:
            return f"view: {seen.view.value.replace('_', ' ')} - rules are suspended", ALARM
        motion = "unknown" if seen.motion is None else f"{seen.motion.share:.1%}"
        changes = Counter(change.kind.value for change in seen.static_changes)
        stays = ", ".join(f"{number} {kind}" for kind, number in sorted(changes.items()))
        return f"view: good   motion: {motion}   static change: {stays or 'none'}", TEXT


def _draw_track(image: Image, track: Track) -> None:
    name = plain_label(track.label)
    colour = next((colour for group, colour in COLOURS if name in group), OTHER)
    rides = f" on #{track.rides}" if track.rides else ""
    text = f"#{track.id} {track.label} {track.score:.2f}{rides}"
    height, width = image.shape[:2]
    _draw_box(image, track.box, colour)
    _write(image, text, (track.box.x1 * width, track.box.y1 * height), colour)


def _draw_box(image: Image, box: Box, colour: RgbTriple) -> None:
    height, width = image.shape[:2]
    near = round(box.x1 * width), round(box.y1 * height)
    cv2.rectangle(image, near, (round(box.x2 * width), round(box.y2 * height)), colour, 1)


def _write(image: Image, text: str, corner: tuple[float, float], colour: RgbTriple) -> None:
    """Text on a dark plate above a corner in pixels, moved to where it is inside the image."""
    (width, height), _ = cv2.getTextSize(text, FONT, FONT_SCALE, 1)
    x = max(0, min(round(corner[0]), image.shape[1] - width))
    y = min(max(round(corner[1]) - 3, height + 1), image.shape[0] - 3)
    image[max(0, y - height - 2) : y + 3, x : x + width] //= 3
    cv2.putText(image, text, (x, y), FONT, FONT_SCALE, colour, 1, cv2.LINE_AA)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes)}:{rest:04.1f}"
