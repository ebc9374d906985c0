"""States of workers as the director gives them."""

from __future__ import annotations

from collections.abc import Mapping

from camera_adapters.geometry import Size
from camera_adapters.main_stream import MainStreamStatus
from camera_adapters.reader import ReaderCounters
from camera_adapters.state import CameraState
from pipelines.camera_group import GroupSnapshot
from pipelines.delivery.relay import RelayCounters
from pipelines.delivery.sink_state import SinkState
from pipelines.group_camera import CameraSnapshot
from pipelines.load import PriorityLoad
from pipelines.metrics import InferenceMetrics, StatisticsSnapshot
from pipelines.plan import Priority
from serving.camera_worker import WorkerSnapshot
from serving.worker_state import WorkerState

MIB = 1024 * 1024
FULL = PriorityLoad(10.0, 10.0, 10.0)


def online_camera(
    camera: str,
    incidents: Mapping[str, int] | None = None,
    fault: str = "",
    main: MainStreamStatus | None = None,
) -> CameraSnapshot:
    """A camera that is online, or degraded because of a fault; with one stream without `main`."""
    return CameraSnapshot(
        id=camera,
        name=camera.title(),
        state=CameraState.DEGRADED if fault else CameraState.ONLINE,
        reason=fault,
        ended=False,
        reader=ReaderCounters(50, 50, 0, 0, 0, 0, 5.0, 0.1, None),
        statistics=StatisticsSnapshot(
            40, 0, 0, 5.0, 5.0, {"p95": 20.0}, {}, incidents or {}, {}, 0
        ),
        routes={},
        serving=frozenset(),
        main=main,
    )


def main_stream(fault: str = "", cpu_s: float = 0.0) -> MainStreamStatus:
    """The main stream of a camera, of which 3 keyframes were taken and 1 of the smaller one."""
    return MainStreamStatus(fault, "", Size(1920, 1080), 5_000_000, 2, 3, 1, cpu_s)


def worker_state(
    *cameras: str,
    silent_s: float = 0.5,
    answered: bool = True,
    alive: bool = True,
    problem: str = "",
    restarts: int = 0,
    fault: str = "",
    loads: Mapping[Priority, PriorityLoad] | None = None,
    incidents: Mapping[str, Mapping[str, int]] | None = None,
    incarnation: int = 3,
    memory_mib: int = 300,
    degraded: Mapping[str, str] | None = None,
    sinks: tuple[SinkState, ...] = (),
) -> WorkerState:
    """`worker-0` with cameras that are online, as far as it has answered."""
    counts, faults = incidents or {}, degraded or {}
    group = GroupSnapshot(
        tuple(online_camera(one, counts.get(one), faults.get(one, "")) for one in cameras),
        0.1,
        {"traffic/1": fault} if fault else {},
        {"normal": FULL} if loads is None else loads,
    )
    relay = RelayCounters(7, 0, 0, 1, 2, 0, 0, 0, 0, sinks)
    models = {"traffic/1": InferenceMetrics()}
    snapshot = WorkerSnapshot("worker-0", group, relay, models, True, "", memory_mib * MIB)
    return WorkerState(
        "worker-0",
        snapshot if answered else None,
        restarts=restarts,
        alive=alive,
        camera_ids=cameras,
        silent_s=silent_s,
        incarnation=incarnation,
        problem=problem,
    )
