"""`Plan`: everything about an import that can be read off the graph."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from onnx import ModelProto

from model_tools.graph.exported import Exported
from model_tools.graph.ordering import in_order
from model_tools.graph.placement import ImageSize
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Selection
from model_tools.heads.head import NetworkHead
from model_tools.heads.registry import heads
from model_tools.heads.task import Groups, HeadTask, ScoreKind
from model_tools.heads.wrapping import modern
from model_tools.importing.labels import KnownClasses, grouped, known_classes
from model_tools.importing.recognition import recognised
from model_tools.importing.request import ImportRequest
from models import GraphError
from models.graph import dimensions

CAMERA_SIZE = (640, 384)
"""The size that the built-in packages share, so that a camera's image is converted once."""
MOST_ROWS = 300
MIN_SCORE = 0.01
STRIDE = 32


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
        exported: The network as it was given.
        scores: What makes scores of its class columns; None where only a run can show it.
        notices: What the person should know, in sentences.
    """

    head: NetworkHead
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    groups: Groups
    package: ImageSize
    network: ImageSize
    batch: int | None
    preprocessing: Preprocessing
    selection: Selection
    exported: Exported
    scores: ScoreKind | None = "none"
    notices: tuple[str, ...] = ()

    @property
    def task(self) -> HeadTask:
        """What the head must produce."""
        return HeadTask(self.package, len(self.classes), self.groups, self.selection, self.scores)

    @property
    def is_packaged(self) -> bool:
        """Whether the network is a whole package's graph already."""
        return self.head.name == "packaged"

    @property
    def preprocessing_text(self) -> str:
        """The preprocessing in one line."""
        if self.is_packaged:
            return "inside the imported graph"
        return self.preprocessing.description(self.preprocessing.place(self.package, self.network))


def plan_for(network: ModelProto, request: ImportRequest) -> Plan:
    """Decides how a network will be wrapped.

    Raises:
        GraphError: It cannot be, or an option is missing.
    """
    exported = Exported(network)
    head = heads()[request.head] if request.head else recognised(request.name, exported)
    if head.name == "packaged":
        return _plan_for_packaged(head, exported, request)
    preprocessing = _preprocessing(head, exported, request)
    package, size = _sizes(exported, head, request, preprocessing)
    _, batch = exported.image_input(head.name, size)
    known, labels, groups = _classes(head, exported, request)
    return Plan(
        head,
        known.names,
        labels,
        groups,
        package,
        size,
        batch,
        preprocessing,
        Selection(_rows(exported, head), MIN_SCORE, request.nms_iou or head.nms_iou),
        exported,
        _scores(head, exported, len(known.names), request),
        known.notices,
    )


def _classes(
    head: NetworkHead, exported: Exported, request: ImportRequest
) -> tuple[KnownClasses, tuple[str, ...], Groups]:
    """The network's classes, the package's labels, and which classes make each of these."""
    known = known_classes(
        request.name, head.class_counts(exported), request.labels, exported.metadata
    )
    return known, *grouped(request.name, known.names, request.mapping)


def _scores(
    head: NetworkHead, exported: Exported, classes: int, request: ImportRequest
) -> ScoreKind | None:
    """What the person says, or what the graph shows."""
    if request.scores is None:
        return head.scores(exported, classes)
    if request.scores not in head.score_kinds:
        raise GraphError(
            request.name,
            f"head {head.name} cannot have --scores {request.scores}, only "
            f"{' or '.join(head.score_kinds)}; leave --scores out",
        )
    return request.scores


def has_size(network: ModelProto) -> bool:
    """Whether the network's input says how large its images are."""
    return all(isinstance(one, int) for one in dimensions(Exported(network).inputs[0])[1:])


def prepared(network: ModelProto, plan: Plan) -> ModelProto:
    """A copy of the network in a usable operator set, its image size written down."""
    copy = ModelProto()
    copy.CopyFrom(modern(in_order(network), plan.head.name))
    shape = Exported(copy).inputs[0].type.tensor_type.shape.dim
    if not plan.is_packaged:
        shape[2].dim_value, shape[3].dim_value = plan.network[1], plan.network[0]
    return copy


def _plan_for_packaged(head: NetworkHead, exported: Exported, request: ImportRequest) -> Plan:
    batch, height, width, _ = dimensions(exported.inputs[0])
    rows = dimensions(exported.first_output)[1]
    if not (isinstance(height, int) and isinstance(width, int) and isinstance(rows, int)):
        raise GraphError(request.name, "its sizes are free; a packaged graph has them fixed")
    if request.size not in {None, (width, height)}:
        raise GraphError(request.name, f"takes {width}x{height} images; leave --size out")
    known, labels, groups = _classes(head, exported, request)
    return Plan(
        head,
        known.names,
        labels,
        groups,
        (width, height),
        (width, height),
        batch if isinstance(batch, int) and batch > 0 else None,
        Preprocessing(scale=1.0, fit=request.fit or "letterbox"),
        Selection(rows=rows, min_score=0.0),
        exported,
    )


def _preprocessing(head: NetworkHead, exported: Exported, request: ImportRequest) -> Preprocessing:
    usual = head.preprocessing(exported)
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
    exported: Exported, head: NetworkHead, request: ImportRequest, wanted: Preprocessing
) -> tuple[ImageSize, ImageSize]:
    """Size of the package's and of the network's images: the network's own for both, if known."""
    free, _ = exported.image_input(head.name, (0, 0))
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


def _exported_size(exported: Exported) -> ImageSize | None:
    """The size that Ultralytics wrote beside the graph: `[height, width]`."""
    try:
        height, width = ast.literal_eval(exported.metadata.get("imgsz", ""))
        return int(width), int(height)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _rows(exported: Exported, head: NetworkHead) -> int:
    """Output rows: the network's own queries where it has fewer."""
    own = head.queries(exported)
    return min(own, MOST_ROWS) if isinstance(own, int) and own > 0 else MOST_ROWS
