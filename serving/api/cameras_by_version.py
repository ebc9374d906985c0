"""Which cameras a model version counts on, read off the workers' snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.director import WorkerState


def cameras_by_version(workers: Sequence[WorkerState]) -> Mapping[str, tuple[str, ...]]:
    """Ids of the cameras whose newest frame has the result of each `name/version`."""
    found: dict[str, list[str]] = {}
    for state in workers:
        for camera in state.snapshot.group.cameras if state.snapshot else ():
            for key in {route.model.key for route in camera.routes.values()}:
                found.setdefault(key, []).append(camera.id)
    return {key: tuple(cameras) for key, cameras in found.items()}
