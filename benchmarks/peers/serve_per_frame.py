"""Ray Serve called frame by frame, as tutorials do: a deployment, and a thread per camera."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
from ray import serve

from benchmarks.machine import whole_cores
from benchmarks.peers.loop import Letterboxer, NewestFrame
from benchmarks.peers.spec import PeerSpec, each_camera, given_spec, wait_for_end
from benchmarks.street_log import result_log
from camera_adapters import Image
from models import Detector, ModelPackage
from serving import ClusterSettings, cluster
from simulation import read_stamp


class PerFrameDetector:
    """The deployment: a model in each replica, one thread per inference."""

    def __init__(self, package: str) -> None:
        """Loads the model."""
        self._detector = Detector(ModelPackage.load(Path(package)), threads=1, provider="auto")

    def __call__(self, frame: Image) -> np.ndarray:
        """Rows (M, 6) of one frame (1, H, W, 3), see `Detector.run`."""
        rows: np.ndarray = self._detector.run(frame)[0]
        return rows


def run(spec: PeerSpec) -> None:
    """Infers every camera until standard input ends."""
    cv2.setNumThreads(1)
    package = ModelPackage.load(Path(spec.package))
    log = result_log(spec.results)
    with cluster(ClusterSettings(api_port=spec.api_port)):
        # A replica per core, as each run takes one; as many calls may wait as there are cameras.
        deployment = serve.deployment(
            num_replicas=whole_cores(), max_ongoing_requests=max(5, len(spec.cameras))
        )(PerFrameDetector)
        handle = serve.run(deployment.bind(spec.package), route_prefix=None)

        def infer(camera: int, url: str) -> None:
            newest, letterboxer = NewestFrame(url), Letterboxer(package)
            due_s = time.monotonic()
            while True:
                batch, letterbox = letterboxer.fill(newest.take())
                handle.remote(batch).result()
                there_s = time.monotonic()
                log.note(camera, read_stamp(batch[0], letterbox), there_s)
                due_s = max(due_s + 1 / spec.fps, there_s)
                time.sleep(due_s - there_s)

        each_camera(spec, infer)
        wait_for_end()


if __name__ == "__main__":
    run(given_spec())
