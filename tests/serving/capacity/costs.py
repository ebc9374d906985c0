"""Costs made up for tests: a camera at 5 inferences per second needs 0.1 cores."""

from __future__ import annotations

from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec
from pipelines.plan import CameraPlan, ModelRef, Priority, TaskPlan
from serving.capacity.cost import CostModel, ModelCost, VideoPrice

TRAFFIC = ModelRef("traffic", "1", Size(640, 384), ("car",), 0.4)

COSTS = CostModel(
    machine="Abacus 3000, 2 cores",
    cores=2.0,
    video={"h264": VideoPrice(0.0001, 0.0004, 0.001), "h265": VideoPrice(0.0002, 0.0008, 0.001)},
    reading_s=0.0001,
    conversions={"640x360": 0.0001, "1280x720": 0.0002, "1920x1080": 0.001},
    frame_s=0.001,
    camera_cores=0.001,
    models={"traffic/1": ModelCost(0.006)},
    spread=0.03,
)


def plan(
    name: str, fps: float = 5.0, priority: Priority = "normal", model: ModelRef = TRAFFIC
) -> CameraPlan:
    camera = CameraSpec(name, "rtsp://10.0.0.1/", rates={"traffic": fps})
    return CameraPlan(camera, (TaskPlan("traffic", model, fps, (), priority=priority),))
