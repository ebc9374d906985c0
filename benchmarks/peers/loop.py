"""The loop that people write by hand: two threads per camera and one shared ONNX session.

One thread reads the camera with OpenCV and keeps the newest frame. Another one takes it at the
wanted rate, letterboxes it and runs it, in the same process, with one thread per run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.street_log import result_log
from benchmarks.street_spec import ContestantSpec, each_camera, given_spec, wait_for_end
from camera_adapters import PADDING_VALUE, Image, Letterbox, Size
from models import Detector, ModelPackage
from simulation import read_stamp


class NewestFrame:
    """Reads a camera on a thread of its own and keeps its newest frame, (H, W, 3) BGR."""

    def __init__(self, url: str) -> None:
        """Starts to read."""
        self._url = url
        self._change = threading.Condition()
        self._frame: Image | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def take(self) -> Image:
        """The newest frame that was not taken yet; waits for one where there is none."""
        with self._change:
            self._change.wait_for(lambda: self._frame is not None)
            frame, self._frame = self._frame, None
        assert frame is not None  # noqa: S101 - waited for above
        return frame

    def _read(self) -> None:
        while True:
            # One decoder thread: more of them would delay every frame by a frame each.
            capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            while capture.isOpened():
                there, frame = capture.read()
                if not there:
                    break
                with self._change:
                    self._frame = np.asarray(frame, np.uint8)
                    self._change.notify()
            capture.release()
            time.sleep(1.0)


class Letterboxer:
    """Brings frames to a model's input: (1, H, W, 3) uint8 RGB, with bars; for one thread."""

    def __init__(self, package: ModelPackage) -> None:
        """Takes the size from the package."""
        wanted = package.manifest.input
        self._size = Size(wanted.width, wanted.height)
        self._batch = np.full((1, wanted.height, wanted.width, 3), PADDING_VALUE, np.uint8)

    def fill(self, frame: Image) -> tuple[Image, Letterbox]:
        """The batch of a frame, in memory that the next one takes, and where the frame lies."""
        box = Letterbox.fit(Size(frame.shape[1], frame.shape[0]), self._size)
        size = box.content
        scaled = cv2.resize(frame, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        rows, columns = (
            slice(box.top, box.top + size.height),
            slice(box.left, box.left + size.width),
        )
        cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB, dst=self._batch[0, rows, columns])
        return self._batch, box


def infer_cameras(
    spec: ContestantSpec, package: ModelPackage, infer: Callable[[Image], object]
) -> None:
    """Takes each camera's newest frame at the wanted rate, infers it and notes when that was done.

    Args:
        spec: What is asked.
        package: The model.
        infer: Runs a batch of one, (1, H, W, 3); called from a thread per camera.
    """
    log = result_log(spec.results)

    def work(camera: int, url: str) -> None:
        newest, letterboxer = NewestFrame(url), Letterboxer(package)
        due_s = time.monotonic()
        while True:
            batch, letterbox = letterboxer.fill(newest.take())
            infer(batch)
            there_s = time.monotonic()
            log.note(camera, read_stamp(batch[0], letterbox), there_s)
            due_s = max(due_s + 1 / spec.fps, there_s)
            time.sleep(due_s - there_s)

    each_camera(spec, work)


def run(spec: ContestantSpec) -> None:
    """Infers every camera until standard input ends."""
    cv2.setNumThreads(1)
    package = ModelPackage.load(Path(spec.package))
    infer_cameras(spec, package, Detector(package, threads=1, provider="auto").detect)
    wait_for_end()


if __name__ == "__main__":
    run(given_spec())
