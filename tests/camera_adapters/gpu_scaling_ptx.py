"""`python -m tests.camera_adapters.gpu_scaling_ptx`: compiles the scaling of images on a GPU anew.

Needs no GPU, but NVIDIA's compiler library: `pip install nvidia-cuda-nvrtc-cu12==12.1.105`, with
its `libnvrtc.so.12` in LD_LIBRARY_PATH. A newer one gives PTX that older drivers refuse.
"""

from __future__ import annotations

import ctypes
import hashlib
from pathlib import Path

import camera_adapters

SOURCE = Path(camera_adapters.__file__).parent / "gpu_scaling.cu"
COMPILED = SOURCE.with_suffix(".ptx")
LIBRARY = "libnvrtc.so.12"
ARCHITECTURE = "compute_70"


def header(source: bytes) -> str:
    """The first line of what is compiled from a source."""
    return f"// {SOURCE.name}, SHA-256 {hashlib.sha256(source).hexdigest()}\n"


def compiled(source: bytes) -> str:
    """PTX for every GPU since V100 and T4."""
    library = ctypes.CDLL(LIBRARY)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    name = SOURCE.name.encode()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source, name, 0, None, None) == 0
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={ARCHITECTURE}".encode())
    failed = library.nvrtcCompileProgram(program, len(options), options)
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert not failed, log.value.decode()
    assert library.nvrtcGetPTXSize(program, ctypes.byref(size)) == 0
    text = ctypes.create_string_buffer(size.value)
    assert library.nvrtcGetPTX(program, text) == 0
    return text.value.decode()


if __name__ == "__main__":
    content = SOURCE.read_bytes()
    COMPILED.write_text(header(content) + compiled(content))
