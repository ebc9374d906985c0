"""Sessions: the door to ONNX Runtime for everything that runs a graph.

Threads are set explicitly because ONNX Runtime would otherwise take every core of the host, and a
wanted GPU that is not in use after loading is an error, because a silent fall-back to the CPU would
pass for a slow success.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import onnxruntime as ort

from models.errors import SessionError

logger = logging.getLogger(__name__)

Provider = Literal["cpu", "cuda"]
WantedProvider = Literal["cpu", "cuda", "auto"]
CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3
"""ONNX Runtime's log level; its warnings are about graph details, its refusals become errors."""
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "cudnn_conv_use_max_workspace": "1",
}


def open_session(
    model: str, graph: Path | bytes, *, threads: int = 1, provider: WantedProvider = "cpu"
) -> tuple[ort.InferenceSession, Provider]:
    """Opens a session and says where it really runs.

    Args:
        model: Who it is, for errors and logs.
        graph: The ONNX file, or its bytes; with bytes no file can be pulled in from beside it.
        threads: Threads inside one run.
        provider: `auto` takes the GPU where there is one.

    Raises:
        SessionError: ONNX Runtime refuses the graph or the provider.
    """
    if provider == "cpu":
        return _session(model, graph, threads, [CPU_PROVIDER]), "cpu"
    if not has_cuda():
        if provider == "auto":
            return _session(model, graph, threads, [CPU_PROVIDER]), "cpu"
        raise SessionError(
            model, "the installed ONNX Runtime has no CUDA provider; install the gpu extra"
        )
    ort.preload_dlls()
    session = _session(model, graph, threads, [(CUDA_PROVIDER, CUDA_OPTIONS), CPU_PROVIDER])
    if session.get_providers()[0] == CUDA_PROVIDER:
        return session, "cuda"
    if provider == "auto":
        logger.warning("detector_gpu_unusable", extra={"model": model})
        return session, "cpu"
    raise SessionError(model, "fell back to the CPU; check the GPU driver and the CUDA libraries")


def placement(session: ort.InferenceSession) -> dict[str, dict[str, int]]:
    """Which provider runs how many nodes of which operator; empty if the library does not say."""
    found: dict[str, dict[str, int]] = {}
    assignment = getattr(session, "get_provider_graph_assignment_info", None)
    for part in assignment() if assignment is not None else ():
        operators = found.setdefault(part.ep_name, {})
        for node in part.get_nodes():
            operators[node.op_type] = operators.get(node.op_type, 0) + 1
    return found


def has_cuda() -> bool:
    """Whether the installed ONNX Runtime can use a GPU at all."""
    return CUDA_PROVIDER in ort.get_available_providers()


def runtime_version() -> str:
    """The version of ONNX Runtime."""
    return str(ort.__version__)


def first_line(error: Exception) -> str:
    """The first line of an error, which is where ONNX Runtime says what it is about."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _session(
    model: str,
    graph: Path | bytes,
    threads: int,
    providers: list[str | tuple[str, dict[str, str]]],
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads would burn the cores that decoders need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Otherwise it is unknown afterwards which nodes a GPU left to the CPU.
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    source = str(graph) if isinstance(graph, Path) else graph
    try:
        return ort.InferenceSession(source, options, providers=providers)
    except Exception as error:
        place = f"{graph}: " if isinstance(graph, Path) else ""
        raise SessionError(
            model,
            f"{place}ONNX Runtime cannot load it ({first_line(error)}); "
            "export the network again with supported operators",
        ) from error
