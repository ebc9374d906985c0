"""Which head a network has, and what is said where that is not clear."""

from __future__ import annotations

import pytest
from onnx import ModelProto, TensorProto, helper

from model_tools.graph.exported import Exported
from model_tools.importing.plan import plan_for
from model_tools.importing.recognition import recognised
from model_tools.importing.request import ImportRequest
from models.errors import GraphError
from tests.model_tools.networks import (
    decoded_yolox_network,
    end_to_end_network,
    logits_network,
    rtdetr_network,
    yolo_network,
)
from tests.models.tiny import (
    QUERIES,
    SIZE,
    Patches,
    cell_count,
    cityeye_network,
    detr_network,
    tiny_package,
    yolox_network,
)

import onnx  # isort: skip

YOLOX = yolox_network(Patches(8, 9, 0.008, 0.3), 3)
RTDETR = {"head": "RTDETRDecoder"}


def shaped(shape: list[str | int], operators: tuple[str, ...] = ("Relu",)) -> ModelProto:
    """A network of which only shapes and operators matter."""
    nodes = [
        helper.make_node(operator, ["images"], [f"x{index}"])
        for index, operator in enumerate(operators)
    ]
    nodes.append(helper.make_node("Identity", ["x0"], ["output"]))
    width, height = SIZE
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "shaped", [images], [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    ("network", "head"),
    [
        (yolo_network(3), "yolo"),
        (yolo_network(3, element=TensorProto.FLOAT16), "yolo"),
        (end_to_end_network(3), "yolo-e2e"),
        (YOLOX, "yolox"),
        (decoded_yolox_network(3), "yolox-decoded"),
        (detr_network(SIZE, 3), "detr"),
        (logits_network(3, nothing=True), "detr-logits"),
        (rtdetr_network(3, rows=True, metadata=RTDETR), "rtdetr"),
        (rtdetr_network(3, rows=False, metadata={"description": "Ultralytics rt-detr"}), "rtdetr"),
        (shaped([1, 300, 84], ("Softmax", "MatMul")), "rtdetr"),
        # One class: rows of six, as an end-to-end head has them.
        (yolox_network(Patches(6, 9, 0.008, 0.3), 1), "yolox"),
    ],
)
def test_a_head_is_recognised(network, head):
    assert recognised("street", Exported(network)).name == head


def test_a_packaged_graph_is_recognised(tmp_path):
    graph = onnx.load_model(str(tiny_package(tmp_path).onnx_path))
    assert recognised("street", Exported(graph)).name == "packaged"


@pytest.mark.parametrize(
    ("network", "says"),
    [
        pytest.param(
            cityeye_network(Patches(7, 1, 1, 0), 3),
            "give --head yolo .*--scores sigmoid.* or --head cityeye",
            id="logits",
        ),
        pytest.param(
            shaped([1, cell_count(), 85]), "--head yolox-decoded .* or --head yolox", id="cells"
        ),
        pytest.param(shaped([1, 1000]), r"an output of shape \[1, 1000\]", id="classifier"),
        pytest.param(shaped([1, 90, 77]), "--head rtdetr .* or --head yolox-decoded", id="rows"),
        pytest.param(shaped([1, 77, 6]), "--head rtdetr .* or --head yolo-e2e", id="table"),
        pytest.param(shaped([1, "a", "b"]), "fits no known head", id="free"),
        pytest.param(
            yolo_network(3, metadata={"task": "segment"}), "the task segment", id="segmentation"
        ),
    ],
)
def test_what_is_not_clear_is_a_sentence_with_what_to_do(network, says):
    with pytest.raises(GraphError, match=says):
        recognised("street", Exported(network))


def plan(network: ModelProto, **options):
    return plan_for(network, ImportRequest(name="street", file="f.onnx", **options))


NAMES = {"names": "{0: 'person', 1: 'car', 2: 'cell phone'}"}


def test_labels_come_from_the_file_or_from_the_person():
    assert plan(yolo_network(3, metadata=NAMES)).labels == ("person", "car", "cell phone")
    given = plan(yolo_network(3, metadata=NAMES), labels=("a", "b", "c"))
    assert given.labels == ("a", "b", "c")


