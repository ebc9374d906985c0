"""Records which functions of ours one analysed frame passes through, on all threads.

A drawn camera is read over RTSP on this machine, analysed and reported by the real parts: camera
group, detector in this process, evidence recorder, outbox, relay, and an HTTP receiver.

A function is a code object with a name in a file of ours that is called meanwhile; a method, a
property and a generator count once each. Comprehensions, lambdas, class bodies and what `dataclass`
generates do not count, nor do `simulation`, `benchmarks` and `tests`, nor the loops that were
entered before and still run.

A frame is all that happens between the end of the analysis of one frame and the end of the next, on
the threads of camera, loop and detector; the relay polls meanwhile, which does not count. With an
incident, all that the relay does until the event is acknowledged counts too. Of the quiet frames
after `STEADY_AFTER_S` the median one is shown.

Before the path was shortened it had 122 functions in 29 files for a quiet frame, 198 in 45 with an
incident, its keyframe and its delivery, and 225 in 49 with the opening of the camera.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import CO_GENERATOR, CO_OPTIMIZED
from itertools import groupby, pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Self

from camera_adapters.spec import CameraSpec
from models.detector import Detector
from models.repository import BUILTIN_ROOT, ModelRepository
from pipelines.camera_group import CameraGroup
from pipelines.camera_pipeline import CameraPipeline
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.http import HttpSink
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.folder import FolderStore
from pipelines.evidence import EvidenceRecorder
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.rules.rule import RulePlan
from pipelines.rules.zone import GroundCalibration, Zone
from serving.in_process import InProcessDetector
from serving.model_ref import model_ref
from simulation.clips import encode_scene
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from simulation.scenes import scene_named

SCENE = "crossroad-jam"
OURS = ("camera_adapters", "cityeye", "event_hub", "model_tools", "models", "pipelines", "serving")
ROOT = Path(__file__).parents[1]
FPS = 5.0
CONFIRM_S = 2.0
STEADY_AFTER_S = 5.2
"""From here on the camera's state is derived from a full window of images."""

CLIP_S = 16.0
"""Length of the drawn clip: the jam begins after 6.4 s."""

TIMEOUT_S = 90.0
POLL_S = 0.02
SETTLE_S = 0.1
ANALYSE = CameraPipeline.process_frame.__code__
PUBLISH = EvidenceRecorder.publish.__code__
RELAY_THREADS = "relay-"
CAMERA_THREADS = "camera-"


@dataclass(frozen=True, slots=True)
class TracedFunction:
    """A function that was called.

    Attributes:
        file: Its file, from the repository's root.
        name: Its qualified name in that file.
        thread: The thread of its first call.
    """

    file: str
    name: str
    thread: str

    @property
    def dotted(self) -> str:
        """Module and qualified name: `camera_adapters.mailbox.Mailbox.put`."""
        return f"{self.file.removesuffix('.py').replace('/', '.')}.{self.name}"


@dataclass(frozen=True, slots=True)
class FramePath:
    """What a frame passes through.

    Attributes:
        functions: In order of first call: those of the camera's thread, then all others.
    """

    functions: tuple[TracedFunction, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the functions, in the same order."""
        return tuple(dict.fromkeys(function.file for function in self.functions))

    def plus(self, other: FramePath) -> FramePath:
        """This path, and what the other has beyond it."""
        known = {(function.file, function.name) for function in self.functions}
        new = (one for one in other.functions if (one.file, one.name) not in known)
        return FramePath((*self.functions, *new))


@dataclass(frozen=True, slots=True)
class Trace:
    """What was recorded.

    Attributes:
        quiet: A frame with which nothing happens.
        incident: The frame that opens an incident, until the event is acknowledged.
        opening: What the camera passes through before its first frame is analysed.
    """

    quiet: FramePath
    incident: FramePath
    opening: FramePath

    def sections(self) -> dict[str, FramePath]:
        """The paths by title, each with all that stands above it."""
        with_incident = self.quiet.plus(self.incident)
        return {
            "one analysed frame, nothing happens": self.quiet,
            "with an incident, its keyframe and its delivery": with_incident,
            "with the opening of the camera": with_incident.plus(self.opening),
        }


@dataclass(frozen=True, slots=True)
class _Call:
    at_s: float
    thread: str
    code: CodeType
    ended: bool


class _Recorder:
    """Writes down every call of a function of ours on threads that are started from now on.

    Attributes:
        opened: Set when the frame that opens an incident was analysed.
    """

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.opened = threading.Event()
        self._published = False
        self._ours: dict[CodeType, bool] = {}

    def __enter__(self) -> Self:
        threading.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        threading.setprofile(None)

    def _note(self, frame: FrameType, kind: str, _: object) -> None:
        code = frame.f_code
        ended = kind == "return" and code is ANALYSE
        if not (kind == "call" or ended) or not self._is_ours(code):
            return
        thread = threading.current_thread().name
        self.calls.append(_Call(time.monotonic(), thread, code, ended))
        self._published |= code is PUBLISH
        if ended and self._published:
            self.opened.set()

    def _is_ours(self, code: CodeType) -> bool:
        if code not in self._ours:
            file = Path(code.co_filename)
            inside = file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0] in OURS
            named = code.co_flags & CO_OPTIMIZED and not code.co_name.startswith("<")
            self._ours[code] = bool(inside and named)
        return self._ours[code]


class _Receiver(BaseHTTPRequestHandler):
    """Acknowledges every event."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def trace() -> Trace:
    """Records one run of the scene `SCENE`, from the opening of the camera to a delivered incident.

    Raises:
        TimeoutError: No incident was delivered in time.
    """
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{receiver.server_address[1]}/events"
    with tempfile.TemporaryDirectory(prefix="cityeye-trace-") as name:
        folder = Path(name)
        clip = folder / f"{SCENE}.mp4"
        encode_scene(scene_named(SCENE), clip, lambda *_: None, CLIP_S)
        with RtspServerThread([Mount(SCENE, clip)]) as server:
            calls = _record(server.url(SCENE), url, folder)
    receiver.shutdown()
    receiver.server_close()
    return _evaluate(calls)


def _record(camera_url: str, sink_url: str, folder: Path) -> list[_Call]:
    package = ModelRepository(BUILTIN_ROOT).find("traffic")
    model = model_ref(package)
    detector = InProcessDetector({model: Detector(package)})
    outbox, spool = Outbox(folder / "outbox.db"), Spool(folder / "spool")
    sink = HttpSink(sink_url, name="hub")
    relay = Relay(outbox, spool, FolderStore(folder / "keyframes"), [sink])
    recorder = EvidenceRecorder(outbox, spool, "cityeye/trace")
    group = CameraGroup([_plan(camera_url, model)], detector, recorder, "trace", folder / "shadow")
    loop = threading.Thread(target=group.run, name="loop")
    with _Recorder() as recording:
        relay.start()
        loop.start()
        try:
            deadline_s = time.monotonic() + TIMEOUT_S
            recording.opened.wait(TIMEOUT_S)
            while not recording.opened.is_set() or relay.counters.pending:
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"no delivered incident within {TIMEOUT_S:.0f} s")
                time.sleep(POLL_S)
            # What follows the acknowledgement in the same round of the relay.
            time.sleep(SETTLE_S)
            return list(recording.calls)
        finally:
            group.stop()
            loop.join()
            relay.stop()
            outbox.close()
            detector.close()


