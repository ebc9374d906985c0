"""Every wrapped graph against an independent numpy computation of the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Selection
from model_tools.heads.cityeye import STRIDES
from model_tools.heads.packaged import relabelled
from model_tools.heads.task import HeadTask, each_alone
from model_tools.heads.wrapping import wrap
from models.errors import GraphError
from tests.model_tools.heads.numpy_heads import (
    Wanted,
    expected,
    graph_agrees_with_reference,
    run,
    same_rows,
    session_of,
)
from tests.model_tools.networks import (
    decoded_yolox_network,
    end_to_end_network,
    logits_network,
    rtdetr_network,
    yolo_network,
)
from tests.models.tiny import (
    LABELS,
    QUERIES,
    SIZE,
    Patches,
    cityeye_network,
    detr_network,
    random_images,
    yolox_network,
)

ALL = each_alone(tuple(range(len(LABELS))))
SELECTION = Selection(rows=30, min_score=0.3, nms_iou=0.5)
OTHER_SIZE = (128, 64)
IMAGES = 21


def positive_distances(patches: Patches) -> Patches:
    """Keeps boxes from turning inside out, which no trained network lets happen."""
    for stride in STRIDES:
        patches.weights[stride][:4] *= 0.05
        patches.biases[stride][:4] = np.abs(patches.biases[stride][:4]) + 0.5
    return patches


CITYEYE = cityeye_network(positive_distances(Patches(7, seed=5, gain=1.5, score_bias=-1.5)), 3)
YOLOX = yolox_network(Patches(8, seed=9, gain=0.008, score_bias=0.3), 3)
NETWORKS = {
    "cityeye": (CITYEYE, "cityeye"),
    "yolo": (yolo_network(3), "yolo"),
    "yolo of half floats": (yolo_network(3, element=TensorProto.FLOAT16), "yolo"),
    "end to end": (end_to_end_network(3), "yolo-e2e"),
    "yolox": (YOLOX, "yolox"),
    "yolox decoded": (decoded_yolox_network(3), "yolox-decoded"),
    "detr": (detr_network(SIZE, 3), "detr"),
    "rtdetr": (rtdetr_network(3, rows=False), "rtdetr"),
    "rtdetr rows": (rtdetr_network(3, rows=True), "rtdetr"),
}
YOLOX_USUAL = {"bgr": True, "factor": 1.0}


def wanted_of(name: str, head: str, **more) -> Wanted:
    read_as = "rtdetr-rows" if name == "rtdetr rows" else head
    usual = YOLOX_USUAL if head.startswith("yolox") else {}
    return Wanted(read_as, SIZE, SIZE, **{"groups": ALL, **usual, **more})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_head_equals_numpy_in_any_batch(name):
    network, head = NETWORKS[name]
    wrapped = wrap(network, head, HeadTask(SIZE, 3, ALL, SELECTION))
    assert wrapped.dynamic_batch
    images = random_images(IMAGES)
    wanted = expected(network, wanted_of(name, head), images)
    same_rows(run(wrapped.model, images), wanted)
    alone = np.concatenate([run(wrapped.model, one[None]) for one in images[:3]])
    same_rows(alone, wanted[:3], least=3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_agrees_with_the_reference_of_its_module(name):
    network, head = NETWORKS[name]
    assert graph_agrees_with_reference(network, random_images(5), head=head).head.name == head


@pytest.mark.parametrize("groups", [((2, 0),), ((2,), (1, 0))])
@pytest.mark.parametrize("name", NETWORKS)
def test_kept_classes_are_merged_and_renumbered(name, groups):
    network, head = NETWORKS[name]
    images = random_images(IMAGES, seed=3)
    wrapped = wrap(network, head, HeadTask(SIZE, 3, groups, SELECTION))
    wanted = expected(network, wanted_of(name, head, groups=groups), images)
    same_rows(run(wrapped.model, images), wanted, least=10)


@pytest.mark.parametrize(
    ("fit", "centred", "letterbox"),
    [("stretch", True, ""), ("letterbox", True, "middle"), ("letterbox", False, "corner")],
)
@pytest.mark.parametrize("package", [OTHER_SIZE, (64, 64), (101, 63)])
@pytest.mark.parametrize("name", ["yolo", "yolox", "detr"])
def test_boxes_come_back_into_the_pixels_of_another_size(name, fit, centred, letterbox, package):
    network, head = NETWORKS[name]
    expected_of = Preprocessing(
        "bgr", 1 / 128, (0.1, 0.4, 0.6), (0.9, 1.1, 1.2), fit, centred, 99.0
    )
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (3, package[1], package[0], 3), np.uint8)
    task = HeadTask(package, 3, ALL, SELECTION)
    wanted = Wanted(
        head,
        SIZE,
        package,
        ALL,
        bgr=True,
        factor=1 / 128,
        mean=expected_of.mean,
        deviation=expected_of.deviation,
        letterbox=letterbox,
        padding=99.0,
    )
    found = run(wrap(network, head, task, expected_of).model, images)
    same_rows(found, expected(network, wanted, images), least=3)


def logits_reference(
    logits: np.ndarray, boxes: np.ndarray, kind: str
) -> list[tuple[np.ndarray, float, int]]:
    if kind == "softmax":
        powers = np.exp(logits)
        scores = (powers / powers.sum(1, keepdims=True))[:, :-1]
        pairs = [(query, int(row.argmax())) for query, row in enumerate(scores)]
    else:
        scores = 1 / (1 + np.exp(-logits[:, :3]))
        pairs = [(q, c) for q in range(scores.shape[0]) for c in range(scores.shape[1])]
        pairs = sorted(pairs, key=lambda pair: -scores[pair])[:QUERIES]
    found = [(boxes[query], float(scores[query, label]), label) for query, label in pairs]
    return sorted((one for one in found if one[1] > 0.3), key=lambda one: -one[1])


@pytest.mark.parametrize(
    ("nothing", "kind"), [(True, "softmax"), (True, "sigmoid"), (False, "sigmoid")]
)
def test_logits_equal_numpy(nothing, kind):
    network = logits_network(3, nothing=nothing)
    images = random_images(IMAGES, seed=6)
    planes = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    wanted = np.zeros((IMAGES, 30, 6))
    outputs = session_of(network).run(["logits", "pred_boxes"], {"images": planes})
    for table, logits, boxes in zip(wanted, *outputs, strict=True):
        for row, ((x, y, w, h), score, label) in zip(
            table, logits_reference(logits, boxes, kind), strict=False
        ):
            corners = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * (SIZE * 2)
            row[:] = (*np.clip(corners, 0, SIZE * 2), score, label)
    task = HeadTask(SIZE, 3, ALL, SELECTION, kind if nothing else None)
    same_rows(run(wrap(network, "detr-logits", task).model, images), wanted)


def test_bare_logits_with_one_column_more_than_classes_are_not_guessed():
    with pytest.raises(GraphError, match="give --scores"):
        wrap(logits_network(3, nothing=True), "detr-logits", HeadTask(SIZE, 3, ALL, SELECTION))


def test_a_package_is_kept_as_it_is_or_relabelled():
    packaged = wrap(CITYEYE, "cityeye", HeadTask(SIZE, 3, ALL, SELECTION)).model
    same = relabelled(packaged, HeadTask(SIZE, 3, ALL, Selection(rows=30, min_score=0.0)))
    assert same.model is packaged
    assert same.dynamic_batch
    images = random_images(4)
    rows = run(packaged, images)
    chosen = HeadTask(SIZE, 3, ((1,), (0,)), Selection(rows=30, min_score=0.0))
    once = relabelled(packaged, chosen).model
    twice = relabelled(once, HeadTask(SIZE, 2, ((1,),), Selection(rows=30, min_score=0.0))).model
    for before, after, last in zip(rows, run(once, images), run(twice, images), strict=True):
        kept = before[(before[:, 4] > 0) & (before[:, 5] < 2)]
        np.testing.assert_array_equal(after[: len(kept), :5], kept[:, :5])
        np.testing.assert_array_equal(after[: len(kept), 5], 1 - kept[:, 5])
        assert not after[len(kept) :].any()
        people = kept[kept[:, 5] == 0]
        np.testing.assert_array_equal(last[: len(people)], people)
        assert not last[len(people) :].any()


def test_an_image_without_detections_gives_zero_rows_beside_one_with_some():
    patches = positive_distances(Patches(7, seed=5, gain=0.0, score_bias=0.0))
    for stride in STRIDES:
        patches.weights[stride][4:] = 20.0 / (3 * stride * stride)
        patches.biases[stride][4:] = -10.0
    model = wrap(cityeye_network(patches, 3), "cityeye", HeadTask(SIZE, 3, ALL, SELECTION)).model
    images = np.zeros((3, SIZE[1], SIZE[0], 3), np.uint8)
    images[1] = 255
    found = run(model, images)
    assert not found[0].any()
    assert not found[2].any()
    assert (found[1, :, 4] > 0.9).any()
    assert not run(model, images[:1]).any()


@pytest.mark.parametrize("name", ["cityeye", "yolo", "detr"])
def test_more_rows_than_candidates_are_padded(name):
    network, head = NETWORKS[name]
    wanted_task = HeadTask(SIZE, 3, ALL, Selection(rows=600, candidates=8))
    found = run(wrap(network, head, wanted_task).model, random_images(2))
    assert found.shape == (2, 600, 6)
    assert 0 < (found[..., 4] > 0).sum() <= 2 * QUERIES * 3


def test_a_class_beyond_the_labels_is_no_detection_and_no_crash():
    network = detr_network(SIZE, classes=4)
    found = run(
        wrap(network, "detr", HeadTask(SIZE, 2, ALL[:2], SELECTION)).model, random_images(5)
    )
    assert set(np.unique(found[..., 5])) <= {0, 1}


def test_an_old_export_is_converted():
    patches = Patches(7, seed=9, gain=1.0, score_bias=0.0)
    network = cityeye_network(patches, 3)
    network.opset_import[0].version = 11
    assert wrap(network, "cityeye", HeadTask(SIZE, 3, ALL, SELECTION)).opset == 13


def test_an_export_for_a_batch_keeps_it():
    wrapped = wrap(yolo_network(3, batch=2), "yolo", HeadTask(SIZE, 3, ALL, SELECTION))
    assert wrapped.fixed_batch == 2
    images = random_images(2)
    wanted = expected(yolo_network(3, batch=2), wanted_of("yolo", "yolo"), images)
    same_rows(run(wrapped.model, images), wanted, least=2)


def test_what_is_added_is_called_after_us_and_the_rest_after_the_network():
    model = wrap(NETWORKS["detr"][0], "detr", HeadTask(SIZE, 3, ALL, SELECTION)).model
    named = {node.name.partition("/")[0] for node in model.graph.node if node.name}
    assert named == {"cityeye"}, "the tiny network's own nodes have no names"
    ours = [node for node in model.graph.node if node.name]
    assert {"Cast", "Expand", "TopK", "Where", "Identity"} <= {node.op_type for node in ours}
    assert any(node.output[0].startswith("network/") for node in ours)


def task(size: tuple[int, int] = SIZE, classes: int = 3) -> HeadTask:
    return HeadTask(size, classes, each_alone(tuple(range(classes))), Selection(rows=10))


@pytest.mark.parametrize(
    ("network", "head", "wanted", "says"),
    [
        pytest.param(YOLOX, "yolox", task(classes=4), "9 on axis 2", id="wrong class count"),
        pytest.param(YOLOX, "detr", task(), "no output boxes", id="wrong family"),
        pytest.param(YOLOX, "detr-logits", task(), "no output logits", id="no logits"),
        pytest.param(CITYEYE, "yolo-e2e", task(), "6 on axis 2", id="no table"),
        pytest.param(YOLOX, "yolo", task(), "must have 7 on axis 1", id="rows for columns"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_a_reason(network, head, wanted, says):
    with pytest.raises(GraphError, match=says):
        wrap(network, head, wanted)
