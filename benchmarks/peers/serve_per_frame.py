"""Ray Serve called frame by frame, as tutorials do: a deployment, and a thread per camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from ray import serve

from benchmarks.machine import whole_cores
from benchmarks.peers.loop import infer_cameras
from benchmarks.street_spec import ContestantSpec, given_spec, wait_for_end
from camera_adapters import Image
from models import Detector, ModelPackage
from serving import ClusterSettings, cluster


class PerFrameDetector:
    """The deployment: a model in each replica, one thread per inference."""

    def __init__(self, package: str) -> None:
        """Loads the model."""
        self._detector = Detector(ModelPackage.load(Path(package)), threads=1, provider="auto")

    def __call__(self, frame: Image) -> npt.NDArray[np.float32]:
        """Rows (M, 6) of one frame (1, H, W, 3), see `Detector.run`."""
        rows: npt.NDArray[np.float32] = self._detector.run(frame)[0]
        return rows


def run(spec: ContestantSpec) -> None:
    """Infers every camera until standard input ends."""
    cv2.setNumThreads(1)
    package = ModelPackage.load(Path(spec.package))
    with cluster(ClusterSettings(api_port=spec.api_port)):
        # A replica per core, as each run takes one; as many calls may wait as there are cameras.
        deployment = serve.deployment(
            num_replicas=whole_cores(), max_ongoing_requests=max(5, len(spec.cameras))
        )(PerFrameDetector)
        handle = serve.run(deployment.bind(spec.package), route_prefix=None)

        infer_cameras(spec, package, lambda batch: handle.remote(batch).result())
        wait_for_end()


if __name__ == "__main__":
    run(given_spec())
