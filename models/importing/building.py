"""Building, in a throw-away process: the graph of a package, its golden rows and its facts.

Nothing of a foreign file is parsed or run anywhere else. The functions that take `(arguments,
tell)` are called by the sandbox; arguments and results are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from models.errors import GraphError, SessionError
from models.golden import LOOSE, STRICT, GoldenSet, disagreement
from models.graph.contract import check_self_contained, read_model
from models.graph.exported import Exported
from models.graph.fixed_batch import pinned, with_free_batch
from models.graph.packaged import relabelled
from models.graph.wrapping import WrappedGraph, wrap
from models.importing.plan import Plan, has_size, plan_for, prepared
from models.importing.precisions import Conversion, Converted
from models.importing.reference import reference_rows
from models.importing.request import ImportRequest
from models.package import GOLDEN_FILE, ONNX_FILE
from models.session import open_session

Tell = Callable[..., None]
Pictures = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]

PICTURES, CALIBRATION, COMPARED = "pictures", "calibration", "compared"
READ_S = 60.0
ONCE_S = 6.0
ONCE_BYTES_PER_S = 20e6
RUN_S = 300.0
CONVERT_S = 900.0
PROOF_BATCH = 3


def inspect(arguments: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Says how a file would be imported: head, sizes, labels, preprocessing.

    Raises:
        GraphError: It cannot be, or something must be told first.
        ContractViolation: It is no self-contained ONNX file.
    """
    tell("reading the network", seconds=READ_S)
    network = _read(Path(arguments["network"]))
    plan = plan_for(network, ImportRequest.model_validate(arguments["request"]))
    metadata = Exported(network).metadata
    return {
        "head": plan.head,
        "package": list(plan.package),
        "network": list(plan.network),
        "classes": len(plan.classes),
        "labels": list(plan.labels),
        "preprocessing": plan.told,
        "notices": list(plan.notices),
        "description": metadata.get("description", "")[:200].strip(),
        "licence": metadata.get("license", "")[:200].strip(),
    }


