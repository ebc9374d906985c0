"""One run of one contestant on the street: the same cameras, rate and time for everybody.

A contestant is a program that reads stamped cameras over RTSP and infers their frames. What it
needs to start is left out: its run is measured once every camera has had a result and some seconds
have passed. The age of a frame counts from when the server hands its first byte to the socket until
its result after NMS is there.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.busy_neighbour import busy_neighbour
from benchmarks.errors import BenchmarkError
from benchmarks.power import PowerMeter
from benchmarks.street_log import FrameRecords, frame_ages, read_log, read_results
from benchmarks.street_processes import (
    Consumption,
    MarkedProgram,
    consumption_of,
    free_port,
)
from benchmarks.street_server import StreetServer, StreetSpec
from benchmarks.street_spec import ContestantSpec

CITYEYE: Final = "cityeye"
PROGRAMS: Final[Mapping[str, str]] = {
    CITYEYE: "cityeye.street_city",
    "loop": "benchmarks.peers.loop",
    "serve-per-frame": "benchmarks.peers.serve_per_frame",
    "ultralytics": "benchmarks.peers.ultralytics",
    "decoding": "benchmarks.peers.decoding",
}
"""The module that each contestant is, by name; `decoding` infers nothing, and shows the limit."""

ULTRALYTICS: Final = "ultralytics"
PEERS: Final = tuple(name for name in PROGRAMS if name != CITYEYE)

_CAPTURE: Final = (
    "OPENCV_FFMPEG_CAPTURE_OPTIONS=rtsp_transport;tcp|analyzeduration;100000|probesize;65536"
)
"""OpenCV opens one camera after the other; probing each of them briefly saves peers seconds."""

_ROOT: Final = Path(__file__).parents[1]
_START_S: Final = 120.0
_NEXT_CAMERA_S: Final = 30.0
"""How long it may take until one more camera has a result; those without then count with 0."""

_STOP_S: Final = 60.0
_POLL_S: Final = 0.25
_LINES: Final = 12
_DIVIDES: Final = 0.02


@dataclass(frozen=True, slots=True)
class Street:
    """What is the same in all runs.

    Attributes:
        package: Directory of the model package.
        clip: A stamped clip.
        camera_fps: Its frames per second.
        camera_size: Size of its images, as `1280x720`.
        camera_mbit_per_s: Its bit rate, megabits per second.
        settle_s: Seconds between the first results and the measurement.
        cameras_per_worker: Cameras per worker of the city; its default if None.
        city_package: Directory of what the city runs instead, the same network in another
            precision; `package` if None.
        motion_gate_s: The key of the city's cameras; they have none if None.
        main_clip: What the city's cameras send as their main stream, while `clip` is inferred;
            they have one stream if None.
        busy_neighbour: Whether another process takes all it can get of one core meanwhile.
        ultralytics_python: Interpreter that has `ultralytics`.
        ultralytics_model: The `.onnx` or `.pt` file that it runs.
        ultralytics_imgsz: Height and width of its input, as `384x640`.
    """

    package: Path
    clip: Path
    camera_fps: float
    camera_size: str = ""
    camera_mbit_per_s: float = 0.0
    settle_s: float = 4.0
    cameras_per_worker: int | None = None
    city_package: Path | None = None
    motion_gate_s: float | None = None
    main_clip: Path | None = None
    busy_neighbour: bool = False
    ultralytics_python: str = ""
    ultralytics_model: str = ""
    ultralytics_imgsz: str = "384x640"


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked: cameras, and frames per second of each."""

    cameras: int
    fps: float

    @property
    def per_s(self) -> float:
        """Inferences per second in all."""
        return self.cameras * self.fps


