"""Scaling in the memory of a GPU, with a stand-in of its driver whose work the processor does.

The stand-in is compiled from the source that the GPU's work is compiled from too.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from camera_adapters import conversion, gpu_scaling
from camera_adapters.colours import to_rgb
from camera_adapters.conversion import VideoImage
from camera_adapters.errors import UnreadableFault
from camera_adapters.geometry import PADDING_VALUE, Size, ViewSpec
from camera_adapters.gpu_scaling import GpuScaler, GpuScalingError
from camera_adapters.upright import Orientation
from tests.camera_adapters.gpu_scaling_ptx import COMPILED, SOURCE, header

BT709 = to_rgb(1, ColorRange.MPEG)


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to make the stand-in of a driver with")
    built = tmp_path_factory.mktemp("driver") / "standin.so"
    source = Path(__file__).with_name("standin_driver.c")
    flags = ["-O2", "-Wall", "-Werror", "-Wno-unused-function", "-shared", "-fPIC"]
    command = [compiler, *flags, f"-I{SOURCE.parent}", "-o", str(built), str(source)]
    subprocess.run(command, check=True)
    return built


@pytest.fixture
def standin(driver):
    library = ctypes.CDLL(str(driver))
    yield library
    library.refuse(b"")


@pytest.fixture
def scaler(standin, driver, monkeypatch) -> GpuScaler:
    """The stand-in's, which every image of NV12 takes for the GPU in whose memory it is."""
    made = GpuScaler(str(driver))
    monkeypatch.setattr(gpu_scaling, "_made", [made])
    monkeypatch.setattr(conversion, "GPU_FORMAT", "nv12")
    monkeypatch.setattr(conversion, "_layout_there", lambda frame: frame.format.name)
    return made


def street(width: int, height: int) -> av.VideoFrame:
    """Smooth ground with things on it, and a sensor's noise."""
    rng = np.random.default_rng(width)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    image = np.stack([80 + 90 * across, 120 + 60 * down, 160 - 80 * across], axis=2)
    for _ in range(60):
        x, y = rng.integers(0, width - 8), rng.integers(0, height - 8)
        w, h = rng.integers(4, width // 4), rng.integers(4, height // 4)
        image[y : y + h, x : x + w] = rng.integers(20, 235, 3)
    image += rng.normal(0, 2, image.shape)
    rgb = np.clip(image, 0, 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="nv12")


def covered(plane: np.ndarray, size: Size) -> np.ndarray:
    """The average of the area that each pixel of the result covers, by its definition."""
    for axis, count in ((0, size.height), (1, size.width)):
        edges = np.linspace(0, plane.shape[axis], count + 1)
        pixels = np.arange(plane.shape[axis])
        first, last = edges[:-1, None], edges[1:, None]
        weights = np.clip(np.minimum(last, pixels + 1) - np.maximum(first, pixels), 0, None)
        weights /= weights.sum(axis=1, keepdims=True)
        plane = np.moveaxis(np.tensordot(weights, plane, (1, axis)), 0, axis)
    return plane


@pytest.mark.parametrize(
    ("full", "size"),
    [
        (Size(1920, 1080), Size(640, 360)),
        (Size(1280, 720), Size(640, 360)),
        (Size(1366, 768), Size(640, 360)),
        (Size(322, 182), Size(320, 180)),
        (Size(320, 180), Size(16, 16)),
    ],
    ids=str,
)
def test_a_pixel_is_the_average_of_what_it_covers(scaler, full, size):
    frame = street(full.width, full.height)
    planes = frame.to_ndarray().astype(float)
    luma = covered(planes[: full.height], size)
    chroma = planes[full.height :].reshape(full.height // 2, full.width // 2, 2)
    yuv = np.dstack([luma, covered(chroma, size), np.ones(luma.shape)])
    exact = np.clip(yuv @ BT709.T, 0, 255)
    found = scaler.rgb(frame, size, BT709)
    assert np.abs(found - exact).max() < 1.0


def test_an_analysis_image_is_nearly_that_of_the_processor(scaler, monkeypatch):
    frame = street(1920, 1080)
    spec = ViewSpec(Size(640, 384))
    there = VideoImage("gate-1", frame)
    found = there.views([spec])[spec]
    assert there.pixel_format == "nv12", "it was not fetched"
    monkeypatch.setattr(conversion, "GPU_FORMAT", "none")
    here = VideoImage("gate-1", frame).views([spec])[spec]
    assert found.letterbox == here.letterbox
    assert (found.image[:12] == PADDING_VALUE).all()
    assert (found.image[-12:] == PADDING_VALUE).all()
    difference = np.abs(found.image.astype(int) - here.image)
    assert difference.mean() < 0.6


def test_it_is_put_upright_as_the_processor_does(scaler, monkeypatch):
    frame = street(640, 360)
    spec = ViewSpec(Size(96, 160))
    turned = Orientation(transposed=True, mirrored=True)
    monkeypatch.setattr(conversion, "_orientation", lambda _: turned)
    found = VideoImage("gate-1", frame).views([spec])[spec].image
    monkeypatch.setattr(conversion, "GPU_FORMAT", "none")
    here = VideoImage("gate-1", frame).views([spec])[spec].image
    assert np.abs(found.astype(int) - here).mean() < 0.8


def test_what_is_not_made_smaller_is_fetched(scaler):
    image = VideoImage("gate-1", street(320, 180))
    assert image.rgb().shape == (180, 320, 3)
    assert image.pixel_format == "yuv420p"


def test_each_thread_has_memory_of_its_own_and_gives_it_back(scaler, standin):
    frame = street(640, 360)
    expected = scaler.rgb(frame, Size(160, 90), BT709)
    before = standin.rooms()
    wrong: list[str] = []

    def scale() -> None:
        for size in (Size(80, 45), Size(160, 90), Size(40, 22)):
            scaler.rgb(frame, size, BT709)
        if not np.array_equal(scaler.rgb(frame, Size(160, 90), BT709), expected):
            wrong.append("another image")

    threads = [threading.Thread(target=scale) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert standin.rooms() == before
    assert standin.capture_mode() == 2, "a captured CUDA graph elsewhere is not broken off"


@pytest.mark.parametrize("call", ["cuMemAlloc_v2", "cuLaunchKernel", "cuMemcpyDtoH_v2"])
def test_a_refusal_is_a_fault_of_the_camera_and_not_the_processor_s_work(scaler, standin, call):
    image = VideoImage("gate-1", street(640, 360))
    standin.refuse(call.encode())
    with pytest.raises(UnreadableFault) as caught:
        image.views([ViewSpec(Size(320, 180))])
    text = str(caught.value)
    assert "its images cannot be scaled on the GPU" in text
    assert f"{call} failed with CUDA_ERROR_OUT_OF_MEMORY" in text
    assert "write `decoder: cpu`" in text
    assert caught.value.__context__ is None


@pytest.mark.parametrize("call", ["cuInit", "cuModuleLoadData"])
def test_a_driver_that_refuses_from_the_start_says_so(standin, driver, call):
    standin.refuse(call.encode())
    with pytest.raises(GpuScalingError, match=f"{call} failed with CUDA_ERROR_OUT_OF_MEMORY"):
        GpuScaler(str(driver))


def test_without_a_driver_it_says_which_is_missing():
    with pytest.raises(GpuScalingError, match=r"libno-such-driver\.so cannot be loaded"):
        GpuScaler("libno-such-driver.so")


def test_what_is_compiled_is_of_this_source():
    assert COMPILED.read_text().startswith(header(SOURCE.read_bytes()))
