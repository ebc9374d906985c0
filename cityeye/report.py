"""The report of a run: what every camera got, what was found, what was delivered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.group_camera import CameraSnapshot
from serving.director import WorkerState


def report(workers: Sequence[WorkerState], kinds: Sequence[str]) -> dict[str, Any]:
    """What was measured in a run, ready for JSON.

    Args:
        workers: Every worker with its newest snapshot.
        kinds: Kinds of incidents that rules can open; those not found are reported as 0.

    Returns:
        `cameras` by id (`frame_age_ms` is arrival of a frame to its result), `incidents` opened
        by kind, `events_delivered` to all sinks and `keyframes_stored`.
    """
    cameras = cameras_of(workers)
    incidents: Counter[str] = Counter(dict.fromkeys(kinds, 0))
    for camera in cameras:
        incidents.update(camera.statistics.incidents)
    relays = [state.snapshot.relay for state in workers if state.snapshot]
    return {
        "cameras": {camera.id: _camera(camera) for camera in cameras},
        "incidents": dict(sorted(incidents.items())),
        "events_delivered": sum(relay.events_delivered for relay in relays),
        "keyframes_stored": sum(relay.keyframes_stored for relay in relays),
    }


def cameras_of(workers: Sequence[WorkerState]) -> list[CameraSnapshot]:
    """The newest snapshots of all cameras that any worker has reported."""
    return [
        camera for state in workers if state.snapshot for camera in state.snapshot.group.cameras
    ]


def write_report(content: Mapping[str, Any], path: Path) -> None:
    """Writes the report as indented JSON; creates missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _camera(camera: CameraSnapshot) -> dict[str, Any]:
    statistics = camera.statistics
    return {
        "decoded": camera.reader.decoded,
        "analysed": statistics.analysed,
        "dropped": camera.reader.dropped,
        "failed": statistics.failed,
        "requested_fps": statistics.requested_fps,
        "achieved_fps": statistics.achieved_fps,
        "frame_age_ms": dict(statistics.frame_age_ms),
        "state": camera.state.value,
        "reason": camera.reason,
        "incidents": dict(statistics.incidents),
    }
