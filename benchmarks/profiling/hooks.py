"""The hooks: which functions of the frame path get clocks, in one table.

A hook names a function by module and qualified name. One that does not exist is an error that names
it: a stage that silently has no time would make the rest look cheap.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.errors import BenchmarkError
from benchmarks.profiling.stages import StageClocks

DEMUX: Final = "demux"
DECODE: Final = "decode"
INTAKE: Final = "reader: intake"
STATE: Final = "reader: camera state"
PUT: Final = "reader: mailbox"
CONVERSION: Final = "conversion"
TAKE: Final = "take"
SUBMIT: Final = "detector port: submit"
RESULT: Final = "detector port: result"
RUN: Final = "session run"
FRAME: Final = "frame: remainder"
TRACKER: Final = "tracker"
LUMA: Final = "signals: luma image"
VIEW: Final = "signals: view state"
MOTION: Final = "signals: motion"
STATIC_CHANGE: Final = "signals: static change"
SIGHT: Final = "signals: sight"
SIGNALS: Final = (LUMA, VIEW, MOTION, STATIC_CHANGE, SIGHT)
RULES: Final = "rules"
EVIDENCE: Final = "evidence"
STATISTICS: Final = "statistics"
COVERAGE: Final = "coverage ledger"


class MissingHookError(BenchmarkError):
    """A function that the profile needs does not exist."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A function and the stage that its time belongs to.

    Attributes:
        stage: What the tables call it.
        module: Import path of the module.
        name: Qualified name of the function in it, `Class.method`.
    """

    stage: str
    module: str
    name: str

    def owner(self) -> tuple[Any, str]:
        """The object that has the function as an attribute, and the attribute's name.

        Raises:
            MissingHookError: There is no such function.
        """
        *path, last = self.name.split(".")
        try:
            owner: Any = importlib.import_module(self.module)
            for part in path:
                owner = getattr(owner, part)
            getattr(owner, last)
        except (ImportError, AttributeError):
            raise MissingHookError(
                f"the profile cannot measure {self.stage!r}: {self.module} has no {self.name}; "
                f"correct the tables in {__name__}"
            ) from None
        return owner, last


HOOKS: Final = (
    Hook(DEMUX, "camera_adapters.rtsp_stream", "RtspStream.read"),
    Hook(DEMUX, "camera_adapters.decoding", "VideoContainer.read"),
    Hook(DECODE, "camera_adapters.decoding", "VideoDecoder.decode"),
    Hook(INTAKE, "camera_adapters.intake", "Intake.admit"),
    Hook(STATE, "camera_adapters.state", "StateMachine.image"),
    Hook(PUT, "camera_adapters.intake", "Mailbox.put"),
    Hook(CONVERSION, "camera_adapters.conversion", "VideoImage.views"),
    Hook(TAKE, "camera_adapters.intake", "Mailbox.take"),
    Hook(TAKE, "pipelines.batcher", "MicroBatcher.take"),
    Hook(SUBMIT, "serving.serve_detector", "ServeDetector.submit"),
    Hook(SUBMIT, "serving.in_process", "InProcessDetector.submit"),
    Hook(RESULT, "pipelines.detector", "InFlightBatch.result"),
    Hook(RUN, "models.detector", "Detector.run"),
    Hook(FRAME, "pipelines.camera_pipeline", "CameraPipeline.process_frame"),
    Hook(TRACKER, "pipelines.tracker", "CameraTracker.update"),
    Hook(LUMA, "camera_adapters.conversion", "VideoImage.luma"),
    Hook(VIEW, "pipelines.signals.view_state", "ViewWatch.observe"),
    Hook(MOTION, "pipelines.signals.motion", "MotionWatch.observe"),
    Hook(STATIC_CHANGE, "pipelines.signals.static_change", "StaticChangeWatch.observe"),
    Hook(SIGHT, "pipelines.signals.sight", "SightWatch.observe"),
    Hook(RULES, "pipelines.rules.rule", "Rule.observe"),
    Hook(EVIDENCE, "pipelines.evidence", "EvidenceRecorder.publish"),
    Hook(EVIDENCE, "pipelines.evidence", "EvidenceRecorder.publish_measurement"),
    Hook(COVERAGE, "pipelines.coverage_ledger", "CoverageLedger.analysed"),
    Hook(STATISTICS, "pipelines.metrics", "CameraStatistics.analysed"),
)
"""In the order of a frame's path."""

INFERRED: Final = Hook(
    "inferred frames", "pipelines.camera_pipeline", "CameraPipeline.process_frame"
)
ANSWERED: Final = Hook("batch results", "pipelines.metrics", "MetricsRecorder.answered")
ALL_HOOKS: Final = (*HOOKS, INFERRED, ANSWERED)


def check_hooks() -> None:
    """Call before a city is started.

    Raises:
        MissingHookError: A function of the tables does not exist.
    """
    for hook in ALL_HOOKS:
        hook.owner()


class Hooks:
    """Puts clocks around the functions of the table, and takes them away again."""

    def __init__(self, clocks: StageClocks) -> None:
        self._clocks = clocks
        self._originals: list[tuple[Any, str, Callable[..., Any]]] = []

    @property
    def installed(self) -> bool:
        """Whether clocks are around the functions now."""
        return bool(self._originals)

    def install(self) -> None:
        """Puts the clocks around, once; raises as `Hook.owner`."""
        places = [(hook.stage, *hook.owner()) for hook in HOOKS]
        for stage, owner, name in () if self.installed else places:
            original = getattr(owner, name)
            self._originals.append((owner, name, original))
            setattr(owner, name, self._clocks.timed(stage, original))

    def remove(self) -> None:
        """Takes the clocks away."""
        while self._originals:
            owner, name, original = self._originals.pop()
            setattr(owner, name, original)


def called_too(hook: Hook, note: Callable[..., object]) -> None:
    """From now on calls `note` with the arguments of every call of a function, before it.

    Raises:
        MissingHookError: There is no such function.
    """
    owner, name = hook.owner()
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        note(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(owner, name, call)
