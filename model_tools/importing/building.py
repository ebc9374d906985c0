"""Building, in a throw-away process: the graph of a package, its golden rows and its facts.

Nothing of a foreign file is parsed or run anywhere else. The functions that take `(arguments,
tell)` are called by the sandbox; arguments and results are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from model_tools.graph.exported import Exported
from model_tools.graph.wrapping import WrappedGraph
from model_tools.importing.fusing import Fusing, rows_of
from model_tools.importing.plan import Plan, has_size, plan_for, prepared
from model_tools.importing.precisions import Conversion, Converted
from model_tools.importing.reference import reference_rows
from model_tools.importing.request import ImportRequest
from models.errors import GraphError
from models.golden import STRICT, GoldenSet, disagreement
from models.graph.contract import check_self_contained, read_model
from models.package import GOLDEN_FILE, ONNX_FILE

Tell = Callable[..., None]
Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]

IMAGES, CALIBRATION, COMPARED = "images", "calibration", "compared"
READ_S = 60.0
ONCE_S = 6.0
ONCE_BYTES_PER_S = 20e6
RUN_S = 300.0
CONVERT_S = 900.0


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
        "fit": plan.preprocessing.fit,
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
    images = _images(arguments[IMAGES])
    ready = prepared(network, plan)
    fusing = Fusing(request.name, plan)
    fixed = fusing.fixed(ready)
    # A free image size is optimised differently, which some networks make visible.
    given = path.read_bytes() if has_size(network) else ready.SerializeToString()
    golden = _golden(request.name, given, plan, images, tell)
    tell("building the graph", seconds=RUN_S)
    fused = fusing.fused(ready, fixed, images)
    tell("comparing the graph with the network", seconds=RUN_S)
    # As few at a time as the network was asked itself: sums of other batches end otherwise.
    found = rows_of(request.name, fused.model, images, plan.batch or 1)
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
    return _facts(fused, plan, golden, result, request.confidence_threshold)


def _golden(model: str, network: bytes, plan: Plan, images: Images, tell: Tell) -> GoldenSet:
    """What the network as it was given finds on the images.

    Raises:
        GraphError: Nothing at all.
    """
    # With little patience, so that a network without an end is soon known.
    tell("running the network once", seconds=ONCE_S + len(network) / ONCE_BYTES_PER_S)
    reference_rows(model, network, plan, images[:1])
    tell("running the network as it was given", seconds=RUN_S)
    golden = GoldenSet(images, reference_rows(model, network, plan, images))
    if not golden.shows_something:
        raise GraphError(
            model,
            f"the network finds nothing on the {len(golden)} images that were to prove it; "
            "give --golden a folder with images of what it detects",
        )
    return golden


def _conversion(
    request: ImportRequest, arguments: Mapping[str, Any], fused: WrappedGraph
) -> Conversion:
    def rows(graph: ModelProto, images: Images) -> Rows:
        return rows_of(request.name, graph, images, fused.fixed_batch or 1)

    return Conversion(
        request.name,
        request.precision,
        request.confidence_threshold,
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


def _read(path: Path) -> ModelProto:
    network = read_model(path)
    check_self_contained(network)
    return network


def _images(path: str) -> Images:
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[IMAGES], np.uint8)


def _optional(arguments: Mapping[str, Any], key: str) -> Images:
    path = arguments.get(key)
    return _images(path) if path else np.zeros((0, 1, 1, 3), np.uint8)
