"""Tries what a configuration names: one image of every camera, one image through every model.

Every attempt is bounded in time, also where a camera accepts the connection and then says nothing,
and only a few run at once, as cameras that share an uplink would otherwise fail each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from camera_adapters import CameraFault, CameraSpec, StreamSignal, open_source
from cityeye.config import Config
from cityeye.main_stream_trial import try_main_stream
from models import Detector, ModelError

AT_ONCE = 8
MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt went.

    Attributes:
        subject: What was tried: `camera gate`, `model traffic/2`.
        sentence: What was seen, or what is wrong and what to do.
    """

    subject: str
    good: bool
    sentence: str


def try_everything(config: Config) -> Iterator[Attempt]:
    """Tries all models, then all cameras, in the order of the file."""
    wanted = dict.fromkeys(
        (task.model.name, task.model.version) for plan in config.plans for task in plan.tasks
    )
    for name, version in wanted:
        yield _try_model(config, name, version)
    seats = threading.BoundedSemaphore(AT_ONCE)
    trials = [_CameraTrial(plan.camera, seats) for plan in config.plans]
    for number, trial in enumerate(trials):
        yield trial.result(rounds=number // AT_ONCE + 1)


def _try_model(config: Config, name: str, version: str) -> Attempt:
    section = config.settings.models
    subject = f"model {name}/{version}"
    started_s = time.monotonic()
    try:
        package = section.source.open().find(name, version)
        threads = 1 if section.threads == "auto" else section.threads
        detector = Detector(package, threads=threads, provider=section.provider)
    except ModelError as error:
        return Attempt(subject, False, str(error))
    took_s = time.monotonic() - started_s
    return Attempt(subject, True, f"runs on {detector.provider}, loaded in {took_s:.1f} s")


class _CameraTrial:
    """One camera being opened for one image, in a thread that is not waited for beyond a limit.

    Of one with two streams, both are.
    """

    def __init__(self, camera: CameraSpec, seats: threading.BoundedSemaphore) -> None:
        self._camera = camera
        self._seats = seats
        self._done = threading.Event()
        self._result = False, "does not answer in time; check address and network"
        threading.Thread(target=self._run, daemon=True).start()

    def result(self, rounds: int) -> Attempt:
        """How it went; waits no longer than as many cameras one after another may take."""
        self._done.wait(self._limit_s * rounds)
        return Attempt(f"camera {self._camera.id}", *self._result)

    @property
    def _limit_s(self) -> float:
        streams = 2 if self._camera.main_source else 1
        return streams * self._stream_limit_s

    @property
    def _stream_limit_s(self) -> float:
        return self._camera.open_timeout_s + self._camera.read_timeout_s + MARGIN_S

    def _run(self) -> None:
        with self._seats:
            try:
                self._result = self._first_image()
            except CameraFault as fault:
                self._result = False, f"{fault.reason}; {fault.remedy}"
            finally:
                self._done.set()

    def _first_image(self) -> tuple[bool, str]:
        started_s = time.monotonic()
        source = open_source(self._camera)
        try:
            for arrival in source.arrivals():
                took_s = time.monotonic() - started_s
                if not isinstance(arrival, StreamSignal):
                    seen = f"{arrival.size} after {took_s:.1f} s"
                    if (main := self._camera.main) is None:
                        return True, seen
                    found = try_main_stream(main, arrival.size, self._stream_limit_s)
                    return found.good, f"{seen}; {found.sentence}"
                if took_s > self._stream_limit_s:
                    break
        finally:
            source.close()
        return False, "sends data but no image; check the camera's video settings"
