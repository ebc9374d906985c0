"""A camera's pipeline to be killed: a script of counts per second becomes incidents and keyframes.

Run as a script with a folder, a task, the second to begin at, and steps such as `3@12`: three
objects until second 12, or `3+5@12`, from the fifth place on. It recovers, analyses frames at 5
per second of its own clock, and says `done` when the counts are over; then it waits to be killed.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import pipelines.rules
from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.spool import Spool
from pipelines.evidence import EvidenceRecorder
from pipelines.incident import EndReason, Severity
from pipelines.left_open import resumption_s
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.rules.rule import RuleParameters, RuleResult, RuleType
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.situation import Reading, Situation
from pipelines.rules.zone import Zone
from pipelines.shadow.comparison import CameraShadow
from tests.pipelines.frames import SIZE, make_frame
from tests.pipelines.synthetic import WHOLE, moment

MODEL = ModelRef("street", "1", SIZE, ("person", "car", "bag"), 0.4)
CLASSES = {"crowding": 0, "traffic": 1, "littering": 2}
FPS = 5.0
BRIGHTNESS = 10
"""Of the image, for each object in it."""


class Counting:
    """An incident while there are two objects or more; as great as they are many."""

    def __init__(self, shape: Any, identity: Any, parameters: RuleParameters) -> None:
        self._situation = Situation(identity, parameters)

    def observe(self, tracks, at, signals) -> RuleResult:
        count = float(len(tracks))
        severity = Severity.HIGH if count >= 6 else Severity.LOW
        reading = Reading(count >= 2, severity, tracks, {"objects": count}, size=count)
        return RuleResult(self._situation.observe(reading, at))

    def close(self, reason: EndReason, at) -> RuleResult:
        return RuleResult(self._situation.close(reason, at))

    def explain(self, at):
        return ()


def counting(task: str) -> RuleType[Any]:
    return RuleType(
        kind=f"{task}.counting",
        version="1",
        task=task,
        Parameters=RuleParameters,
        zone=Counting,
        by_spot=task == "littering",
    )


class KilledPipeline:
    """A worker's way from detections to the outbox, on a clock of its own."""

    def __init__(self, folder: Path, task: str, start_s: float) -> None:
        self.now_s = start_s
        rule = RulePlan(
            f"{task}.counting", (Zone("square", WHOLE),), {"update_every_s": 600, "cooldown_s": 60}
        )
        plan = CameraPlan(
            CameraSpec("gate", "rtsp://gate/live"), (TaskPlan(task, MODEL, FPS, (rule,)),)
        )
        self.task, self.routes = task, CameraRoutes(plan.routes)
        self.outbox = Outbox(folder / "outbox.db")
        self.recorder = EvidenceRecorder(
            self.outbox,
            Spool(folder / "spool"),
            "Neustadt",
            lambda: moment(self.now_s).utc,
            monotonic=lambda: self.now_s,
            resumption_s=lambda: {"gate": resumption_s(plan)},
        )
        self.recorder.recover({"gate"})
        shadow = CameraShadow(plan, self.routes, f"from {start_s}", folder)
        self.pipeline = CameraPipeline(
            plan,
            self.routes,
            self.recorder,
            shadow,
            f"from {start_s}",
            ended=lambda: self.recorder.ended_before("gate"),
        )
        self._indices = itertools.count()

    def see(self, count: int, until_s: float, first: int = 0) -> None:
        """Analyses frames that show so many objects side by side, from the first place on."""
        places = range(first, first + count)
        rows = [[2 + 7 * n, 10, 7 + 7 * n, 30, 0.9, CLASSES[self.task]] for n in places]
        found = Detections.from_rows(np.array(rows, np.float32).reshape(-1, 6))
        while self.now_s < until_s:
            self.now_s += 1 / FPS
            at = moment(self.now_s)
            frame = make_frame(
                tasks=(self.task,),
                index=next(self._indices),
                at_s=at.mono_s,
                value=BRIGHTNESS * count,
                captured_at=at.utc,
            )
            self.pipeline.process_frame(frame, self.routes.newest, {MODEL: found}, at.mono_s)
            self.recorder.end_left_open({"gate"})


def main() -> None:
    folder, task, start_s, *script = sys.argv[1:]
    registered = {f"{name}.counting": counting(name) for name in CLASSES}
    pipelines.rules.RULES = MappingProxyType({**pipelines.rules.RULES, **registered})  # type: ignore[misc]
    worker = KilledPipeline(Path(folder), task, float(start_s))
    for step in script:
        said, _, until_s = step.partition("@")
        count, _, first = said.partition("+")
        worker.see(int(count), float(until_s), int(first or 0))
    sys.stdout.write("done\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main()
