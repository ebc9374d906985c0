"""Measures costs in a process of its own: `python -m serving.capacity.trial_process`.

It reads a pickled `TrialOrder` of its parent and writes a `TrialReport` as JSON. A decoder or a
model that crashes takes nothing along, and nothing that is loaded for the trial stays.
"""

from __future__ import annotations

import math
import pickle
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from camera_adapters import (
    CameraFault,
    Size,
    VideoCodec,
    ViewSpec,
    conversion_s,
    video_cost,
    write_trial_clip,
)
from models import ModelError
from pipelines import CameraPlan
from serving.capacity.cost import VideoPrice
from serving.capacity.errors import CapacityError
from serving.capacity.path_trial import path_cost
from serving.cores import usable_cores
from serving.in_process import LoadedModel
from serving.served_models import ServedModel

SMALL: Final = Size(320, 180)
LARGE: Final = Size(1280, 720)
CONVERTED: Final = (
    Size(640, 360), LARGE, Size(1920, 1080), Size(2560, 1440), Size(3840, 2160),
)  # fmt: skip
"""Usual sizes of cameras. What a conversion costs depends on whether sizes divide each other."""

CODECS: Final = {"h264": VideoCodec.H264, "h265": VideoCodec.H265}


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """What to measure.

    Attributes:
        plans: Plans whose tasks, rules and signals are what a city runs.
        models: The versions that are to be run here.
    """

    plans: tuple[CameraPlan, ...] = field(repr=False)
    models: tuple[ServedModel, ...]


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What was measured; see `CostModel`. With a `fault` nothing was."""

    fault: str = ""
    video: Mapping[str, VideoPrice] = field(default_factory=dict)
    reading_s: float = 0.0
    conversions: Mapping[str, float] = field(default_factory=dict)
    frame_s: float = 0.0
    camera_cores: float = 0.0
    inference_s: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.0


REPORT: Final = TypeAdapter(TrialReport)


def measured(order: TrialOrder) -> TrialReport:
    """Measures; takes a few seconds."""
    try:
        with tempfile.TemporaryDirectory(prefix="cityeye-trial-") as folder:
            return _measured(order, Path(folder))
    except (CapacityError, CameraFault, ModelError, OSError) as error:
        return TrialReport(fault=str(error))


def _measured(order: TrialOrder, folder: Path) -> TrialReport:
    cores = math.ceil(usable_cores())
    video = {}
    for name, codec in CODECS.items():
        small, large, noisy = (
            write_trial_clip(codec, size, folder / f"{name}-{number}.mp4", noisy=number == 2)  # noqa: PLR2004
            for number, size in enumerate((SMALL, LARGE, LARGE))
        )
        costs = [video_cost(clip, cores) for clip in (small, large, noisy)]
        video[name] = VideoPrice.through(*costs)
        if codec is VideoCodec.H264:
            shown, shown_cost = large, costs[1]
    view = _view(order.plans)
    conversions = {str(size): conversion_s(size, view, cores) for size in CONVERTED}
    models = {one.ref.key: LoadedModel(one.args, alone=False) for one in order.models}
    path = path_cost(order.plans, models, shown, folder, cores)
    return TrialReport(
        video=video,
        reading_s=max(0.0, path.reading_s - shown_cost.decode_s),
        conversions=conversions,
        frame_s=max(0.0, path.frame_s - conversions[str(LARGE)]),
        camera_cores=path.camera_cores,
        inference_s=path.inference_s,
        spread=path.spread,
    )


def _view(plans: tuple[CameraPlan, ...]) -> ViewSpec:
    """The largest analysis image that any task needs."""
    views = (task.model.view for plan in plans for task in plan.tasks)
    return max(views, key=lambda one: one.size.width * one.size.height)


if __name__ == "__main__":
    report = measured(pickle.loads(sys.stdin.buffer.read()))  # noqa: S301 - of our own parent
    sys.stdout.buffer.write(REPORT.dump_json(report))
