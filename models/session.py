"""Sessions: the door to ONNX Runtime for everything that runs a graph.

Threads are set explicitly because ONNX Runtime would otherwise take every core of the host, and a
wanted GPU that is not in use after loading is an error, because a silent fall-back to the CPU would
pass for a slow success.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.errors import SessionError
from models.gpu_context import wait_asleep

Provider = Literal["cpu", "cuda"]
WantedProvider = Literal["cpu", "cuda", "auto"]
CUDA_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3
"""ONNX Runtime's log level; its warnings are about graph details, its refusals become errors."""
AGAIN = "export the network again with supported operators"
NO_GPU = "check the GPU driver and the CUDA libraries, or run it with provider: cpu"
CUDA_FAILURE = re.compile(r"CUDA failure \d+: [^;]+")
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "cudnn_conv_use_max_workspace": "1",
    # The layout of tensor cores.
    "prefer_nhwc": "1",
}


def open_session(model: str, graph: Path | bytes, *, threads: int = 1) -> ort.InferenceSession:
    """Opens a session on the CPU.

    Args:
        model: Who it is, for errors and logs.
        graph: The ONNX file, or its bytes; with bytes no file can be pulled in from beside it.
        threads: Threads inside one run.

    Raises:
        SessionError: ONNX Runtime refuses the graph.
    """
    return _session(model, graph, _options(threads), [CPU_PROVIDER], AGAIN)


def provider_for(model: str, wanted: WantedProvider) -> Provider:
    """The provider to use, as far as the installed library says; `auto` takes a GPU.

    Raises:
        SessionError: A GPU is wanted, and the library cannot use one.
    """
    if wanted == "cpu" or (wanted == "auto" and not has_cuda()):
        return "cpu"
    if not has_cuda():
        raise SessionError(
            model, "the installed ONNX Runtime has no CUDA provider; install the gpu extra"
        )
    return "cuda"


@dataclass(frozen=True, slots=True)
class BatchTensors:
    """The tensors of a graph in one batch size.

    Attributes:
        input: Name of the images.
        images: Their shape, (N, H, W, 3) uint8.
        output: Name of the rows.
        rows: Their shape, (N, M, 6) float32.
        free: Name of the graph's free batch dimension, empty where the batch is fixed.
    """

    input: str
    images: tuple[int, ...]
    output: str
    rows: tuple[int, ...]
    free: str


class BoundSession:
    """A graph in one batch size whose tensors stay where they are on the device.

    Nothing of a graph on a GPU is left to the CPU, or it is an error. All runs have to be on the
    thread that made it: ONNX Runtime keeps a captured CUDA graph per thread. While one is made, no
    other thread of this process may use the GPU.
    """

    def __init__(
        self,
        model: str,
        graph: bytes,
        tensors: BatchTensors,
        *,
        device: Provider = "cuda",
        captured: bool = True,
    ) -> None:
        """Loads the graph and runs it once, which tunes it and captures its CUDA graph.

        Args:
            model: Who it is, for errors.
            graph: The graph's bytes.
            tensors: Names and shapes.
            device: Where it runs.
            captured: Whether a GPU replays its kernels as one CUDA graph; for fixed shapes alone.

        Raises:
            SessionError: ONNX Runtime refuses the graph or the device, leaves a part of the graph
                to the CPU, or cannot capture it.
        """
        self._model = model
        options = _options(threads=1)
        if tensors.free:
            options.add_free_dimension_override_by_name(tensors.free, tensors.images[0])
        if device == "cuda":
            self._session = _session_on_gpu(model, graph, options, captured=captured)
        else:
            self._session = _session(model, graph, options, [CPU_PROVIDER], AGAIN)
        self._staged = np.zeros(tensors.images, np.uint8)
        self._images = ort.OrtValue.ortvalue_from_numpy(self._staged, device, 0)
        self._rows = ort.OrtValue.ortvalue_from_shape_and_type(tensors.rows, np.float32, device, 0)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(tensors.input, self._images)
        self._binding.bind_ortvalue_output(tensors.output, self._rows)
        self.run(self._staged)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Rows (N, M, 6) of at most as many images (N, H, W, 3) as the batch size.

        Raises:
            SessionError: ONNX Runtime failed.
        """
        count = len(images)
        if count < len(self._staged) or not images.flags.c_contiguous:
            # What is left of earlier images in the other rows gives rows that nobody takes.
            self._staged[:count] = images
            images = self._staged
        try:
            self._images.update_inplace(images)
            self.infer()
            rows: npt.NDArray[np.float32] = self._rows.numpy()
        except Exception as error:
            raise SessionError(
                self._model, f"inference on {count} images failed: {first_line(error)}"
            ) from error
        return rows[:count].copy()

    def infer(self) -> None:
        """Runs the graph on the images that are on the device already, and leaves the rows there.

        Raises what ONNX Runtime raises.
        """
        self._session.run_with_iobinding(self._binding)

    def placement(self) -> dict[str, dict[str, int]]:
        """See `placement`."""
        return placement(self._session)


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
    """The first line of an error, which is where ONNX Runtime says what it is about.

    Of a failure of a GPU what CUDA says, without the source code around it.
    """
    failure = CUDA_FAILURE.search(str(error))
    if failure is not None:
        return failure[0].strip()
    return (str(error).splitlines() or [type(error).__name__])[0]


def _session_on_gpu(
    model: str, graph: bytes, options: ort.SessionOptions, *, captured: bool
) -> ort.InferenceSession:
    """A session of which every node runs on the GPU."""
    wait_asleep()
    ort.preload_dlls()
    # What belongs to no session is logged apart.
    ort.set_default_logger_severity(ERRORS_ONLY)
    chosen = {**CUDA_OPTIONS, "enable_cuda_graph": str(int(captured))}
    session = _session(model, graph, options, [(CUDA_PROVIDER, chosen), CPU_PROVIDER], NO_GPU)
    if session.get_providers()[0] != CUDA_PROVIDER:
        raise SessionError(model, f"fell back to the CPU; {NO_GPU}")
    check_placement(model, placement(session))
    return session


def check_placement(model: str, placed: Mapping[str, Mapping[str, int]]) -> None:
    """Refuses a model of which ONNX Runtime runs a part elsewhere than on the GPU.

    Raises:
        SessionError: It does; the text names the operators.
    """
    elsewhere = [parts for provider, parts in placed.items() if provider != CUDA_PROVIDER]
    left = sum(sum(parts.values()) for parts in elsewhere)
    if left:
        names = ", ".join(sorted({name for parts in elsewhere for name in parts}))
        every = sum(sum(parts.values()) for parts in placed.values())
        raise SessionError(
            model,
            f"{left} of its {every} nodes would run on the CPU and not on the GPU ({names}); "
            "export the network with operators that ONNX Runtime has for CUDA, "
            "or run it with provider: cpu",
        )


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads would burn the cores that decoders need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Otherwise it is unknown afterwards which nodes a GPU left to the CPU.
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _session(
    model: str,
    graph: Path | bytes,
    options: ort.SessionOptions,
    providers: list[str | tuple[str, dict[str, str]]],
    remedy: str,
) -> ort.InferenceSession:
    source = str(graph) if isinstance(graph, Path) else graph
    try:
        # Otherwise it makes itself anew on the CPU, then or when a later run fails.
        return ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:
        place = f"{graph}: " if isinstance(graph, Path) else ""
        raise SessionError(
            model,
            f"{place}ONNX Runtime cannot load it ({first_line(error)}); {remedy}",
        ) from error