@dataclass(frozen=True, slots=True)
class StreetRun:
    """What one run gave.

    Attributes:
        contestant: Its name.
        load: What was asked, with the rate that this contestant could be asked for.
        rates: Inferences per second of each camera.
        age_p50_ms: Median frame age.
        age_p95_ms: 95th percentile.
        age_max_ms: The greatest.
        cpu_cores: Cores that its processes used.
        pss_mb: Their memory at the end, shared pages divided among those that share them.
        unreadable: Results whose stamp could not be read.
        server_cores: Cores that the RTSP server used.
        sent_fps: The least rate at which the server really sent a camera.
        watts: Mean power of the machine's processor packages; None where they do not say it.
    """

    contestant: str
    load: Load
    rates: tuple[float, ...]
    age_p50_ms: float
    age_p95_ms: float
    age_max_ms: float
    cpu_cores: float
    pss_mb: float
    unreadable: int
    server_cores: float
    sent_fps: float
    watts: float | None = None

    @property
    def per_s(self) -> float:
        """Inferences per second of all cameras."""
        return sum(self.rates)

    @property
    def median_rate(self) -> float:
        """The median of the cameras' rates."""
        return statistics.median(self.rates)

    @property
    def evenness(self) -> float:
        """The lowest rate of a camera over the highest one: 1 where all are the same."""
        return min(self.rates) / max(self.rates)

    def text(self) -> str:
        """One line for people."""
        unreadable = f", {self.unreadable} unreadable" if self.unreadable else ""
        return (
            f"{self.contestant}: {self.load.cameras} cameras at {self.load.fps:.4g}/s: "
            f"{self.per_s:.1f} inferences/s, per camera {min(self.rates):.2f} to "
            f"{max(self.rates):.2f}, age p50 {self.age_p50_ms:.0f} p95 {self.age_p95_ms:.0f} max "
            f"{self.age_max_ms:.0f} ms, {self.cpu_cores:.2f} cores, {self.pss_mb:.0f} MB"
            f" (server {self.server_cores:.2f} cores){unreadable}"
        )


def load_for(contestant: str, load: Load, street: Street) -> Load:
    """What a contestant can be asked for: Ultralytics' rate is a whole fraction of the cameras'.

    It is asked for the next higher rate where the wanted one is no such fraction.
    """
    if contestant != ULTRALYTICS:
        return load
    return Load(load.cameras, street.camera_fps / _stride(load.fps, street))


def check_rate(contestants: tuple[str, ...], load: Load, street: Street) -> None:
    """Refuses a rate that not all contestants can be asked for.

    Raises:
        BenchmarkError: It is no whole fraction of the cameras' rate and Ultralytics takes part.
    """
    for contestant in contestants:
        possible = load_for(contestant, load, street).fps
        if abs(possible - load.fps) > _DIVIDES * load.fps:
            choices = ", ".join(f"{street.camera_fps / step:.4g}" for step in (1, 2, 3, 4, 5))
            raise BenchmarkError(
                f"{contestant} cannot infer {load.fps:g} frames per second of cameras with "
                f"{street.camera_fps:g}; choose --fps among {choices}, or leave it out of --peers"
            )


