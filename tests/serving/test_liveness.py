"""A worker that falls silent or whose loop hangs is replaced; the limits are short here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import psutil
import pytest

from cityeye.logs import log_to_file
from models.package import ModelPackage
from serving.city import City
from serving.city_plan import Liveness
from serving.worker_state import WorkerState
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.test_city import analysed, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def watched(
    liveness: Liveness,
    clip: TinyClip,
    package: ModelPackage,
    folder: Path,
    memory_bytes: int | Literal["auto"] = "auto",
) -> Iterator[City]:
    """A city of one camera, whose worker runs the model itself: it starts soonest."""
    receiver = Receiver()
    source = f"{clip.path.as_uri()}?realtime=1&loop=1"
    plan = city_plan({"gate": source}, package, folder, receiver.url, detector="in_process")
    wish = replace(plan.wish, worker_memory_bytes=memory_bytes)
    city = City(replace(plan, liveness=liveness, wish=wish, log_to=log_to_file))
    try:
        yield city
    finally:
        city.stop()
        receiver.close()


def only(city: City) -> WorkerState:
    (state,) = city.workers()
    return state


def processes(folder: Path) -> list[psutil.Process]:
    """The camera workers that have a file of this city open."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "ray::CameraWorker" in " ".join(process.cmdline())
        and any(file.path.startswith(str(folder)) for file in process.open_files())
    ]


def test_a_silent_worker_is_replaced_and_its_process_is_gone(
    running_cluster: RunningCluster, tiny_clip: TinyClip, brightness: ModelPackage, tmp_path: Path
) -> None:
    assert running_cluster.api_port
    liveness = Liveness(snapshot_timeout_s=0.5, silent_after_s=2.0)
    with watched(liveness, tiny_clip, brightness, tmp_path) as city:
        wait_until(lambda: analysed(only(city)) > 0, "a first frame")
        (stuck,) = processes(tmp_path)
        os.kill(stuck.pid, signal.SIGSTOP)
        wait_until(lambda: only(city).restarts == 1, "a replacement")
        wait_until(lambda: only(city).alive and analysed(only(city)) > 0, "work again")
        wait_until(lambda: not stuck.is_running(), "the silent process to be gone")
        assert only(city).restarts == 1
    assert "does not answer" in (tmp_path / "state" / "director.log").read_text("utf-8")


def test_a_city_without_a_director_stops_its_workers_itself(
    running_cluster: RunningCluster, tiny_clip: TinyClip, brightness: ModelPackage, tmp_path: Path
) -> None:
    assert running_cluster.api_port
    with watched(Liveness(), tiny_clip, brightness, tmp_path) as city:
        wait_until(lambda: analysed(only(city)) > 0, "a first frame")
        (worker,) = processes(tmp_path)
        for process in psutil.Process().children(recursive=True):
            if process.cmdline() and process.cmdline()[0].startswith("ray::Director"):
                process.kill()
        assert worker.is_running()
    wait_until(lambda: not worker.is_running(), "the worker to be gone")
    # What is killed leaves the journal of its database behind.
    assert (tmp_path / "state" / "worker-0" / "outbox.db").exists()
    assert not (tmp_path / "state" / "worker-0" / "outbox.db-wal").exists()


def test_a_worker_whose_frame_loop_hangs_is_replaced(
    running_cluster: RunningCluster, tiny_clip: TinyClip, brightness: ModelPackage, tmp_path: Path
) -> None:
    """No frame loop comes round within a microsecond."""
    assert running_cluster.api_port
    with watched(Liveness(hang_after_s=1e-6), tiny_clip, brightness, tmp_path) as city:
        wait_until(lambda: only(city).restarts > 0, "a replacement")
    assert "its frame loop hangs for" in (tmp_path / "state" / "director.log").read_text("utf-8")


def test_a_worker_that_holds_too_much_memory_is_replaced_and_the_reason_is_said(
    running_cluster: RunningCluster, tiny_clip: TinyClip, brightness: ModelPackage, tmp_path: Path
) -> None:
    """No worker does with a byte."""
    assert running_cluster.api_port
    with watched(Liveness(), tiny_clip, brightness, tmp_path, memory_bytes=1) as city:
        wait_until(lambda: only(city).restarts > 0, "a replacement")
        problem = "it holds "
        wait_until(lambda: problem in only(city).problem, "the reason")
        assert "MiB of memory, more than the 0 MiB of `workers.memory_mib`" in only(city).problem
    assert problem in (tmp_path / "state" / "director.log").read_text("utf-8")
