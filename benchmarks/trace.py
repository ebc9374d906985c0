"""Records which functions of ours one analysed frame passes through, on all threads.

A drawn camera is read over RTSP on this machine, analysed and reported by the real parts: camera
group, detector in this process, evidence recorder, outbox, relay, and an HTTP receiver.

A function is a code object with a name in a file of ours that is called meanwhile; a method, a
property and a generator count once each. Comprehensions, lambdas, class bodies and what `dataclass`
generates do not count, nor do `simulation`, `benchmarks` and `tests`, nor the loops that were
entered before and still run.

A frame is all that happens between the end of the analysis of one frame and the end of the next, on
the threads of camera and slots; the relay polls meanwhile, which does not count. With an
incident, all that the relay does until the event is acknowledged counts too. Of the quiet frames
between `STEADY_AFTER_S` and the scripted jam the median one is shown.

Before the path was shortened it had 122 functions in 29 files for a quiet frame, 198 in 45 with an
incident, its keyframe and its delivery, and 225 in 49 with the opening of the camera.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import CO_GENERATOR, CO_OPTIMIZED
from itertools import groupby, pairwise
from pathlib import Path
from types import CodeType, FrameType

from benchmarks.receiver import receiving
from camera_adapters import CameraSpec
from models import BUILTIN_ROOT, ModelRepository
from pipelines import (
    CameraGroup,
    CameraPipeline,
    CameraPlan,
    EvidenceRecorder,
    ModelRef,
    Slots,
    TaskPlan,
)
from pipelines.delivery import FolderStore, HttpSinkSettings, Outbox, Relay, Spool
from pipelines.rules import GroundCalibration, RulePlan, Zone
from serving import InProcessDetector, served_model
from simulation import encode_scene
from simulation.rtsp_server import Mount, RtspServerThread
from simulation.scenes import scene_named

SCENE = "crossroad-jam"
GROUP = "group"
OURS = ("camera_adapters", "cityeye", "event_hub", "model_tools", "models", "pipelines", "serving")
ROOT = Path(__file__).parents[1]
FPS = 5.0
CONFIRM_S = 5.0
STEADY_AFTER_S = 5.2
"""From here on the camera's state is derived from a full window of images."""

CLIP_S = 16.0
TIMEOUT_S = 90.0
POLL_S = 0.02
SETTLE_S = 0.1
ANALYSE = CameraPipeline.process_frame.__code__
PUBLISH = EvidenceRecorder.publish.__code__

QUIET = "one analysed frame, nothing happens"
INCIDENT = "with an incident, its keyframe and its delivery"
OPENING = "with the opening of the camera"


@dataclass(frozen=True, slots=True)
class TracedFunction:
    """A function that was called: its file from the repository's root, and its qualified name.

    Attributes:
        thread: The thread of its first call.
    """

    file: str
    name: str
    thread: str

    @property
    def dotted(self) -> str:
        """Module and qualified name: `camera_adapters.intake.Mailbox.put`."""
        return f"{self.file.removesuffix('.py').replace('/', '.')}.{self.name}"


Trace = dict[str, tuple[TracedFunction, ...]]
"""The functions of `QUIET`, `INCIDENT` and `OPENING`, each with those before it, in order of first
call: those of the camera's thread, then all others."""


@dataclass(frozen=True, slots=True)
class _Call:
    at_s: float
    thread: str
    code: CodeType
    ended: bool

    @property
    def relayed(self) -> bool:
        return self.thread.startswith("relay-")

    @property
    def of_frames(self) -> bool:
        """Whether it belongs to frames: the group's thread looks after cameras once a second."""
        return not self.relayed and self.thread != GROUP


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

    def note(self, frame: FrameType, kind: str, _: object) -> None:
        """What Python calls at every call and return."""
        code = frame.f_code
        ended = kind == "return" and code is ANALYSE
        if (kind == "call" or ended) and self._is_ours(code):
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