def _plan(url: str, model: ModelRef) -> CameraPlan:
    scene = scene_named(SCENE)
    points = scene.ground_points()
    ground = GroundCalibration(
        tuple(point.image for point in points), tuple(point.ground_m for point in points)
    )
    zones = tuple(Zone(zone.name, zone.polygon, ground) for zone in scene.zones)
    rule = RulePlan("traffic.congestion", zones, {"confirm_s": CONFIRM_S})
    camera = CameraSpec(SCENE, url, rates={"traffic": FPS})
    return CameraPlan(camera, (TaskPlan("traffic", model, FPS, (rule,)),))


def _evaluate(calls: Sequence[_Call]) -> Trace:
    """Cuts the calls at the ends of analysed frames."""
    published = next(index for index, call in enumerate(calls) if call.code is PUBLISH)
    ends = [index for index, call in enumerate(calls) if call.ended]
    before = [index for index in ends if index < published]
    after = next(index for index in ends if index > published)
    steady_s = calls[before[0]].at_s + STEADY_AFTER_S
    quiet = [
        _path(_without_relay(calls[start:end]))
        for start, end in pairwise(before)
        if calls[start].at_s >= steady_s
    ]
    if not quiet:
        raise TimeoutError("the incident began before a quiet frame was recorded")
    relayed = (call for call in calls[published:] if call.thread.startswith(RELAY_THREADS))
    incident = [*_without_relay(calls[before[-1] : after]), *relayed]
    return Trace(
        quiet=sorted(quiet, key=lambda path: len(path.functions))[len(quiet) // 2],
        incident=_path(incident),
        opening=_path(_without_relay(calls[: before[0]])),
    )


def _without_relay(calls: Iterable[_Call]) -> list[_Call]:
    return [call for call in calls if not call.thread.startswith(RELAY_THREADS)]


def _path(calls: Sequence[_Call]) -> FramePath:
    camera = [call for call in calls if call.thread.startswith(CAMERA_THREADS)]
    others = [call for call in calls if not call.thread.startswith(CAMERA_THREADS)]
    # The thread of the camera works in rounds; a round begins where its source is resumed.
    begin = next((i for i, call in enumerate(camera) if call.code.co_flags & CO_GENERATOR), 0)
    first: dict[CodeType, TracedFunction] = {}
    for call in (*camera[begin:], *camera[:begin], *others):
        if call.ended:
            continue
        file = str(Path(call.code.co_filename).relative_to(ROOT))
        name = call.code.co_qualname
        first.setdefault(call.code, TracedFunction(file, name, call.thread))
    return FramePath(tuple(first.values()))


def describe(recorded: Trace) -> str:
    """The functions by thread in order of first call, and the counts."""
    lines: list[str] = []
    shown: set[str] = set()
    for title, path in recorded.sections().items():
        lines += ["", f"{title}: {len(path.functions)} functions in {len(path.files)} files"]
        new = [function for function in path.functions if function.dotted not in shown]
        for thread, functions in groupby(new, key=lambda function: function.thread):
            lines.append(f"  thread {thread}")
            lines += [f"    {function.file:40} {function.name}" for function in functions]
        shown |= {function.dotted for function in new}
    return "\n".join(lines) + "\n"


def main(json_path: Path | None) -> int:
    """Records, prints what was recorded, writes it where wanted; returns the exit status."""
    recorded = trace()
    sys.stdout.write(describe(recorded))
    if json_path is not None:
        report = {title: asdict(path) for title, path in recorded.sections().items()}
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0
