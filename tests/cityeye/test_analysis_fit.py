"""A network that stretches its images finds in service what a plain stretched run of it finds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

import cityeye.cli
from camera_adapters.geometry import Size, ViewSpec
from cityeye.cli import main
from cityeye.model_evaluation import inferred_images
from model_tools.evaluation.datasets import read_dataset
from models.detector import Detector
from models.package import ModelPackage
from serving.api.image_body import fitted
from serving.served_models import model_ref
from tests.camera_adapters.readers import camera, watching
from tests.camera_adapters.recordings import write_images
from tests.model_tools.networks import rtdetr_network
from tests.models.tiny import LABELS, SIZE

SHAPES = ((256, 144), (160, 120), (90, 160), (64, 48))
"""16:9, 4:3, portrait, and smaller than the network's image."""


def smooth_image(width: int, height: int, seed: int) -> np.ndarray:
    """(H, W, 3) uint8 without detail that scalers or codecs treat in different ways."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture(autouse=True, scope="module")
def quiet_logs() -> Iterator[None]:
    """The process's logging belongs to pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cityeye.cli, "set_up_logs", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("network") / "street.onnx"
    onnx.save_model(rtdetr_network(len(LABELS), rows=True), str(path))
    return path


@pytest.fixture(scope="module")
def package(network: Path) -> ModelPackage:
    labels = network.with_name("names.txt")
    labels.write_text("\n".join(LABELS), encoding="utf-8")
    told = ("--labels", labels, "--head", "rtdetr", "--repository", network.parent / "packages")
    assert main(["models", "import", str(network), "--name", "street", *map(str, told)]) == 0
    return ModelPackage.load(network.parent / "packages" / "street" / "1")


def plain_rows(network: Path, image: np.ndarray) -> np.ndarray:
    """(Q, 6) in pixels of the image, best score first: resized, run, and scaled back."""
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    planes = cv2.resize(image, SIZE).astype(np.float32).transpose(2, 0, 1)[None] / 255
    (rows,) = session.run(None, {"images": planes})[0]
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    corners = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, 1)
    extent = [image.shape[1], image.shape[0]] * 2
    table = np.concatenate([corners * extent, rows[:, 4:]], axis=1)
    return np.asarray(table[np.argsort(-table[:, 4], kind="stable")])


def test_the_package_takes_the_image_of_the_network_and_nothing_is_resized_inside(package):
    tensor = package.manifest.input
    assert ((tensor.width, tensor.height), tensor.fit) == (SIZE, "stretch")
    assert package.manifest.source.preprocessing == "RGB, values 0 to 1"
    operators = {node.op_type for node in onnx.load_model(str(package.onnx_path)).graph.node}
    assert "Resize" not in operators
    assert "stretched" in (package.directory / "CARD.md").read_text("utf-8")


@pytest.fixture
def labelled(tmp_path: Path, network: Path) -> Path:
    """A COCO file with what the plain run finds in images of every shape."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (width, height) in enumerate(SHAPES, start=1):
        # Noise: a scaler that differs from the plain run's is noticed.
        image = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image[..., ::-1])
        images.append(
            {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
        )
        for x1, y1, x2, y2, score, label in plain_rows(network, image).tolist():
            if score > 0.3:
                box = [x1, y1, x2 - x1, y2 - y1]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": int(label),
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    }
                )
    categories = [{"id": number, "name": name} for number, name in enumerate(LABELS)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "labels.json").write_text(json.dumps(document), "utf-8")
    return tmp_path / "labels.json"


def test_an_evaluation_finds_what_the_plain_run_finds(tmp_path, package, network, labelled):
    data = read_dataset(labelled, package.labels, None, None)
    found = inferred_images(Detector(package), data.images)
    for one, (seen, _) in zip(data.images, found, strict=True):
        wanted = plain_rows(network, cv2.imread(str(one.path), cv2.IMREAD_COLOR_RGB))
        np.testing.assert_allclose(seen.boxes, wanted[:, :4], atol=0.01)
        np.testing.assert_allclose(seen.scores, wanted[:, 4], atol=1e-4)
        assert seen.class_ids.tolist() == wanted[:, 5].tolist()


def test_the_average_precision_against_the_plain_run_is_1(tmp_path, package, labelled):
    told = ("--data", labelled, "--path", package.directory.parent.parent, "--provider", "cpu")
    report = tmp_path / "report.json"
    assert main(["models", "eval", "street", *map(str, told), "--json", str(report)]) == 0
    written = json.loads(report.read_text("utf-8"))
    assert written["objects"] >= len(SHAPES)
    assert written["means"]["ap"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_a_camera_finds_what_the_plain_run_finds(tmp_path, package, network, width, height):
    images = [smooth_image(width, height, seed) for seed in (1, 2)]
    path = write_images(tmp_path / "clip.mp4", images, pix_fmt="yuv444p")
    view = model_ref(package).view
    with watching(camera(str(path), {"traffic": 100.0}), {"traffic": view}) as watched:
        frames = watched.frames_to_end()
    detector = Detector(package)
    for frame, image in zip(frames, images, strict=True):
        analysis = frame.views[view]
        (seen,) = detector.detect(analysis.image[None], threshold=0.0)
        boxes = analysis.letterbox.to_normalised(seen.boxes) * ([width, height] * 2)
        wanted = plain_rows(network, image)
        # Scores that are almost equal may change places.
        nearest = np.abs(boxes[:, None] - wanted[:, :4]).max(2).argmin(0)
        assert sorted(nearest) == list(range(len(wanted)))
        # The clip has 8 bits of YUV: up to three levels of RGB are lost on the way.
        np.testing.assert_allclose(boxes[nearest], wanted[:, :4], atol=0.4)
        np.testing.assert_allclose(seen.scores[nearest], wanted[:, 4], atol=0.01)
        assert seen.class_ids[nearest].tolist() == wanted[:, 5].tolist()


@pytest.mark.parametrize("view", [ViewSpec(Size(96, 96)), ViewSpec(Size(96, 96), "stretch")])
def test_a_large_image_is_averaged_so_that_no_detail_decides_alone(view):
    stripes = np.zeros((384, 384, 3), np.uint8)
    stripes[:, ::2] = 200
    (image,), letterbox = fitted(stripes, view)
    assert letterbox.content == view.size
    assert (image == 100).all()


@pytest.mark.slow
def test_a_graph_that_is_imported_from_a_package_keeps_its_fit(tmp_path, package):
    told = ("--name", "again", "--repository", tmp_path)
    assert main(["models", "import", str(package.onnx_path), *map(str, told)]) == 0
    again = ModelPackage.load(tmp_path / "again" / "1").manifest
    assert (again.input.fit, again.source.head) == ("stretch", "packaged")


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_a_small_image_is_enlarged_without_steps(fit):
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None], 24, axis=0)
    (image,), _ = fitted(np.repeat(ramp, 3, axis=2), ViewSpec(Size(96, 96), fit))
    steps = np.diff(image[48, :, 0].astype(int))
    assert 0 <= steps.min() <= steps.max() <= 3
