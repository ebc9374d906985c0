"""What every head means, in the plainest numpy: from a network's own output to final rows.

Nothing here is shared with the code that is tested, but for the last comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from onnx import ModelProto

from model_tools.heads.wrapping import wrap
from model_tools.importing.plan import Plan, plan_for
from model_tools.importing.reference import reference_rows
from model_tools.importing.request import ImportRequest
from models.golden import STRICT, disagreement
from tests.models.tiny import LABELS, SIZE

Groups = Sequence[Sequence[int]]
Candidate = tuple[np.ndarray, dict[int, float]]
"""A box in network pixels, and the scores of classes."""


@dataclass
class Wanted:
    """One import in numbers."""

    head: str
    network: tuple[int, int]
    package: tuple[int, int]
    groups: Groups
    rows: int = 30
    least: float = 0.3
    overlap: float = 0.5
    bgr: bool = False
    factor: float = 1 / 255
    mean: Sequence[float] = (0, 0, 0)
    deviation: Sequence[float] = (1, 1, 1)
    letterbox: str = ""
    padding: float = 114.0
    decode: Callable[[dict[str, np.ndarray], tuple[int, int]], list[Candidate]] | None = None
    suppressed: bool = True
    every_class: bool = False


def session_of(model: ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def expected(network: ModelProto, wanted: Wanted, images: np.ndarray) -> np.ndarray:
    """(K, M, 6), one image at a time."""
    session = session_of(network)
    return np.stack([one_image(session, wanted, image) for image in images])


def one_image(session: ort.InferenceSession, wanted: Wanted, image: np.ndarray) -> np.ndarray:
    planes, (sx, sy, left, top) = preprocess(image, wanted)
    first, *others = session.get_inputs()
    kind = np.float16 if "16" in first.type else np.float32
    batch = first.shape[0] if isinstance(first.shape[0], int) else 1
    feed = {first.name: np.repeat(planes[None].astype(kind), batch, axis=0)}
    feed |= {other.name: np.array([wanted.network] * batch, np.int64) for other in others}
    names = [one.name for one in session.get_outputs()]
    outputs = {
        name: value[0].astype(float)
        for name, value in zip(names, session.run(None, feed), strict=True)
    }
    candidates = decode(outputs, wanted)
    rows = select(candidates, wanted)
    table = np.zeros((wanted.rows, 6))
    for index, (box, score, label) in enumerate(rows[: wanted.rows]):
        x1, y1, x2, y2 = box
        moved = [(x1 - left) / sx, (y1 - top) / sy, (x2 - left) / sx, (y2 - top) / sy]
        limits = [*wanted.package, *wanted.package]
        table[index, :4] = [
            min(max(value, 0), limit) for value, limit in zip(moved, limits, strict=True)
        ]
        table[index, 4:] = score, label
    return table


def preprocess(image: np.ndarray, wanted: Wanted):
    """(3, h, w) and how far network pixels are from package pixels."""
    values: np.ndarray = image.astype(np.float32)
    if wanted.bgr:
        values = values[:, :, [2, 1, 0]]
    (nw, nh), (pw, ph) = wanted.network, wanted.package
    left = top = 0
    if wanted.letterbox and (nw, nh) != (pw, ph):
        ratio = min(nw / pw, nh / ph)
        if wanted.letterbox == "corner":
            cw, ch = int(pw * ratio + 1e-9), int(ph * ratio + 1e-9)
        else:
            cw, ch = round(pw * ratio), round(ph * ratio)
            left, top = (nw - cw) // 2, (nh - ch) // 2
        canvas = np.full((nh, nw, 3), wanted.padding, np.float32)
        canvas[top : top + ch, left : left + cw] = sampled(values, cw, ch)
        values = canvas
    else:
        cw, ch = nw, nh
        values = sampled(values, nw, nh)
    values = values * np.float32(wanted.factor) - np.array(wanted.mean, np.float32)
    values = values / np.array(wanted.deviation, np.float32)
    return values.transpose(2, 0, 1), (cw / pw, ch / ph, left, top)


def sampled(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bilinear, corner by corner, in single precision as runtimes have it."""
    high, wide = values.shape[:2]
    if (wide, high) == (width, height):
        return values
    values = values.astype(np.float32)
    rows, columns = weighed(high, height), weighed(wide, width)
    total = np.zeros((height, width, 3), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            (places, down), (others, across) = rows[row], columns[column]
            total = total + across[None, :, None] * down[:, None, None] * values[places][:, others]
    return total


def weighed(old: int, new: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The lower and the upper neighbour of every sample point, each with its weight."""
    places: list[list[int]] = [[], []]
    weights: list[list[np.float32]] = [[], []]
    for index in range(new):
        place = (np.float32(index) + np.float32(0.5)) / (np.float32(new) / np.float32(old))
        place = min(max(place - np.float32(0.5), np.float32(0)), np.float32(old - 1))
        low = int(place)
        near = low + 1 < old
        places[0].append(low)
        places[1].append(low + near)
        weights[0].append(np.float32(low + 1) - place if near else np.float32(0.5))
        weights[1].append(place - np.float32(low) if near else np.float32(0.5))
    return [(np.array(one), np.array(other)) for one, other in zip(places, weights, strict=True)]


def decode(outputs: dict[str, np.ndarray], wanted: Wanted):  # noqa: PLR0911
    """[(box in network pixels, {class: score})] of one image."""
    if wanted.decode is not None:
        return wanted.decode(outputs, wanted.network)
    raw = next(iter(outputs.values()))
    width, height = wanted.network
    if wanted.head == "detr":
        return [
            (box, {int(label): score})
            for label, box, score in zip(
                outputs["labels"], outputs["boxes"], outputs["scores"], strict=True
            )
        ]
    if wanted.head == "yolo-e2e":
        return [(row[:4], {int(row[5]): row[4]}) for row in raw]
    if wanted.head == "yolo":
        return [(centred(*column[:4]), dict(enumerate(column[4:]))) for column in raw.T]
    if wanted.head == "rtdetr":
        return [
            (
                centred(row[0] * width, row[1] * height, row[2] * width, row[3] * height),
                dict(enumerate(row[4:])),
            )
            for row in raw
        ]
    if wanted.head == "rtdetr-rows":
        return [
            (
                centred(row[0] * width, row[1] * height, row[2] * width, row[3] * height),
                {int(row[5]): row[4]},
            )
            for row in raw
        ]
    if wanted.head == "yolox-decoded":
        return [
            (centred(*row[:4]), {k: row[4] * score for k, score in enumerate(row[5:])})
            for row in raw
        ]
    cells = [
        (column, row, stride)
        for stride in (8, 16, 32)
        for row in range(height // stride)
        for column in range(width // stride)
    ]
    if wanted.head == "yolox":
        return [
            (
                centred((c + x) * s, (r + y) * s, np.exp(w) * s, np.exp(h) * s),
                {k: thing * score for k, score in enumerate(scores)},
            )
            for (c, r, s), (x, y, w, h, thing, *scores) in zip(cells, raw, strict=True)
        ]
    assert wanted.head == "cityeye"
    return [
        (
            np.array(
                [
                    min(max(value, 0), limit)
                    for value, limit in zip(
                        (
                            (c + 0.5 - left) * s,
                            (r + 0.5 - top) * s,
                            (c + 0.5 + right) * s,
                            (r + 0.5 + bottom) * s,
                        ),
                        (width, height, width, height),
                        strict=True,
                    )
                ]
            ),
            {k: 1 / (1 + np.exp(-logit)) for k, logit in enumerate(logits)},
        )
        for (c, r, s), (left, top, right, bottom, *logits) in zip(cells, raw.T, strict=True)
    ]


def centred(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def select(candidates, wanted: Wanted):
    """Best first: (box, score, label of ours)."""
    label_of = {member: label for label, group in enumerate(wanted.groups) for member in group}
    found = []
    for box, scores in candidates:
        if wanted.head == "cityeye" or wanted.every_class:
            for label, group in enumerate(wanted.groups):
                found.append((box, max(scores[one] for one in group), label))
            continue
        best = max(scores, key=lambda one: scores[one])
        if best in label_of:
            found.append((box, scores[best], label_of[best]))
    found = sorted((one for one in found if one[1] > wanted.least), key=lambda one: -one[1])
    rows = {"detr", "rtdetr", "rtdetr-rows", "yolo-e2e"}
    if wanted.head in rows or not wanted.suppressed:
        return found
    kept: list = []
    for box, score, label in found:
        rivals = [other for other, _, same in kept if same == label]
        if all(iou(box, other) <= wanted.overlap for other in rivals):
            kept.append((box, score, label))
    return kept


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(common / (areas - common))


def run(model: ModelProto, images: np.ndarray) -> np.ndarray:
    rows: np.ndarray = session_of(model).run(["detections"], {"pictures": images})[0]
    return rows


def same_rows(found: np.ndarray, wanted: np.ndarray, least: int = 21) -> None:
    """To 1e-3 in pixels, scores and classes; rows of almost one score may be in any order."""
    assert (wanted[:, :, 4] > 0).sum() > least, "there is something to find"
    np.testing.assert_allclose(found[..., 4], wanted[..., 4], atol=1e-3)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ordered(one), ordered(other), atol=1e-3)


def graph_agrees_with_reference(network: ModelProto, images: np.ndarray, **options) -> Plan:
    """An import compares the graph that it builds with its own numpy reference likewise."""
    request = ImportRequest(name="street", file="f.onnx", labels=LABELS, size=SIZE, **options)
    plan = plan_for(network, request)
    rows = reference_rows("street", network.SerializeToString(), plan, images)
    graph = wrap(network, plan.head.name, plan.task, plan.preprocessing)
    assert not disagreement(run(graph.model, images), rows, STRICT)
    assert (rows[..., 4] > 0).sum() > len(images)
    return plan


def ordered(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort((rows[:, 0].round(1), rows[:, 5], -rows[:, 4].round(4)))]