def trace() -> Trace:
    """Records one run of the scene `SCENE`, from the opening of the camera to a delivered incident.

    Raises:
        TimeoutError: No incident was delivered in time.
    """
    with receiving() as url, tempfile.TemporaryDirectory(prefix="cityeye-trace-") as name:
        folder = Path(name)
        clip = folder / f"{SCENE}.mp4"
        encode_scene(scene_named(SCENE), clip, lambda *_: None, CLIP_S)
        with RtspServerThread([Mount(SCENE, clip)]) as server:
            calls = _record(server.url(SCENE), url, folder)
    return _evaluate(calls)


def _record(camera_url: str, sink_url: str, folder: Path) -> list[_Call]:
    served = served_model(ModelRepository(BUILTIN_ROOT).find("traffic"))
    model = served.ref
    detector = InProcessDetector({model.key: served})
    detector.verify(model)
    outbox, spool = Outbox(folder / "outbox.db"), Spool(folder / "spool")
    sink = HttpSinkSettings(url=sink_url, name="hub").open()
    relay = Relay(outbox, spool, FolderStore(folder / "keyframes"), [sink])
    recorder = EvidenceRecorder(outbox, spool, "trace")
    group = CameraGroup(
        [_plan(camera_url, model)], detector, recorder, "trace", folder / "shadow", Slots(1)
    )
    running = threading.Thread(target=group.run, name=GROUP)
    recording = _Recorder()
    threading.setprofile(recording.note)
    try:
        relay.start()
        running.start()
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
        threading.setprofile(None)
        group.stop()
        running.join()
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
    last = max(index for index in ends if index < published)
    after = min(index for index in ends if index > published)
    start_s = calls[ends[0]].at_s
    jam_s = scene_named(SCENE).incidents[0].start_s
    frames = [
        [call for call in calls[start:end] if call.of_frames]
        for start, end in pairwise(ends)
        if calls[start].at_s - start_s >= STEADY_AFTER_S and calls[end].at_s - start_s <= jam_s
    ]
    if not frames:
        raise TimeoutError("no quiet frame was analysed in time: is this machine busy?")
    quiet = sorted(frames, key=lambda frame: len(_functions(frame)))[len(frames) // 2]
    incident = [call for call in calls[last:after] if call.of_frames]
    incident += [call for call in calls[published:] if call.relayed] + quiet
    opening = [call for call in calls[: ends[0]] if not call.relayed] + incident
    parts = {QUIET: quiet, INCIDENT: incident, OPENING: opening}
    return {title: _functions(part) for title, part in parts.items()}


def _functions(calls: Sequence[_Call]) -> tuple[TracedFunction, ...]:
    camera = [call for call in calls if call.thread.startswith("camera-")]
    others = [call for call in calls if not call.thread.startswith("camera-")]
    # The thread of the camera works in rounds; a round begins where its source is resumed.
    begin = next((i for i, call in enumerate(camera) if call.code.co_flags & CO_GENERATOR), 0)
    first: dict[CodeType, TracedFunction] = {}
    for call in (*camera[begin:], *camera[:begin], *others):
        if not call.ended:
            file = str(Path(call.code.co_filename).relative_to(ROOT))
            function = TracedFunction(file, call.code.co_qualname, call.thread)
            first.setdefault(call.code, function)
    return tuple(first.values())


def counts(functions: Sequence[TracedFunction]) -> tuple[int, int]:
    """How many functions in how many files."""
    return len(functions), len({function.file for function in functions})


def describe(recorded: Trace) -> str:
    """The functions by thread in order of first call, and the counts."""
    lines: list[str] = []
    shown: set[str] = set()
    for title, functions in recorded.items():
        count, files = counts(functions)
        lines.append(f"\n{title}: {count} functions in {files} files")
        new = [function for function in functions if function.dotted not in shown]
        for thread, group in groupby(new, key=lambda function: function.thread):
            lines.append(f"  thread {thread}")
            lines += [f"    {function.file:40} {function.name}" for function in group]
        shown |= {function.dotted for function in new}
    return "\n".join(lines) + "\n"
