"""Cheaper precisions of a real network: what they keep, and what of it is converted."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from model_tools.precision import fidelity, to_fp16, to_int8
from model_tools.precision.network import copy_with_names, parts_of
from models.repository import BUILTIN_ROOT, ModelRepository
from models.session import open_session
from simulation.scenes import EVALUATION_SEEDS, SEEDS_PER_VIEW, place_of, render_samples

THRESHOLD = 0.35


@cache
def images(block: int, count: int) -> np.ndarray:
    """Drawn crossings of one block of seeds."""
    starts = [s for s in EVALUATION_SEEDS[::SEEDS_PER_VIEW] if place_of(s) == "crossroad"]
    start = starts[block]
    return np.stack([one.image for one in render_samples(range(start, start + count))])


@cache
def traffic() -> onnx.ModelProto:
    return onnx.load(ModelRepository(BUILTIN_ROOT).find("traffic").onnx_path)


@cache
def converted(precision: str) -> onnx.ModelProto:
    return to_fp16(traffic()) if precision == "fp16" else to_int8(traffic(), images(7, 12))


def rows_of(model: onnx.ModelProto, batch: np.ndarray) -> np.ndarray:
    session = open_session("traffic", model.SerializeToString())
    rows: np.ndarray = session.run(["detections"], {"pictures": batch})[0]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "least"), [("fp16", 0.97), ("int8", 0.85)])
def test_recall_against_fp32_is_high(precision, least):
    batch = images(9, 8)
    found = fidelity(rows_of(traffic(), batch), rows_of(converted(precision), batch), THRESHOLD)
    assert found.objects > 40
    assert found.recall >= least
    assert found.false_positive_rate <= 1 - least


@pytest.mark.parametrize("precision", ["fp16", pytest.param("int8", marks=pytest.mark.slow)])
def test_outside_stays_as_it_was_and_inside_changes(precision):
    cheap = converted(precision)
    assert list(cheap.graph.input) == list(traffic().graph.input)
    assert list(cheap.graph.output) == list(traffic().graph.output)
    assert {one.domain for one in cheap.opset_import} <= {"", "ai.onnx", "com.microsoft"}
    kinds = {one.data_type for one in cheap.graph.initializer}
    assert (TensorProto.FLOAT16 if precision == "fp16" else TensorProto.INT8) in kinds
    assert len(cheap.SerializeToString()) < 0.75 * len(traffic().SerializeToString())


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_any_number_of_images_still_goes(precision):
    batch = images(9, 8)[:3]
    together = rows_of(converted(precision), batch)
    alone = np.concatenate([rows_of(converted(precision), one[None]) for one in batch])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_the_head_and_all_that_was_added_keep_their_precision():
    named = copy_with_names(traffic())
    parts = parts_of(named, "traffic")
    assert parts.head
    added = {node.name for node in named.graph.node if node.name.startswith("cityeye/")}
    assert added.isdisjoint({*parts.head, *parts.body})
    half = converted("fp16")
    weights = {one.name: one.data_type for one in half.graph.initializer}
    for node in half.graph.node:
        if node.name in {*parts.head, *added}:
            assert TensorProto.FLOAT16 not in {weights.get(one) for one in node.input}, node.name
