"""Scaling on a GPU: a decoded image in its memory becomes a small RGB image in this computer's.

The small image alone travels, and no processor scales anything. The work is that of
`gpu_scaling.cu` on the stream on which FFmpeg decodes, so that it comes after the decoding; it is
compiled for a virtual GPU, and the driver compiles it for the one at hand. Needs the driver alone.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from camera_adapters.frame import Image
from camera_adapters.geometry import Size

DRIVER: Final = "libcuda.so.1"
COMPILED: Final = Path(__file__).with_name("gpu_scaling.ptx")
KERNEL: Final = b"scale_nv12"
SCALED_FORMATS: Final = frozenset({"nv12"})
"""What the video engines give of video with 8 bits and 4:2:0."""

BLOCK: Final = (32, 8)
"""Threads of a block: pixels of the result side by side, and rows."""

_RELAXED: Final = 2
"""`CU_STREAM_CAPTURE_MODE_RELAXED`: does not break off the capture of a model's CUDA graph."""


class GpuScalingError(Exception):
    """The driver refused; the text says what it was asked for and what it said."""


class _Scaling(ctypes.Structure):
    """The structure of the same name in `gpu_scaling.cu`."""

    _fields_ = (
        ("luma", ctypes.c_uint64),
        ("chroma", ctypes.c_uint64),
        ("rgb", ctypes.c_uint64),
        ("luma_pitch", ctypes.c_int),
        ("chroma_pitch", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("to_width", ctypes.c_int),
        ("to_height", ctypes.c_int),
        ("to_rgb", ctypes.c_float * 12),
    )


@dataclass(frozen=True, slots=True)
class _Room:
    """Memory of the GPU, given back with the thread whose it is."""

    library: ctypes.CDLL
    context: ctypes.c_void_p
    address: int
    nbytes: int

    def __del__(self) -> None:
        # Whoever collects it may be no thread of the context; too late for errors.
        self.library.cuCtxSetCurrent(self.context)
        self.library.cuMemFree_v2(ctypes.c_uint64(self.address))


class GpuScaler:
    """Scales images in the memory of the first GPU that this process sees; from any thread."""

    def __init__(self, driver: str = DRIVER) -> None:
        """Loads the work into the context that FFmpeg shares with everybody in this process.

        Raises:
            GpuScalingError: There is no driver, or it refuses.
        """
        try:
            self._library = ctypes.CDLL(driver)
        except OSError as error:
            raise GpuScalingError(f"{driver} cannot be loaded ({error})") from None
        device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self._own = threading.local()
        self._enter()
        module, self._kernel = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), COMPILED.read_bytes() + b"\0")
        self._call("cuModuleGetFunction", ctypes.byref(self._kernel), module, KERNEL)

    def rgb(self, frame: VideoFrame, size: Size, to_rgb: npt.NDArray[np.float64]) -> Image:
        """The image as it is stored, (H, W, 3) uint8 RGB at `size`.

        Args:
            frame: In the memory of the GPU, in one of `SCALED_FORMATS`.
            size: At most that of the frame in both directions.
            to_rgb: (3, 4), Y, Cb, Cr and 1 in 8 bits → R, G, B in 0..255.

        Raises:
            GpuScalingError: The driver refuses.
        """
        self._enter()
        image = np.empty((size.height, size.width, 3), np.uint8)
        room = self._room(image.nbytes)
        luma, chroma = frame.planes
        scaling = _Scaling(
            luma.buffer_ptr,
            chroma.buffer_ptr,
            room,
            luma.line_size,
            chroma.line_size,
            frame.width,
            frame.height,
            size.width,
            size.height,
            (ctypes.c_float * 12)(*to_rgb.ravel()),
        )
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(scaling))
        blocks = -(-size.width // BLOCK[0]), -(-size.height // BLOCK[1])
        self._call("cuLaunchKernel", self._kernel, *blocks, 1, *BLOCK, 1, 0, None, parameters, None)
        # Waits for all of it.
        target, source = ctypes.c_void_p(image.ctypes.data), ctypes.c_uint64(room)
        self._call("cuMemcpyDtoH_v2", target, source, ctypes.c_size_t(image.nbytes))
        return image

    def _enter(self) -> None:
        """Makes this thread one of the context's."""
        if getattr(self._own, "entered", False):
            return
        mode = ctypes.c_int(_RELAXED)
        self._call("cuCtxSetCurrent", self._context)
        self._call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))
        self._own.entered = True

    def _room(self, nbytes: int) -> int:
        """Address of memory of the GPU for the results of this thread."""
        room: _Room | None = getattr(self._own, "room", None)
        if room is None or room.nbytes < nbytes:
            # The smaller one goes first.
            self._own.room = room = None
            address = ctypes.c_uint64()
            self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(nbytes))
            self._own.room = room = _Room(self._library, self._context, address.value, nbytes)
        return room.address

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise GpuScalingError(f"{name} failed with {self._said(code)}")

    def _said(self, code: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorName(code, ctypes.byref(text))
        return text.value.decode() if text.value else f"code {code}"


_making = threading.Lock()
_made: list[GpuScaler] = []


def gpu_scaler() -> GpuScaler:
    """That of this process.

    Raises:
        GpuScalingError: There is no driver, or it refuses; asked again it tries again.
    """
    with _making:
        if not _made:
            _made.append(GpuScaler())
        return _made[0]
