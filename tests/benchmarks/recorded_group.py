"""`python -m tests.benchmarks.recorded_group CLIP FOLDER`: a camera group that is profiled.

One camera plays a recording, an in-process detector infers, and each mode is recorded for a while;
there is no Ray. A process of its own, because the recorder changes classes of the product.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from benchmarks.profiling import record_profile
from benchmarks.profiling.recorder import MODE_FILE, MODES
from camera_adapters import CameraSpec
from models import BUILTIN_ROOT, ModelRepository
from pipelines import CameraGroup, CameraPlan, EvidenceRecorder, TaskPlan
from pipelines.delivery import Outbox, Spool
from pipelines.rules import RulePlan, Zone
from serving import InProcessDetector, served_model

FPS = 10.0
MODE_S = 2.6
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
        time.sleep(MODE_S)
    group.stop()
    loop.join()
    outbox.close()
    detector.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
