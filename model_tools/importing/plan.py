"""`Plan`: everything about an import that can be decided by looking at the graph."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from onnx import ModelProto

from model_tools.graph.exported import Exported
from model_tools.graph.heads import Groups, HeadName, HeadTask
from model_tools.graph.ordering import in_order
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Selection
from model_tools.graph.wrapping import default_preprocessing, gives_rows, image_input, modern
from model_tools.importing.coco import COCO_LABELS
from model_tools.importing.labels import grouped, known_classes
from model_tools.importing.recognition import class_count, recognised
from model_tools.importing.request import ImportRequest
from models.errors import GraphError
from models.graph.contract import dimensions

CAMERA_SIZE = (640, 384)
"""The size that the built-in packages share, so that a camera's image is converted once."""
MOST_ROWS = 300
LEAST_SCORE = 0.01
OVERLAPS: dict[HeadName, float] = {"yolo": 0.7, "yolox": 0.65, "yolox-decoded": 0.65}
"""Ultralytics' `iou` and YOLOX's `nmsthre`; others suppress nothing or as the built-ins do."""
STRIDE = 32
ON_QUERIES: frozenset[HeadName] = frozenset({"yolo-e2e", "detr", "detr-logits", "rtdetr"})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network will be wrapped.

    Attributes:
        head: Family of its output.
        classes: What the network calls its classes.
        labels: What the package calls those that it keeps.
        groups: Network classes that make each label.
        package: Size of the package's images.
        network: Size of the network's images.
        batch: Images that the export takes at once, exactly; None where any number does.
        preprocessing: What the network expects.
        selection: Limits of the selection.
        notices: What the person should know, in sentences.
        table: Whether an RT-DETR gives rows that end in score and class.
    """

    head: HeadName
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    groups: Groups
    package: Size
    network: Size
    batch: int | None
    preprocessing: Preprocessing
    selection: Selection
    notices: tuple[str, ...] = ()
    table: bool = False

    @property
    def task(self) -> HeadTask:
        """What the head must produce."""
        return HeadTask(self.package, len(self.classes), self.groups, self.selection)

    @property
    def told(self) -> str:
        """The preprocessing in one line."""
        if self.head == "packaged":
            return "inside the imported graph"
        return self.preprocessing.told(self.preprocessing.place(self.package, self.network))


def plan_for(network: ModelProto, request: ImportRequest) -> Plan:
    """Decides how a network will be wrapped.

    Raises:
        GraphError: It cannot be, or something must be told first.
    """
    exported = Exported(network)
    head = request.head or recognised(request.name, exported)
    if head == "packaged":
        return _plan_for_packaged(exported, request)
    preprocessing = _preprocessing(head, request)
    package, size = _sizes(exported, head, request, preprocessing)
    _, batch = image_input(exported, head, size)
    known = known_classes(
        request.name, class_count(exported, head), request.labels, exported.metadata
    )
    labels, groups = grouped(request.name, known.names, request.mapping)
    selection = Selection(
        rows=_rows(exported, head),
        least_score=LEAST_SCORE,
        overlap=request.overlap or OVERLAPS.get(head, Selection().overlap),
    )
    notices: tuple[str, ...] = ()
    if known.names == COCO_LABELS and request.labels is None and "names" not in exported.metadata:
        notices = ("the file does not name its classes: they are taken to be the 80 of COCO",)
    return Plan(
        head,
        known.names,
        labels,
        groups,
        package,
        size,
        batch,
        preprocessing,
        selection,
        notices,
        head == "rtdetr" and gives_rows(exported),
    )


def has_size(network: ModelProto) -> bool:
    """Whether the network's input says how large its images are."""
    return all(isinstance(one, int) for one in dimensions(Exported(network).inputs[0])[1:])


def prepared(network: ModelProto, plan: Plan) -> ModelProto:
    """A copy of the network in a usable operator set, its image size written down."""
    copy = ModelProto()
    copy.CopyFrom(modern(in_order(network), plan.head))
    shape = Exported(copy).inputs[0].type.tensor_type.shape.dim
    if plan.head != "packaged":
        shape[2].dim_value, shape[3].dim_value = plan.network[1], plan.network[0]
    return copy


def _plan_for_packaged(exported: Exported, request: ImportRequest) -> Plan:
    batch, height, width, _ = dimensions(exported.inputs[0])
    rows = dimensions(exported.first_output)[1]
    if not (isinstance(height, int) and isinstance(width, int) and isinstance(rows, int)):
        raise GraphError(request.name, "its sizes are free; a packaged graph has them fixed")
    if request.size not in {None, (width, height)}:
        raise GraphError(request.name, f"takes {width}x{height} images; leave --size out")
    known = known_classes(request.name, None, request.labels, exported.metadata)
    labels, groups = grouped(request.name, known.names, request.mapping)
    return Plan(
        "packaged",
        known.names,
        labels,
        groups,
        (width, height),
        (width, height),
        batch if isinstance(batch, int) and batch > 0 else None,
        Preprocessing(scale=1.0, fit=request.fit or "letterbox"),
        Selection(rows=rows, least_score=0.0),
    )


def _preprocessing(head: HeadName, request: ImportRequest) -> Preprocessing:
    usual = default_preprocessing(head)
    try:
        return replace(
            usual,
            colour_order=request.colour or usual.colour_order,
            scale=usual.scale if request.scale is None else request.scale,
            mean=request.mean or usual.mean,
            deviation=request.std or usual.deviation,
            fit=request.fit or usual.fit,
            padding=usual.padding if request.padding is None else request.padding,
        )
    except ValueError as error:
        raise GraphError(request.name, str(error)) from error


def _sizes(
    exported: Exported, head: HeadName, request: ImportRequest, wanted: Preprocessing
) -> tuple[Size, Size]:
    """Size of the package's and of the network's images: the network's own for both, if known."""
    free, _ = image_input(exported, head, (0, 0))
    own = (free[0] or 0, free[1] or 0)
    free_size = not all(own)
    if free_size and wanted.fit == "stretch":
        own = _exported_size(exported) or own
    package = request.size or (own if all(own) else CAMERA_SIZE)
    size = own if all(own) else package
    if free_size and (size[0] % STRIDE or size[1] % STRIDE):
        raise GraphError(
            request.name,
            f"has no size of its own and cannot take {size[0]}x{size[1]}; "
            f"choose a --size that {STRIDE} divides",
        )
    return package, size


def _exported_size(exported: Exported) -> Size | None:
    """The size that Ultralytics wrote beside the graph: `[height, width]`."""
    try:
        height, width = ast.literal_eval(exported.metadata.get("imgsz", ""))
        return int(width), int(height)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _rows(exported: Exported, head: HeadName) -> int:
    """Output rows: the network's own queries where it has fewer."""
    if head not in ON_QUERIES:
        return MOST_ROWS
    output = exported.outputs.get("scores" if head == "detr" else "", exported.first_output)
    queries = dimensions(output)[1:2]
    own = queries[0] if queries and isinstance(queries[0], int) and queries[0] > 0 else MOST_ROWS
    return min(own, MOST_ROWS)