def build(arguments: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Writes `model.onnx` and `golden.npz` and returns what the manifest must say about them.

    Raises:
        GraphError: The network cannot be made into a package.
        ContractViolation: It is no self-contained ONNX file.
        SessionError: ONNX Runtime refuses it.
    """
    tell("reading the network", seconds=READ_S)
    path, out = Path(arguments["network"]), Path(arguments["out"])
    request = ImportRequest.model_validate(arguments["request"])
    network = _read(path)
    plan = plan_for(network, request)
    pictures = _pictures(arguments[PICTURES])
    ready = prepared(network, plan)
    fusing = _Fusing(request.name, plan)
    fixed = fusing.fixed(ready)
    # With little patience, so that a network without an end is soon known.
    tell("running the network once", seconds=ONCE_S + path.stat().st_size / ONCE_BYTES_PER_S)
    reference_rows(request.name, path.read_bytes(), plan, pictures[:1])
    tell("running the network as it was given", seconds=RUN_S)
    # A free picture size is optimised differently, which some networks make visible.
    given = path.read_bytes() if has_size(network) else ready.SerializeToString()
    golden = GoldenSet(pictures, reference_rows(request.name, given, plan, pictures))
    if not golden.shows_something:
        raise GraphError(
            request.name,
            f"the network finds nothing on the {len(golden)} pictures that were to prove it; "
            "give --golden a folder with pictures of what it detects",
        )
    tell("building the graph", seconds=RUN_S)
    fused = fusing.fused(ready, fixed, pictures)
    tell("comparing the graph with the network", seconds=RUN_S)
    # As few at a time as the network was asked itself: sums of other batches end otherwise.
    found = _run(request.name, fused.model, pictures, plan.batch or 1)
    problem = disagreement(found, golden.rows, STRICT)
    if problem:
        raise GraphError(
            request.name, f"the built graph differs from the network itself: {problem}; report it"
        )
    if request.precision != "fp32":
        tell(f"converting to {request.precision}, and comparing with fp32", seconds=CONVERT_S)
    result = _conversion(request, arguments, fused).converted(fused.model)
    onnx.save_model(result.model, str(out / ONNX_FILE))
    golden.save(out / GOLDEN_FILE)
    return _facts(fused, plan, golden, result, request.least_in_service)


def _conversion(
    request: ImportRequest, arguments: Mapping[str, Any], fused: WrappedGraph
) -> Conversion:
    def rows(graph: ModelProto, pictures: Pictures) -> Rows:
        return _run(request.name, graph, pictures, fused.fixed_batch or 1)

    return Conversion(
        request.name,
        request.precision,
        request.least_in_service,
        _optional(arguments, CALIBRATION),
        _optional(arguments, COMPARED),
        rows,
    )


def _facts(
    fused: WrappedGraph, plan: Plan, golden: GoldenSet, result: Converted, threshold: float
) -> dict[str, Any]:
    graph = Exported(result.model)
    return {
        "input": graph.inputs[0].name,
        "output": graph.first_output.name,
        "rows": fused.rows,
        "opset": graph.opset,
        "fixed_batch": fused.fixed_batch,
        "batch_of_file": plan.batch,
        "objects": int((golden.rows[:, :, 4] > threshold).sum()),
        "measured": result.measured,
    }


@dataclass(frozen=True, slots=True)
class _Fusing:
    """Wraps a network, with a free batch if that proves to give the same."""

    model: str
    plan: Plan

    def fixed(self, network: ModelProto) -> WrappedGraph:
        """The graph for exactly as many pictures as the network takes, or one.

        Raises:
            GraphError: The network's tensors are not those of the head.
        """
        return self._wrapped(pinned(network, self.plan.batch or 1))

    def fused(self, network: ModelProto, fixed: WrappedGraph, pictures: Pictures) -> WrappedGraph:
        """The graph for any number of pictures, if that proves to give the same as `fixed`."""
        try:
            batch = self.plan.batch
            free = self._wrapped(with_free_batch(network, batch) if batch else network)
            if self._same(free, fixed, pictures):
                return free
        except (GraphError, SessionError, onnx.shape_inference.InferenceError):
            # Some part of the network holds on to its batch: it stays as it is.
            pass
        return fixed

    def _wrapped(self, network: ModelProto) -> WrappedGraph:
        if self.plan.head == "packaged":
            return relabelled(network, self.plan.task)
        return wrap(network, self.plan.head, self.plan.task, self.plan.preprocessing)

    def _same(self, free: WrappedGraph, fixed: WrappedGraph, pictures: Pictures) -> bool:
        some = np.resize(pictures, (PROOF_BATCH, *pictures.shape[1:]))
        together = _run(self.model, free.model, some, PROOF_BATCH)
        alone = _run(self.model, fixed.model, some, fixed.fixed_batch)
        # Batches are summed in another order, which moves weak objects of some networks a little.
        return not disagreement(together, alone, LOOSE)


def _run(model: str, graph: ModelProto, pictures: Pictures, step: int | None) -> Rows:
    """Rows of all pictures, run in groups of exactly `step`.

    Raises:
        SessionError: ONNX Runtime refuses the graph or fails in it.
    """
    session, _ = open_session(model, graph.SerializeToString())
    step = step or len(pictures)
    tables = []
    for start in range(0, len(pictures), step):
        chunk = pictures[start : start + step]
        filled = np.concatenate([chunk, np.repeat(chunk[-1:], step - len(chunk), axis=0)])
        try:
            (rows,) = session.run(None, {session.get_inputs()[0].name: filled})
        except Exception as error:
            raise SessionError(model, f"the graph fails on {step} pictures: {error}") from error
        tables.append(rows[: len(chunk)])
    return np.concatenate(tables)


def _read(path: Path) -> ModelProto:
    network = read_model(path)
    check_self_contained(network)
    return network


def _pictures(path: str) -> Pictures:
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[PICTURES], np.uint8)


def _optional(arguments: Mapping[str, Any], key: str) -> Pictures:
    path = arguments.get(key)
    return _pictures(path) if path else np.zeros((0, 1, 1, 3), np.uint8)
