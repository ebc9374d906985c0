"""A camera worker without Ray, for processes that are killed.

Run as a script with a folder, a sink's URL, an incarnation, and cameras as `NAME=SOURCE`; it says
`ready` and goes on until it is killed.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from camera_adapters.spec import CameraSpec
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.plan import CameraPlan
from serving.camera_worker import CameraWorker
from serving.city_plan import DeliveryPlan, WorkerPlan


def worker_plan(
    folder: Path, sink_url: str, incarnation: int, cameras: dict[str, str]
) -> WorkerPlan:
    """A worker whose cameras are read, and nothing is wanted of their frames."""
    return WorkerPlan(
        "worker-0",
        tuple(CameraPlan(CameraSpec(name, source), ()) for name, source in cameras.items()),
        DeliveryPlan(
            keyframes=KeyframeSettings(folder=FolderSettings(folder / "keyframes")),
            sinks=(HttpSinkSettings(url=sink_url),),
            state=folder / "state",
        ),
        city="Neustadt",
        incarnation=incarnation,
        detector="in_process",
        drain_s=20.0,
    )


def main() -> None:
    folder, url, incarnation, *cameras = sys.argv[1:]
    pairs = dict(camera.split("=", 1) for camera in cameras)
    CameraWorker(worker_plan(Path(folder), url, int(incarnation), pairs))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
