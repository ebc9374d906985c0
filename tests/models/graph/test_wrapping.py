"""Every wrapped graph against an independent numpy computation of the same thing."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto

from models.errors import GraphError
from models.graph.heads import STRIDES, HeadTask
from models.graph.preprocessing import Preprocessing
from models.graph.selection import Selection
from models.graph.wrapping import wrap
from tests.models.tiny import (
    LABELS,
    QUERIES,
    SIZE,
    Patches,
    cityeye_network,
    detr_network,
    random_pictures,
    yolox_network,
)

ALL = tuple(range(len(LABELS)))
SELECTION = Selection(rows=30, least_score=0.3, overlap=0.5)


def session_of(model: ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(model: ModelProto, pictures: np.ndarray) -> np.ndarray:
    rows: np.ndarray = session_of(model).run(["detections"], {"pictures": pictures})[0]
    return rows


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def cell_grid() -> list[tuple[int, int, int]]:
    return [
        (column, row, stride)
        for stride in STRIDES
        for row in range(SIZE[1] // stride)
        for column in range(SIZE[0] // stride)
    ]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return float(common / union)


def reference_rows(boxes: np.ndarray, scores: np.ndarray, wanted: Selection) -> np.ndarray:
    """boxes (A, 4), scores (A, C) → rows (M, 6), in the plainest possible way."""
    boxes = np.clip(boxes, 0, [SIZE[0], SIZE[1], SIZE[0], SIZE[1]])
    rows = []
    for label in range(scores.shape[1]):
        kept: list[int] = []
        for index in np.argsort(-scores[:, label]):
            if scores[index, label] <= wanted.least_score:
                break
            if all(iou(boxes[index], boxes[other]) <= wanted.overlap for other in kept):
                kept.append(index)
        rows += [(*boxes[index], scores[index, label], label) for index in kept]
    rows.sort(key=lambda row: -row[4])
    padded = np.zeros((wanted.rows, 6), np.float32)
    for index, row in enumerate(rows[: wanted.rows]):
        padded[index] = row
    return padded


def cityeye_reference(patches: Patches, planes: np.ndarray, kept=ALL) -> np.ndarray:
    result = []
    for raw in patches.predict(planes):
        boxes = [
            (
                (column + 0.5 - left) * stride,
                (row + 0.5 - top) * stride,
                (column + 0.5 + right) * stride,
                (row + 0.5 + bottom) * stride,
            )
            for (column, row, stride), (left, top, right, bottom) in zip(
                cell_grid(), raw[:, :4], strict=True
            )
        ]
        result.append(
            reference_rows(np.array(boxes), sigmoid(raw[:, 4:])[:, list(kept)], SELECTION)
        )
    return np.stack(result)


def positive_distances(patches: Patches) -> Patches:
    """Keeps boxes from turning inside out, which no trained network lets happen."""
    for stride in STRIDES:
        patches.weights[stride][:4] *= 0.05
        patches.biases[stride][:4] = np.abs(patches.biases[stride][:4]) + 0.5
    return patches


@pytest.mark.parametrize("count", [1, 3])
def test_built_in_head_equals_numpy(count):
    patches = positive_distances(Patches(7, seed=5, gain=1.5, score_bias=-1.5))
    wanted_task = HeadTask(SIZE, 3, ALL, SELECTION)
    pictures = random_pictures(count)
    found = run(wrap(cityeye_network(patches, 3), "cityeye", wanted_task).model, pictures)
    planes = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255
    wanted = cityeye_reference(patches, planes)
    assert (wanted[:, :, 4] > 0).sum() > 3 * count
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_kept_classes_are_renumbered_in_the_order_of_the_labels():
    patches = positive_distances(Patches(7, seed=6, gain=1.5, score_bias=-1.5))
    wanted_task = HeadTask(SIZE, 3, (2, 0), SELECTION)
    pictures = random_pictures(2)
    found = run(wrap(cityeye_network(patches, 3), "cityeye", wanted_task).model, pictures)
    planes = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.testing.assert_allclose(found, cityeye_reference(patches, planes, (2, 0)), atol=2e-3)


def test_mean_deviation_and_colour_order_reach_the_network():
    patches = positive_distances(Patches(7, seed=7, gain=1.0, score_bias=-1.5))
    expected = Preprocessing("bgr", 1 / 255, mean=(0.1, 0.4, 0.6), deviation=(0.2, 0.3, 0.4))
    wanted_task = HeadTask(SIZE, 3, ALL, SELECTION)
    pictures = random_pictures(2, seed=8)
    found = run(wrap(cityeye_network(patches, 3), "cityeye", wanted_task, expected).model, pictures)
    bgr = pictures[..., ::-1].astype(np.float32) / 255
    normal = (bgr - np.array(expected.mean)) / np.array(expected.deviation)
    wanted = cityeye_reference(patches, normal.transpose(0, 3, 1, 2).astype(np.float32))
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def yolox_reference(patches: Patches, planes: np.ndarray) -> np.ndarray:
    result = []
    for raw in patches.predict(planes):
        boxes = []
        for (column, row, stride), (dx, dy, dw, dh) in zip(cell_grid(), raw[:, :4], strict=True):
            x, y = (column + dx) * stride, (row + dy) * stride
            width, height = np.exp(dw) * stride, np.exp(dh) * stride
            boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        scores = sigmoid(raw[:, 4:5]) * sigmoid(raw[:, 5:])
        result.append(reference_rows(np.array(boxes), scores, SELECTION))
    return np.stack(result)


@pytest.mark.parametrize(("count", "batch"), [(1, 1), (3, "N")])
def test_yolox_head_equals_numpy(count, batch):
    patches = Patches(8, seed=9, gain=0.008, score_bias=0.3)
    wrapped = wrap(yolox_network(patches, 3, batch), "yolox", HeadTask(SIZE, 3, ALL, SELECTION))
    assert wrapped.dynamic_batch == (batch == "N")
    pictures = random_pictures(count)
    planes = pictures[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    wanted = yolox_reference(patches, np.ascontiguousarray(planes))
    assert (wanted[:, :, 4] > 0).sum() > 3 * count
    np.testing.assert_allclose(run(wrapped.model, pictures), wanted, atol=2e-3)


def test_detr_head_equals_numpy_on_a_stretched_picture():
    network_size = (48, 48)
    network = detr_network(network_size, classes=4)
    wanted_task = HeadTask(SIZE, 4, (3, 1, 0), Selection(rows=QUERIES - 2, least_score=0.2))
    pictures = random_pictures(3)
    found = run(wrap(network, "detr", wanted_task).model, pictures)
    stretched = [cv2.resize(one.astype(np.float32), network_size) / 255 for one in pictures]
    planes = np.stack(stretched).transpose(0, 3, 1, 2)
    labels, boxes, scores = session_of(network).run(
        ["labels", "boxes", "scores"],
        {"images": planes, "orig_target_sizes": np.array([SIZE] * 3, np.int64)},
    )
    for rows, label, box, score in zip(found, labels, boxes, scores, strict=True):
        wanted = [
            (*box[query], score[query], {3: 0, 1: 1, 0: 2}[label[query]])
            for query in np.argsort(-score)
            if label[query] != 2 and score[query] > 0.2
        ]
        padded = np.zeros_like(rows)
        padded[: len(wanted)] = np.array(wanted).reshape(-1, 6)[: len(rows)]
        np.testing.assert_allclose(rows, padded, atol=2e-2)


def test_a_picture_without_detections_gives_zero_rows_beside_one_with_some():
    patches = positive_distances(Patches(7, seed=5, gain=0.0, score_bias=0.0))
    for stride in STRIDES:
        patches.weights[stride][4:] = 20.0 / (3 * stride * stride)
        patches.biases[stride][4:] = -10.0
    model = wrap(cityeye_network(patches, 3), "cityeye", HeadTask(SIZE, 3, ALL, SELECTION)).model
    pictures = np.zeros((3, SIZE[1], SIZE[0], 3), np.uint8)
    pictures[1] = 255
    found = run(model, pictures)
    assert not found[0].any()
    assert not found[2].any()
    assert (found[1, :, 4] > 0.9).any()
    assert not run(model, pictures[:1]).any()


def test_more_rows_than_candidates_are_padded():
    patches = positive_distances(Patches(7, seed=5, gain=1.5, score_bias=-1.5))
    wanted_task = HeadTask(SIZE, 3, ALL, Selection(rows=600, candidates=8))
    found = run(wrap(cityeye_network(patches, 3), "cityeye", wanted_task).model, random_pictures(2))
    assert found.shape == (2, 600, 6)
    assert 0 < (found[..., 4] > 0).sum() <= 2 * 8 * 3


def test_an_old_export_is_converted():
    patches = Patches(7, seed=9, gain=1.0, score_bias=0.0)
    network = cityeye_network(patches, 3)
    network.opset_import[0].version = 11
    assert wrap(network, "cityeye", HeadTask(SIZE, 3, ALL, SELECTION)).opset == 13


def task(size: tuple[int, int] = SIZE, classes: int = 3, rows: int = 10) -> HeadTask:
    return HeadTask(size, classes, tuple(range(classes)), Selection(rows=rows))


YOLOX = yolox_network(Patches(8, 1, 1, 0), 3)
FIXED = cityeye_network(Patches(7, 1, 1, 0), 3, batch=2)


@pytest.mark.parametrize(
    ("network", "head", "wanted", "says"),
    [
        pytest.param(YOLOX, "yolox", task(classes=4), "9 on axis 2", id="wrong class count"),
        pytest.param(YOLOX, "yolox", task((64, 64)), "takes 96x64", id="wrong size"),
        pytest.param(YOLOX, "detr", task(), "no output boxes", id="wrong family"),
        pytest.param(
            detr_network(SIZE, 3), "detr", task(rows=50), "at least 50", id="too few queries"
        ),
        pytest.param(FIXED, "cityeye", task(), "batch is fixed to 2", id="fixed batch"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_a_reason(network, head, wanted, says):
    with pytest.raises(GraphError, match=says):
        wrap(network, head, wanted)
