"""Fusing: a network with preprocessing, decoding and selection in one graph, its batch freed.

A graph with a freed batch is used only after it gave for three images at once what the network
gives for each alone; else the package keeps the batch of its export.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto

from model_tools.graph.fixed_batch import pinned, with_free_batch
from model_tools.heads.packaged import relabelled
from model_tools.heads.task import WrappedGraph
from model_tools.heads.wrapping import wrap
from model_tools.importing.plan import Plan
from model_tools.importing.request import ImageBatch, RowTable
from models import LOOSE, GraphError, SessionError, disagreement, first_line, open_session

COMPARED_BATCH = 3


@dataclass(frozen=True, slots=True)
class Fusing:
    """Wraps a network, with a free batch if a run shows that it gives the same."""

    model: str
    plan: Plan

    def fixed(self, network: ModelProto) -> WrappedGraph:
        """The graph for exactly as many images as the network takes, or one.

        Raises:
            GraphError: The network's tensors are not those of the head.
        """
        return self._wrapped(pinned(network, self.plan.batch or 1))

    def fused(self, network: ModelProto, fixed: WrappedGraph, images: ImageBatch) -> WrappedGraph:
        """The graph for any number of images, if a run shows that it gives the same as `fixed`."""
        try:
            batch = self.plan.batch
            free = self._wrapped(with_free_batch(network, batch) if batch else network)
            if self._same(free, fixed, images):
                return free
        except (GraphError, SessionError, onnx.shape_inference.InferenceError):
            # Some part of the network holds on to its batch: it stays as it is.
            pass
        return fixed

    def _wrapped(self, network: ModelProto) -> WrappedGraph:
        if self.plan.is_packaged:
            return relabelled(network, self.plan.task)
        return wrap(network, self.plan.head.name, self.plan.task, self.plan.preprocessing)

    def _same(self, free: WrappedGraph, fixed: WrappedGraph, images: ImageBatch) -> bool:
        some = np.resize(images, (COMPARED_BATCH, *images.shape[1:]))
        together = rows_of(self.model, free.model, some, COMPARED_BATCH)
        alone = rows_of(self.model, fixed.model, some, self.plan.batch or 1)
        # Batches are summed in another order, which moves some objects a little.
        return not disagreement(together, alone, LOOSE)


def rows_of(model: str, graph: ModelProto, images: ImageBatch, step: int) -> RowTable:
    """Rows of all images, run in groups of exactly `step`; the last one is filled up.

    Raises:
        SessionError: ONNX Runtime refuses the graph or fails in it.
    """
    session = open_session(model, graph.SerializeToString())
    tables = []
    for start in range(0, len(images), step):
        chunk = images[start : start + step]
        filled = np.concatenate([chunk, np.repeat(chunk[-1:], step - len(chunk), axis=0)])
        try:
            (rows,) = session.run(None, {session.get_inputs()[0].name: filled})
        except Exception as error:
            raise SessionError(
                model, f"the graph fails on {step} images: {first_line(error)}"
            ) from error
        tables.append(rows[: len(chunk)])
    return np.concatenate(tables)
