"""A replay as lines of JSON, and its incidents in words: what each frame gave, in order.

The same replay gives the same bytes: no date, no path and no speed is in them. Every line says its
`type`; times are seconds of the recording, boxes x1 y1 x2 y2 in shares of the image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from numbers import Real
from typing import Any, Final

from camera_adapters import RECORDING_BEGIN
from models.detections import Box
from pipelines.incident import Incident, Measurement, Peak, Subject, Transition
from pipelines.plan import CameraPlan, ModelRef
from pipelines.replay.replay import ReplayStep, RuleStep
from pipelines.signals.signal import Signals
from pipelines.track import Track

SECONDS_DIGITS: Final = 3
SCORE_DIGITS: Final = 4
BOX_DIGITS: Final = 5
VALUE_DIGITS: Final = 6
NOT_OF_A_PERIOD: Final = frozenset({"camera", "begins_at", "ends_at"})
"""What of a measurement is said in another way."""


def heading(plan: CameraPlan, recording: str, duration_s: float) -> str:
    """The first line: what is replayed, as which camera, by which models and rules."""
    tasks = {
        task.task: {
            "model": task.model.key,
            "thresholds": {
                "default": task.model.threshold,
                "classes": dict(task.model.class_thresholds),
            },
            "fps": task.fps,
            "rules": sorted(rule.kind for rule in task.rules),
        }
        for task in plan.tasks
    }
    facts = {"recording": recording, "seconds": _seconds(duration_s), "camera": plan.camera.id}
    return fact_line("replay", {**facts, "tasks": tasks, "signals": sorted(plan.signals)})


def step_lines(step: ReplayStep) -> Iterator[str]:
    """The lines of one step: its tracks, its signals where they are new, and what rules found."""
    at = {"at_s": _seconds(step.at_s)}
    if step.frame is not None:
        models = sorted(step.tracks, key=lambda model: (model.key, step.tasks[model]))
        tracks = [
            _track(track, model, step.tasks[model])
            for model in models
            for track in sorted(step.tracks[model])
        ]
        frame = {"index": step.frame.index, "tasks": sorted(step.frame.tasks)}
        yield fact_line("frame", {**at, **frame, "tracks": tracks})
    if step.signals is not None:
        yield fact_line("signals", {**at, **_signals(step.signals)})
    for one in step.found:
        # As in a city, what could not be measured is left out.
        if not isinstance(one.found, Measurement) or math.isfinite(one.found.value):
            yield _found(one, at)


def closing(totals: Mapping[str, object]) -> str:
    """The last line: how much there was, and how much of it could not be read."""
    return fact_line("end", totals)


def incident_words(transition: Transition) -> str:
    """A change of an incident for people, without its time."""
    incident = transition.incident
    words = f"{transition.phase}  {incident.kind}  {incident.severity} in {incident.zone}"
    if incident.end_reason is None:
        return words
    return f"{words}  since {_date(incident.opened_at):.1f} s: {incident.end_reason}"


def fact_line(kind: str, facts: Mapping[str, object]) -> str:
    """One line of a `type`, of what JSON can hold."""
    return json.dumps({"type": kind, **facts}, ensure_ascii=False, allow_nan=False)


def _track(track: Track, model: ModelRef, tasks: Sequence[str]) -> dict[str, Any]:
    return {
        "id": track.id,
        "model": model.key,
        "tasks": tasks,
        "label": track.label,
        "score": round(float(track.score), SCORE_DIGITS),
        "box": _box(track.box),
        "first_seen_s": _seconds(track.first_seen_s),
        **({"rides": track.rides} if track.rides else {}),
    }


def _signals(seen: Signals) -> dict[str, Any]:
    return {
        "view": seen.view and seen.view.value,
        "motion": None if seen.motion is None else round(float(seen.motion.share), SCORE_DIGITS),
        "static_changes": [
            {
                "id": change.id,
                "kind": change.kind.value,
                "box": _box(change.box),
                "since_s": _seconds(change.since_s),
                "seen_s": _seconds(change.seen_s),
                **({"settled": True} if change.settled else {}),
            }
            for change in seen.static_changes
        ],
    }


def _found(one: RuleStep, at: Mapping[str, object]) -> str:
    found, source = one.found, {"model": one.model, "rule": one.rule}
    if isinstance(found, Transition):
        return fact_line(
            "incident", {**at, "phase": found.phase, **_incident(found.incident), **source}
        )
    period = {"begins_s": _date(found.begins_at), "ends_s": _date(found.ends_at)}
    facts = {name: one for name, one in asdict(found).items() if name not in NOT_OF_A_PERIOD}
    return fact_line("measurement", {**at, **period, **_values(facts), **source})


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "group": incident.group,
        "kind": incident.kind,
        "zone": incident.zone,
        "severity": incident.severity,
        "level": incident.severity.level,
        "opened_s": _date(incident.opened_at),
        "ended_s": None if incident.ended_at is None else _date(incident.ended_at),
        "end_reason": incident.end_reason,
        "subjects": _subjects(incident.subjects),
        "detail": _values(incident.detail),
        "peak": incident.peak and _peak(incident.peak),
    }


def _peak(peak: Peak) -> dict[str, Any]:
    return {
        "at_s": _date(peak.at),
        "severity": peak.severity,
        "size": round(float(peak.size), VALUE_DIGITS),
        "subjects": _subjects(peak.subjects),
        "detail": _values(peak.detail),
    }


def _subjects(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    return [
        {
            "track": one.track,
            "label": one.label,
            "score": round(float(one.score), SCORE_DIGITS),
            "box": _box(one.box),
        }
        for one in sorted(subjects, key=lambda one: one.track)
    ]


def _values(values: Mapping[str, object]) -> dict[str, object]:
    """The same with rounded numbers, at any depth."""
    plain: dict[str, object] = {}
    for name, value in sorted(values.items()):
        if isinstance(value, Mapping):
            plain[name] = _values(value)
        elif not isinstance(value, Real):
            plain[name] = value
        elif math.isfinite(value):
            # JSON has no infinity: a value that could not be measured is left out.
            plain[name] = round(float(value), VALUE_DIGITS)
    return plain


def _box(box: Box) -> list[float]:
    return [round(float(side), BOX_DIGITS) for side in box]


def _seconds(seconds: float) -> float:
    return round(float(seconds), SECONDS_DIGITS)


def _date(at: datetime) -> float:
    return _seconds((at - RECORDING_BEGIN).total_seconds())