def test_eighty_classes_without_names_are_cocos_and_it_is_said():
    made = plan(shaped([1, cell_count(), 85]), head="yolox")
    assert made.labels[:3] == ("person", "bicycle", "car")
    assert "80 of COCO" in made.notices[0]


@pytest.mark.parametrize(
    ("network", "options", "says"),
    [
        (YOLOX, {}, "does not name its 3 classes; give --labels"),
        (YOLOX, {"labels": ("a", "b")}, "has 3 classes, but the given labels are 2"),
        (yolo_network(2, metadata=NAMES), {}, "has 2 classes, but the file's own names are 3"),
        (yolo_network(3, metadata={"names": "__import__('os')"}), {}, "unreadable; give --labels"),
        (yolo_network(3, metadata={"names": "[" * 5000}), {}, "unreadable; give --labels"),
        (yolo_network(3, metadata={"names": "{1: 'a', 2: 'b', 3: 'c'}"}), {}, "unreadable"),
        (YOLOX, {"labels": ("a", "a", "c")}, "the classes repeat a"),
    ],
)
def test_wrong_labels_are_refused(network, options, says):
    with pytest.raises(GraphError, match=says):
        plan(network, **options)


def test_a_map_renames_merges_and_drops():
    made = plan(
        yolo_network(3, metadata=NAMES),
        mapping={"Cell Phone": "Litter Bag", "car": "vehicle", "person": None},
    )
    assert made.labels == ("litter_bag", "vehicle")
    assert made.groups == ((2,), (1,))
    merged = plan(yolo_network(3, metadata=NAMES), mapping={"car": "thing", "person": "thing"})
    assert merged.groups == ((1, 0),)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"cars": "car"}, "names cars, .* did you mean car?"),
        ({"xyz": "car"}, "names xyz, .* it has person, car, cell phone"),
        ({"car": None}, "keeps no class"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(mapping, says):
    with pytest.raises(GraphError, match=says):
        plan(yolo_network(3, metadata=NAMES), mapping=mapping)


FREE = yolo_network(3, metadata={**NAMES, "imgsz": "[64, 96]"})
for _axis in (2, 3):
    FREE.graph.input[0].type.tensor_type.shape.dim[_axis].dim_param = "free"


@pytest.mark.parametrize(
    ("network", "options", "package", "inner"),
    [
        (yolo_network(3, metadata=NAMES), {}, SIZE, SIZE),
        (yolo_network(3, metadata=NAMES), {"size": (640, 384)}, (640, 384), SIZE),
        (yolo_network(3, metadata=NAMES), {"fit": "stretch"}, SIZE, SIZE),
        (detr_network((48, 48), 80), {}, (48, 48), (48, 48)),
        (detr_network((48, 48), 80), {"size": (640, 384)}, (640, 384), (48, 48)),
        (FREE, {}, (640, 384), (640, 384)),
        (FREE, {"size": (320, 192)}, (320, 192), (320, 192)),
        (FREE, {"fit": "stretch"}, SIZE, SIZE),
        (FREE, {"fit": "stretch", "size": (320, 192)}, (320, 192), SIZE),
    ],
)
def test_sizes_follow_from_the_fit(network, options, package, inner):
    made = plan(network, **options)
    assert (made.package, made.network) == (package, inner)


def test_a_free_size_must_suit_the_strides():
    with pytest.raises(GraphError, match="cannot take 100x100; choose a --size that 32 divides"):
        plan(FREE, size=(100, 100))


def test_options_overrule_the_habit_of_the_head():
    made = plan(YOLOX, labels=("a", "b", "c"), colour="rgb", scale=0.5, padding=0.0, nms_iou=0.3)
    assert (made.preprocessing.colour_order, made.preprocessing.scale) == ("rgb", 0.5)
    assert (made.preprocessing.padding, made.selection.nms_iou) == (0.0, 0.3)
    assert plan(YOLOX, labels=("a", "b", "c")).preprocessing.colour_order == "bgr"
    assert made.selection.rows == 300
    assert plan(detr_network(SIZE, 80)).selection.rows == QUERIES