@contextlib.contextmanager
def running(contestant: str, load: Load, street: Street) -> Iterator[RunningContestant]:
    """Cameras and a contestant on them, for as long as the context lasts.

    Raises:
        BenchmarkError: It ended, or had no result in time; with the end of what it said.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cityeye-street-")))
        if street.busy_neighbour:
            stack.enter_context(busy_neighbour())
        sent = folder / "sent"
        main_clip = str(street.main_clip or "")
        spec = StreetSpec(str(street.clip), load.cameras, str(sent), main_clip)
        server = stack.enter_context(StreetServer(spec))
        one = RunningContestant(contestant, load_for(contestant, load, street), server, folder)
        stack.callback(one.stop)
        one.start(street)
        time.sleep(street.settle_s)
        yield one


def measure(contestant: str, load: Load, street: Street, seconds: float) -> StreetRun:
    """Runs a contestant once and measures it for some seconds.

    Raises:
        BenchmarkError: See `running`.
    """
    with running(contestant, load, street) as one:
        return one.measure(seconds)


class RunningContestant:
    """A contestant at work.

    Attributes:
        program: Its processes.
    """

    def __init__(self, name: str, load: Load, server: StreetServer, folder: Path) -> None:
        """Starts nothing yet."""
        self.program = MarkedProgram()
        self._name = name
        self._load = load
        self._server = server
        self._folder = folder
        self._said = folder / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, street: Street) -> None:
        """Returns once it has results of every camera, as far as it manages that.

        Raises:
            BenchmarkError: It ended, or had no result in time; with the end of what it said.
        """
        environment = (*self.program.prefix, f"PYTHONPATH={_ROOT}", _CAPTURE)
        command = [*environment, *self._command(street)]
        with self._said.open("wb") as said:
            # Its own session: Linux shares the cores between sessions, and what runs beside it in
            # one session with it would give way to it thread by thread, as no real neighbour does.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                cwd=self._folder,
                start_new_session=True,
            )
        begun_s = time.monotonic()
        seen = 0
        while seen < self._load.cameras:
            before, seen = seen, len(np.unique(self.results()["camera"]))
            now_s = time.monotonic()
            if seen > before:
                begun_s = now_s
            waited_s = now_s - begun_s
            self.check(late=not seen and waited_s > _START_S)
            if seen and waited_s > _NEXT_CAMERA_S:
                break
            time.sleep(_POLL_S)

    def measure(self, seconds: float) -> StreetRun:
        """Measures it from now on.

        Raises:
            BenchmarkError: It ended meanwhile; with the end of what it said.
        """
        server_before = consumption_of([self._server.pid], memory=False)
        before = self.program.consumption(memory=False)
        begin_s, meter = time.monotonic(), PowerMeter()
        time.sleep(seconds)
        watts = meter.watts()
        after = self.program.consumption(memory=False)
        end_s = time.monotonic()
        server_after = consumption_of([self._server.pid], memory=False)
        self.check()
        memory = self.program.consumption()
        cores = after.cpu_since(before) / (end_s - begin_s)
        server_cores = server_after.cpu_since(server_before) / (end_s - begin_s)
        run = self._run((begin_s, end_s), cores, memory, server_cores)
        return replace(run, watts=watts)

    def results(self) -> FrameRecords:
        """All its results so far."""
        return read_results(self._folder)

    def check(self, *, late: bool = False) -> None:
        """Makes certain that it runs.

        Raises:
            BenchmarkError: It ended or is too late; with the end of what it said.
        """
        status = self._process.poll() if self._process is not None else None
        if status is None and not late:
            return
        lines = self._said.read_text(errors="replace").splitlines()[-_LINES:]
        what = f"had no result in {_START_S:.0f} s" if status is None else f"ended ({status})"
        raise BenchmarkError("\n".join([f"{self._name} {what}; it said last:", *lines]))

    def stop(self) -> None:
        """Ends it, all its processes."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=_STOP_S)
        self.program.kill()
        self._process.wait()

    def _run(
        self, window: tuple[float, float], cores: float, memory: Consumption, server_cores: float
    ) -> StreetRun:
        begin_s, end_s = window
        sent, results = read_log(self._folder / "sent"), self.results()
        within = _between(results, begin_s, end_s)
        if not len(within):
            raise BenchmarkError(
                f"{self._name} had no result in {end_s - begin_s:.0f} s with {self._load.cameras} "
                "cameras; ask for fewer cameras or measure longer"
            )
        ages = frame_ages(sent, within)
        took_s, cameras = end_s - begin_s, self._load.cameras
        counts = np.bincount(within["camera"], minlength=cameras)
        sent_counts = np.bincount(_between(sent, begin_s, end_s)["camera"], minlength=cameras)
        return StreetRun(
            contestant=self._name,
            load=self._load,
            rates=tuple(float(count) / took_s for count in counts),
            age_p50_ms=ages.percentile_ms(50),
            age_p95_ms=ages.percentile_ms(95),
            age_max_ms=ages.percentile_ms(100),
            cpu_cores=cores,
            pss_mb=memory.pss_mb,
            unreadable=ages.unreadable,
            server_cores=server_cores,
            sent_fps=float(sent_counts.min()) / took_s,
        )

    def _command(self, street: Street) -> list[str]:
        options: dict[str, str] = {}
        python, package = sys.executable, street.package
        if self._name == ULTRALYTICS:
            python = street.ultralytics_python
            stride = str(_stride(self._load.fps, street))
            model, size = street.ultralytics_model, street.ultralytics_imgsz
            options = {"model": model, "imgsz": size, "stride": stride}
        elif self._name == CITYEYE:
            keys = ("cameras_per_worker", "motion_gate_s")
            given = {key: getattr(street, key) for key in keys}
            options = {key: str(value) for key, value in given.items() if value is not None}
            if mains := self._server.addresses.mains:
                options["main_sources"] = " ".join(mains)
            package = street.city_package or package
        spec = ContestantSpec(
            cameras=self._server.addresses.cameras,
            fps=self._load.fps,
            package=str(package.resolve()),
            folder=str(self._folder),
            events=self._server.addresses.events,
            api_port=free_port(),
            options=options,
        )
        return [python, "-m", PROGRAMS[self._name], spec.as_argument()]


def _between(records: FrameRecords, begin_s: float, end_s: float) -> FrameRecords:
    return records[(records["at_s"] >= begin_s) & (records["at_s"] < end_s)]


def _stride(fps: float, street: Street) -> int:
    """Of how many frames of a camera one is inferred, for at least a rate."""
    return max(1, int(street.camera_fps / fps * (1 + _DIVIDES)))
