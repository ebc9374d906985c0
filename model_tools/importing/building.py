"""Building, in a throw-away process: the graph of a package, its golden rows and its facts.

Nothing of a foreign file is parsed or run anywhere else. The functions that take `(arguments,
report)` are called by the sandbox; arguments and results are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from model_tools.graph.exported import Exported
from model_tools.heads.task import WrappedGraph
from model_tools.importing.external_data import merge_external_data
from model_tools.importing.fusing import Fusing, rows_of
from model_tools.importing.plan import Plan, has_size, plan_for, prepared
from model_tools.importing.reference import reference_rows
from model_tools.importing.request import ImageBatch, ImportRequest
from model_tools.importing.scores import measured_scores, scores_text
from model_tools.precision import fidelity, to_fp16, to_int8
from models import GOLDEN_FILE, ONNX_FILE, STRICT, GoldenSet, GraphError, Precision, disagreement
from models.detections import Detections, thresholds_by_class
from models.graph import check_self_contained, read_model

Report = Callable[..., None]
IMAGES, CALIBRATION, COMPARED = "images", "calibration", "compared"
READ_S = 60.0
ONCE_S = 6.0
ONCE_BYTES_PER_S = 20e6
RUN_S = 300.0
CONVERT_S = 900.0


def inspect(arguments: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Says how a file would be imported: head, sizes, labels, preprocessing, scores.

    Weights that lie beside the original are merged into the copy first.

    Raises:
        GraphError: It cannot be, or an option is missing.
        ContractViolation: It is no ONNX file, or its weights cannot be had.
    """
    report("reading the network", seconds=READ_S)
    path = Path(arguments["network"])
    network = read_model(path)
    merged = merge_external_data(network, Path(arguments["beside"]))
    check_self_contained(network)
    if merged:
        path.write_bytes(network.SerializeToString())
    request = ImportRequest.model_validate(arguments["request"])
    plan = plan_for(network, request)
    notices = list(plan.notices)
    if plan.scores is None:
        report("running the network on blank images", seconds=_once_s(path))
        kind, notice = measured_scores(request.name, path.read_bytes(), plan)
        plan = replace(plan, scores=kind)
        notices.append(notice)
    if merged:
        notices.append(f"{merged:,} bytes of weights that lay beside the file are merged into it")
    metadata = plan.exported.metadata
    return {
        "head": plan.head.name,
        "package": list(plan.package),
        "network": list(plan.network),
        "fit": plan.preprocessing.fit,
        "classes": len(plan.classes),
        "labels": list(plan.labels),
        "preprocessing": plan.preprocessing_text,
        "scores": plan.scores,
        "scores_text": scores_text(plan),
        "precision": _precision(plan, request),
        "notices": notices,
        "description": metadata.get("description", "")[:200].strip(),
        "licence": metadata.get("license", "")[:200].strip(),
    }


def _precision(plan: Plan, request: ImportRequest) -> Precision:
    """What the package will have: what is asked for, or what the file has already.

    Raises:
        GraphError: A file that was lowered before is to be lowered again.
    """
    found = plan.exported.precision
    if "fp32" not in {found, request.precision}:
        raise GraphError(
            request.name,
            f"is {found} already; leave --{request.precision} out, or import the fp32 file that "
            "it was made from",
        )
    return request.precision if found == "fp32" else found


def build(arguments: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Writes `model.onnx` and `golden.npz` and returns what the manifest must say about them.

    Raises:
        GraphError: The network cannot be made into a package.
        ContractViolation: It is no self-contained ONNX file.
        SessionError: ONNX Runtime refuses it.
    """
    report("reading the network", seconds=READ_S)
    path, out = Path(arguments["network"]), Path(arguments["out"])
    request = ImportRequest.model_validate(arguments["request"])
    network = read_model(path)
    check_self_contained(network)
    plan = plan_for(network, request)
    images = _images(arguments[IMAGES])
    ready = prepared(network, plan)
    fusing = Fusing(request.name, plan)
    fixed = fusing.fixed(ready)
    # A free image size is optimised differently, which some networks make visible.
    given = path.read_bytes() if has_size(network) else ready.SerializeToString()
    golden = _golden(request.name, given, plan, images, report)
    report("building the graph", seconds=RUN_S)
    fused = fusing.fused(ready, fixed, images)
    report("comparing the graph with the network", seconds=RUN_S)
    # As few at a time as the network was asked itself: sums of other batches end otherwise.
    found = rows_of(request.name, fused.model, images, plan.batch or 1)
    problem = disagreement(found, golden.rows, STRICT)
    if problem:
        raise GraphError(
            request.name, f"the built graph differs from the network itself: {problem}; report it"
        )
    if request.precision != "fp32":
        report(f"converting to {request.precision}, and comparing with fp32", seconds=CONVERT_S)
    model, measured = _converted(request, arguments, fused)
    onnx.save_model(model, str(out / ONNX_FILE))
    golden.save(out / GOLDEN_FILE)
    graph = Exported(model)
    limits = thresholds_by_class(
        plan.labels, request.confidence_threshold, request.class_thresholds
    )
    return {
        "input": graph.inputs[0].name,
        "output": graph.first_output.name,
        "rows": fused.rows,
        "opset": graph.opset,
        "fixed_batch": fused.fixed_batch,
        "batch_of_file": plan.batch,
        "objects": sum(len(Detections.from_rows(rows, limits)) for rows in golden.rows),
        "measured": measured,
    }


def _golden(
    model: str, network: bytes, plan: Plan, images: ImageBatch, report: Report
) -> GoldenSet:
    """What the network as it was given finds on the images.

    Raises:
        GraphError: Nothing at all.
    """
    report("running the network once", seconds=ONCE_S + len(network) / ONCE_BYTES_PER_S)
    reference_rows(model, network, plan, images[:1])
    report("running the network as it was given", seconds=RUN_S)
    golden = GoldenSet(images, reference_rows(model, network, plan, images))
    if not golden.shows_something:
        raise GraphError(
            model,
            f"the network finds nothing on the {len(golden)} images that should verify it; "
            "give --golden a folder with images of what it detects",
        )
    return golden


def _converted(
    request: ImportRequest, arguments: Mapping[str, Any], fused: WrappedGraph
) -> tuple[ModelProto, dict[str, float]]:
    """The graph in the requested precision, and what that changed against fp32.

    Raises:
        GraphError: It cannot be converted.
    """
    if request.precision == "fp32":
        return fused.model, {}
    if request.precision == "fp16":
        lowered = to_fp16(fused.model, name=request.name)
    else:
        lowered = to_int8(fused.model, _images(arguments[CALIBRATION]), name=request.name)
    compared, step = _images(arguments[COMPARED]), fused.fixed_batch or 1
    before, after = (rows_of(request.name, one, compared, step) for one in (fused.model, lowered))
    return lowered, fidelity(before, after, request.confidence_threshold).as_measured()


def _once_s(path: Path) -> float:
    """The limit of one run: short, so that a network without an end is soon known."""
    return ONCE_S + path.stat().st_size / ONCE_BYTES_PER_S


def _images(path: str) -> ImageBatch:
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[IMAGES], np.uint8)
