"""`python -m tests.benchmarks.recorded_group CLIP FOLDER`: a camera group that is profiled.

One camera plays a recording, an in-process detector infers, and each mode is recorded until it has
seen enough; there is no Ray. A process of its own, because the recorder changes classes of the
product.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from benchmarks.profiling import record_profile
from benchmarks.profiling.recorder import LINES_FILE, MODE_FILE, MODES, ProfileLine, ProfileMode
from camera_adapters import CameraSpec
from models import BUILTIN_ROOT, ModelRepository
from pipelines import CameraGroup, CameraPlan, EvidenceRecorder, TaskPlan
from pipelines.delivery import Outbox, Spool
from pipelines.rules import RulePlan, Zone
from serving import InProcessDetector, served_model

FPS = 10.0
LINES, FRAMES = 2, 10
"""What each mode is to see; a busy machine takes longer for it."""

WAIT_S = 60.0
WHOLE = Zone("image", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


def main(clip: Path, folder: Path) -> None:
    state = folder / "state"
    worker = state / "worker-0"
    worker.mkdir(parents=True)
    (state / MODE_FILE).write_text("off")
    record_profile(lambda _: None, worker / "worker.log")
    served = served_model(ModelRepository(BUILTIN_ROOT).find("traffic"))
    detector = InProcessDetector({served.ref.key: served})
    detector.verify(served.ref)
    outbox = Outbox(folder / "outbox.db")
    recorder = EvidenceRecorder(outbox, Spool(folder / "spool"), "test")
    source = f"{clip.absolute().as_uri()}?loop=1&realtime=1"
    camera = CameraSpec("street", source, rates={"traffic": FPS})
    task = TaskPlan("traffic", served.ref, FPS, (RulePlan("traffic.congestion", (WHOLE,), {}),))
    group = CameraGroup(
        [CameraPlan(camera, (task,))], detector, recorder, "test", folder / "comparisons"
    )
    loop = threading.Thread(target=group.run, name="camera-group")
    loop.start()
    for mode in MODES:
        (state / MODE_FILE).write_text(mode)
        wait_for(mode, worker / LINES_FILE)
    group.stop()
    loop.join()
    outbox.close()
    detector.close()


def wait_for(mode: ProfileMode, lines: Path) -> None:
    """Waits until enough was seen in a mode."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        own = [line for line in read_lines(lines) if line.mode == mode]
        if len(own) >= LINES and sum(line.inferred for line in own) >= FRAMES:
            return
        time.sleep(0.05)


def read_lines(file: Path) -> list[ProfileLine]:
    """All whole lines so far."""
    text = file.read_text(encoding="utf-8")
    return [ProfileLine.model_validate_json(line) for line in text.split("\n")[:-1]]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
