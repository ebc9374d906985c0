"""What runs on a GPU, as far as the CPU can stand in for one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from models import gpu_runners
from models.detector import Detector
from models.errors import SessionError
from models.gpu_runners import CaptureGate, GpuGraph, GpuRunners
from models.session import check_placement, first_line, has_cuda
from tests.models.tiny import random_images, tiny_package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return tiny_package(tmp_path_factory.mktemp("packages"))


def opener(package):
    graph = GpuGraph.of(package, package.onnx_path.read_bytes())
    return lambda size, captured: graph.open(size, captured=captured, device="cpu")


@pytest.fixture(scope="module")
def runners(package):
    return GpuRunners("tiny/1", opener(package), [1, 4])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_runners_give_the_rows_of_a_plain_session(package, runners, count):
    images = random_images(count, count)
    images.flags.writeable = False
    np.testing.assert_array_equal(runners.run(images), Detector(package).run(images))


def test_rows_stay_as_they_are_while_the_runner_goes_on(runners):
    first = runners.run(random_images(2, 1))
    kept = first.copy()
    for seed in range(2, 6):
        runners.run(random_images(2, seed))
    np.testing.assert_array_equal(first, kept)


def test_several_threads_share_the_runners(package, runners):
    batches = [random_images(1 + seed % 4, seed) for seed in range(12)]
    plain = Detector(package)
    with ThreadPoolExecutor(4) as pool:
        for images, rows in zip(batches, pool.map(runners.run, batches), strict=True):
            np.testing.assert_array_equal(rows, plain.run(images))


class Recorded:
    """Stands in for a session; notes whether it runs on the thread that opened it."""

    def __init__(self, ran):
        self._opened_on, self._ran = threading.get_ident(), ran

    def run(self, images):
        self._ran.append(threading.get_ident() == self._opened_on)
        return np.zeros((len(images), 20, 6), np.float32)


def test_a_session_runs_on_the_thread_that_opened_it():
    ran = []
    runners = GpuRunners("tiny/1", lambda size, captured: Recorded(ran), [1, 2])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(runners.run, [random_images(1), random_images(2)] * 4))
    assert ran == [True] * 8


def test_what_cannot_be_captured_runs_without_a_cuda_graph(package, caplog):
    asked, plain = [], opener(package)

    def refusing(size, captured):
        asked.append((size, captured))
        if captured:
            raise SessionError("tiny/1", "operation not permitted when stream is capturing")
        return plain(size, captured)

    with caplog.at_level("INFO"):
        rows = GpuRunners("tiny/1", refusing, [1]).run(random_images(1))
    assert rows.shape[0] == 1
    assert asked == [(1, True), (1, False)] * gpu_runners.IN_FLIGHT
    assert "gpu_graph_not_captured" in caplog.text


@pytest.mark.skipif(has_cuda(), reason="this ONNX Runtime has a GPU provider")
def test_a_gpu_that_fails_is_an_error_and_not_the_cpu(package, monkeypatch):
    monkeypatch.setattr("models.session.has_cuda", lambda: True)
    with pytest.raises(SessionError, match=r"tiny/1: .*check the GPU driver.*provider: cpu"):
        Detector(package, provider="cuda")
    images = random_images(2)
    fallen = Detector(package, provider="auto")
    assert fallen.provider == "cpu"
    np.testing.assert_array_equal(fallen.run(images), Detector(package).run(images))


def test_a_part_that_is_left_to_the_cpu_is_an_error():
    check_placement("tiny/1", {"CUDAExecutionProvider": {"Conv": 3}})
    check_placement("tiny/1", {})
    placed = {"CUDAExecutionProvider": {"Conv": 3}, "CPUExecutionProvider": {"Unique": 1}}
    with pytest.raises(SessionError, match=r"tiny/1: 1 of its 4 nodes .*\(Unique\).*provider: cpu"):
        check_placement("tiny/1", placed)


class PartlyOnGpu:
    """Stands in for a session that ONNX Runtime opened on a GPU and left a node of to the CPU."""

    asked: ClassVar[dict[str, object]] = {}

    def __init__(self, *_, **how):
        self.asked.update(how)

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self):
        nodes = [SimpleNamespace(op_type="Unique")]
        return [SimpleNamespace(ep_name="CPUExecutionProvider", get_nodes=lambda: nodes)]


def test_a_session_on_a_gpu_is_whole_and_never_made_anew_on_the_cpu(package, monkeypatch):
    monkeypatch.setattr("models.session.has_cuda", lambda: True)
    monkeypatch.setattr("models.session.ort.InferenceSession", PartlyOnGpu)
    with pytest.raises(SessionError, match="1 of its 1 nodes would run on the CPU"):
        Detector(package, provider="cuda")
    assert PartlyOnGpu.asked["enable_fallback"] == 0
    assert PartlyOnGpu.asked["providers"][0][0] == "CUDAExecutionProvider"


def test_a_failure_of_the_gpu_is_said_in_cudas_words():
    error = RuntimeError(
        "/src/cuda_call.cc:146 std::conditional_t<THRW> CUDA failure 100: no CUDA-capable device "
        "is detected ; GPU=-1 ; hostname=vm ; file=/src/provider.cc"
    )
    assert first_line(error) == "CUDA failure 100: no CUDA-capable device is detected"


def test_a_capture_waits_for_runs_and_keeps_new_ones_out():
    gate, order = CaptureGate(), []
    inside, leave = threading.Event(), threading.Event()

    def run():
        with gate.running():
            inside.set()
            leave.wait(5)
            order.append("run")

    def capture():
        with gate.capturing():
            order.append("capture")

    def run_later():
        with gate.running():
            order.append("later run")

    threads = [threading.Thread(target=one) for one in (run, capture, run_later)]
    threads[0].start()
    assert inside.wait(5)
    threads[1].start()
    while not gate._capturing:
        pass
    threads[2].start()
    leave.set()
    for thread in threads:
        thread.join(5)
    assert order == ["run", "capture", "later run"]
