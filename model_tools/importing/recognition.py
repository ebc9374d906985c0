"""Recognition: which family of output a network has, judged by its shapes, names and operators.

A guess would make a package that finds nonsense, so what is not clear is a sentence that says what
was seen and which `--head` to choose from.
"""

from __future__ import annotations

from model_tools.graph.exported import Exported, shown_shape
from model_tools.graph.heads import HeadName, grid
from model_tools.graph.wrapping import COLUMNS, gives_rows, image_input
from models.errors import GraphError
from models.graph.contract import Dimension, dimensions

OTHER_TASKS = {
    "segment": "masks",
    "pose": "key points",
    "obb": "turned boxes",
    "classify": "whole images",
    "semantic": "maps",
    "depth": "distances",
}
YOLOV5_BOXES_PER_CELL = 3
FREE_SIZE = (640, 640)
"""Taken to count cells where the export leaves the image's size open."""
MOST_QUERIES = 1000


def recognised(model: str, exported: Exported) -> HeadName:
    """The head of a network.

    Raises:
        GraphError: It is none that is known, or more than one would do.
    """
    _refuse_other_tasks(model, exported)
    if is_packaged(exported):
        return "packaged"
    outputs = set(exported.outputs)
    if {"labels", "boxes", "scores"} <= outputs:
        return "detr"
    if {"logits", "pred_boxes"} <= outputs:
        return "detr-logits"
    if len(outputs) != 1:
        raise GraphError(
            model,
            f"has {len(outputs)} outputs ({exported.told()}); masks, key points and undecoded maps "
            "are not supported: export a detector with one output, or labels, boxes and scores",
        )
    shape = dimensions(exported.first_output)
    if len(shape) != 3:  # noqa: PLR2004
        raise GraphError(
            model,
            f"has an output of shape {shown_shape(shape)} ({exported.told()}); "
            "a detector has three axes there",
        )
    return _by_shape(model, exported, shape)


def class_count(exported: Exported, head: HeadName) -> int | None:
    """How many classes the output has, where its shape tells."""
    shape = dimensions(exported.first_output)
    sizes: dict[HeadName, tuple[int, int]] = {
        "cityeye": (1, 4),
        "yolo": (1, 4),
        "yolox": (2, 5),
        "yolox-decoded": (2, 5),
        "rtdetr": (2, 4),
    }
    if head not in sizes or len(shape) != 3 or (head == "rtdetr" and gives_rows(exported)):  # noqa: PLR2004
        return None
    axis, others = sizes[head]
    size = shape[axis]
    return size - others if isinstance(size, int) and size > others else None


def is_packaged(exported: Exported) -> bool:
    """Whether the graph already is what packages hold: uint8 images in, rows out."""
    if len(exported.inputs) != 1 or len(exported.outputs) != 1:
        return False
    (images,) = exported.inputs
    shape, rows = dimensions(images), dimensions(exported.first_output)
    uint8 = images.type.tensor_type.elem_type == 2  # noqa: PLR2004
    return uint8 and len(shape) == 4 and shape[3] == 3 and len(rows) == 3 and rows[2] == COLUMNS  # noqa: PLR2004


def is_rtdetr(exported: Exported) -> bool:
    """Whether Ultralytics says that it is an RT-DETR."""
    about = exported.metadata.get("head", "") + exported.metadata.get("description", "")
    return "rtdetr" in about.lower().replace("-", "")


def _refuse_other_tasks(model: str, exported: Exported) -> None:
    task = exported.metadata.get("task", "detect")
    if task in OTHER_TASKS:
        raise GraphError(
            model,
            f"is an Ultralytics export for the task {task}, which is about {OTHER_TASKS[task]}; "
            "export a network of the task detect",
        )


def _by_shape(model: str, exported: Exported, shape: tuple[Dimension, ...]) -> HeadName:
    size, _ = image_input(exported, "not known yet", FREE_SIZE)
    _, middle, last = shape
    cells = len(grid(size)[0])
    if is_rtdetr(exported):
        return "rtdetr"
    if last == COLUMNS and (exported.has("TopK") or exported.has("NonMaxSuppression")):
        return "yolo-e2e"
    if middle == YOLOV5_BOXES_PER_CELL * cells:
        raise GraphError(
            model,
            f"has {YOLOV5_BOXES_PER_CELL} boxes for each of {cells} cells (output "
            f"{shown_shape(shape)}), as YOLOv5 and YOLOv7 have; they are not supported: "
            "train or export YOLOv5u, YOLOv8 or later",
        )
    if middle == cells and isinstance(last, int) and last > 5:  # noqa: PLR2004
        return "yolox-decoded" if exported.has("Exp") else "yolox"
    if not isinstance(middle, int) and not isinstance(last, int) and _joins_channels(exported):
        return "yolo"
    if isinstance(middle, int) and middle > 4 and not (isinstance(last, int) and last < middle):  # noqa: PLR2004
        return _dense(model, exported, shape)
    if isinstance(middle, int) and isinstance(last, int) and last > 4 and middle <= MOST_QUERIES:  # noqa: PLR2004
        return _queries(model, exported, shape)
    raise GraphError(
        model,
        f"has an output of shape {shown_shape(shape)} that fits no known head ({exported.told()}); "
        "give --head if you know it, or export the network with one of YOLO, YOLOX or DETR's heads",
    )


def _dense(model: str, exported: Exported, shape: tuple[Dimension, ...]) -> HeadName:
    if _ends_in_scores(exported):
        return "yolo"
    raise GraphError(
        model,
        f"has an output of shape {shown_shape(shape)} as YOLO has it, but its class scores do not "
        "come from a sigmoid; give --head yolo if they are scores from 0 to 1 with boxes in "
        "pixels, or --head cityeye for a network of this project",
    )


def _ends_in_scores(exported: Exported) -> bool:
    """Whether the last part of the output is made by a sigmoid."""
    return exported.joined(exported.first_output.name)[-1:] == ("Sigmoid",)


def _joins_channels(exported: Exported) -> bool:
    """Whether boxes and scores are joined on the middle axis, where shapes do not tell the axes."""
    return _ends_in_scores(exported) and exported.joined_on(exported.first_output.name) == 1


def _queries(model: str, exported: Exported, shape: tuple[Dimension, ...]) -> HeadName:
    if exported.has("Softmax") and exported.has("MatMul") and shape[-1] != COLUMNS:
        return "rtdetr"
    choice = "yolo-e2e for rows x1 y1 x2 y2 score class in pixels"
    if shape[-1] != COLUMNS:
        choice = "yolox-decoded for rows of box, object score and class scores in pixels"
    raise GraphError(
        model,
        f"has an output of shape {shown_shape(shape)}, which may be one of several heads; "
        f"give --head {choice}, or --head rtdetr for boxes from 0 to 1",
    )
