"""The reference: what the network itself says about images, computed without any graph of ours.

The file as it was given runs in a session of its own; preprocessing, decoding and selection are
plain numpy. Golden rows come from here, so that a mistake in graph building is found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.heads.numpy_parts import NumpyOutputs
from model_tools.importing.plan import Plan
from model_tools.importing.request import ImageBatch, RowTable
from models import GraphError, open_session

NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def reference_rows(model: str, network: bytes, plan: Plan, images: ImageBatch) -> RowTable:
    """What the unfused network finds.

    Args:
        model: Who it is, for errors.
        network: The file as it was given.
        plan: How it is to be read.
        images: (K, H, W, 3) uint8 RGB of the package's size.

    Returns:
        (K, M, 6) float32: x1 y1 x2 y2 score class; padding rows are zero.

    Raises:
        SessionError: ONNX Runtime refuses the network.
    """
    session = open_session(model, network)
    step = plan.batch or 1
    tables: list[RowTable] = []
    for start in range(0, len(images), step):
        chunk = images[start : start + step]
        filled = np.concatenate([chunk, np.repeat(chunk[-1:], step - len(chunk), axis=0)])
        outputs = network_outputs(session, plan, filled)
        tables.extend(_rows(outputs, index, plan) for index in range(len(chunk)))
    return np.stack(tables)


def network_image(image: npt.NDArray[np.uint8], plan: Plan) -> RowTable:
    """One (H, W, 3) uint8 RGB image as the network wants it: (3, h, w) float32."""
    wanted = plan.preprocessing
    ordered = image[..., ::-1] if wanted.colour_order == "bgr" else image
    values: RowTable = ordered.astype(np.float32)
    width, height = plan.network
    if wanted.fit == "stretch":
        placed = resized(values, width, height)
    else:
        _, left, top, inner = _letterbox(plan)
        placed = np.full((height, width, 3), wanted.padding, np.float32)
        placed[top : top + inner[1], left : left + inner[0]] = resized(values, *inner)
    mean, deviation = (np.array(one, np.float32) for one in (wanted.mean, wanted.deviation))
    scaled = (placed * np.float32(wanted.scale) - mean) / deviation
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)


def resized(values: RowTable, width: int, height: int) -> RowTable:
    """Bilinear, sample points at pixel centres, borders repeated.

    In single precision, term by term as runtimes do it: the last digit of a pixel moves some boxes
    of a DETR by hundredths of a pixel.
    """
    if values.shape[:2] == (height, width):
        return values
    above, below, down, up = _neighbours(values.shape[0], height)
    left, right, across, back = _neighbours(values.shape[1], width)
    down, up = down[:, None, None], up[:, None, None]
    across, back = across[None, :, None], back[None, :, None]
    total = back * up * values[above][:, left] + across * up * values[above][:, right]
    total = total + back * down * values[below][:, left]
    return np.asarray(total + across * down * values[below][:, right], np.float32)


def _neighbours(
    old: int, new: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], RowTable, RowTable]:
    """For each new pixel of an axis its two old neighbours, and the way from each of them."""
    half = np.float32(0.5)
    places = (np.arange(new, dtype=np.float32) + half) / (np.float32(new) / np.float32(old)) - half
    places = np.clip(places, np.float32(0), np.float32(old - 1))
    low = places.astype(np.int64)
    high = np.minimum(low + 1, old - 1)
    one = np.where(low == high, half, np.abs(places - low.astype(np.float32)))
    other = np.where(low == high, half, np.abs(places - high.astype(np.float32)))
    return low, high, one, other


def _letterbox(plan: Plan) -> tuple[tuple[float, float], int, int, tuple[int, int]]:
    """Scale across and down, left, top, and the size of the image inside."""
    (width, height), (wide, high) = plan.network, plan.package
    factor = min(width / wide, height / high)
    if not plan.preprocessing.centred:
        inner = (max(1, int(wide * factor + 1e-6)), max(1, int(high * factor + 1e-6)))
        return (inner[0] / wide, inner[1] / high), 0, 0, inner
    inner = (max(1, round(wide * factor)), max(1, round(high * factor)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    return (inner[0] / wide, inner[1] / high), left, top, inner


def network_outputs(
    session: Any,  # noqa: ANN401
    plan: Plan,
    images: ImageBatch,
) -> dict[str, npt.NDArray[Any]]:
    """All outputs by name for (N, H, W, 3) uint8 images of the package's size."""
    first, *others = session.get_inputs()
    if plan.is_packaged:
        feed = {first.name: images}
    else:
        planes = np.stack([network_image(one, plan) for one in images])
        feed = {first.name: planes.astype(NUMBERS[first.type])}
    for other in others:
        kind = np.int64 if "int64" in other.type else np.float32
        feed[other.name] = np.array([plan.network] * len(images), kind)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def _rows(outputs: dict[str, npt.NDArray[Any]], index: int, plan: Plan) -> RowTable:
    """The final (M, 6) table of one image."""
    found = {name: value[index].astype(np.float64) for name, value in outputs.items()}
    boxes, scores, classes = plan.head.reference(
        NumpyOutputs(plan.head.name, found, plan.exported, plan.task, plan.network)
    )
    beyond = classes[scores > plan.selection.min_score].max(initial=0)
    if beyond >= len(plan.classes):
        raise GraphError(
            plan.head.name,
            f"the network finds class {beyond}, but only {len(plan.classes)} are named; "
            "give --labels with one name per class, in the network's order",
        )
    labels = np.full(len(scores), -1)
    for label, members in enumerate(plan.groups):
        labels[np.isin(classes, members)] = label
    good = (labels >= 0) & (scores > plan.selection.min_score)
    boxes, scores, labels = boxes[good], scores[good], labels[good]
    order = np.argsort(-scores, kind="stable")
    if plan.head.suppression == "best class":
        order = order[: plan.selection.candidates]
    if plan.head.suppression != "none":
        order = np.array(_survivors(boxes, labels, order, plan), int)
    order = order[: plan.selection.rows]
    table = np.zeros((plan.selection.rows, 6), np.float32)
    table[: len(order), :4] = _package_boxes(boxes[order], plan)
    table[: len(order), 4], table[: len(order), 5] = scores[order], labels[order]
    return table


def _survivors(
    boxes: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    plan: Plan,
) -> list[int]:
    """Greedy suppression, class by class, best score first."""
    kept: list[int] = []
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for index in order:
        rivals = np.array([other for other in kept if labels[other] == labels[index]], int)
        if len(rivals):
            near = np.maximum(boxes[rivals, :2], boxes[index, :2])
            far = np.minimum(boxes[rivals, 2:], boxes[index, 2:])
            shared = np.prod(np.clip(far - near, 0, None), axis=1)
            union = areas[rivals] + areas[index] - shared
            if (shared > plan.selection.nms_iou * union).any():
                continue
        kept.append(int(index))
    return kept


def _package_boxes(boxes: npt.NDArray[np.float64], plan: Plan) -> npt.NDArray[np.float64]:
    if plan.preprocessing.fit == "stretch":
        scale = np.array(plan.network) / np.array(plan.package)
        origin = np.zeros(2)
    else:
        (across, down), left, top, _ = _letterbox(plan)
        scale, origin = np.array([across, down]), np.array([left, top])
    boxes = (boxes - np.tile(origin, 2)) / np.tile(scale, 2)
    return np.asarray(np.clip(boxes, 0, np.array(plan.package * 2)))
