"""The reader of one camera: one thread that decodes, and reconnects for ever until it is stopped.

Guarantees that the state follows decoded images, that every fault leads to another attempt after
a pause, and that `stop` returns in time even while a camera keeps the reader waiting.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from camera_adapters.backoff import CameraBackoff, RetryDelays
from camera_adapters.errors import CameraFault, StreamLostFault, UnauthorizedFault
from camera_adapters.factory import open_source
from camera_adapters.geometry import Size
from camera_adapters.intake import Intake, Mailbox
from camera_adapters.packet_ring import PacketRing
from camera_adapters.source import SourceTiming, StreamSignal, VideoSource
from camera_adapters.spec import CameraSpec
from camera_adapters.state import ENDED, CameraState, StateChange, StateMachine, silence

log = logging.getLogger(__name__)

UTC_NOW = partial(datetime.now, UTC)

FIRST_KEY_FRAME_S = 60.0
"""How long whole video may come without a key frame; some cameras send one every 40 s."""

STABLE_AFTER_S = 10.0
"""After this long without a fault, the next one counts as the first."""


@dataclass(frozen=True, slots=True)
class ReaderCounters:
    """What a reader did so far.

    Attributes:
        decoded: Clean images decoded.
        converted: Frames taken, and so converted, for at least one task.
        dropped: Due frames that were replaced by another due one before anybody took them.
        reconnects: Attempts to open the source after the first.
        corrupt: Images left out because they were damaged or depended on damaged ones.
        size_changes: How often the image size changed.
        decoded_fps: Clean images per second lately.
        last_frame_age_s: Seconds since the last clean image, None before the first.
        image: Size of the upright image in square pixels, None before the first.
        cpu_s: Processor time of its thread up to the newest image, seconds.
    """

    decoded: int
    converted: int
    dropped: int
    reconnects: int
    corrupt: int
    size_changes: int
    decoded_fps: float
    last_frame_age_s: float | None
    image: Size | None
    cpu_s: float = 0.0


class CameraReader:
    """Reads one camera into its mailbox. Everything public is safe from any thread.

    Attributes:
        packets: Its encoded packets of the last seconds; None where the camera wants no clips.
    """

    def __init__(
        self,
        spec: CameraSpec,
        mailbox: Mailbox,
        on_state: Callable[[StateChange], None] = lambda _: None,
        *,
        delays: RetryDelays = RetryDelays(),  # noqa: B008 - immutable
        opener: Callable[[CameraSpec], VideoSource] = open_source,
        clock: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = UTC_NOW,
    ) -> None:
        """Prepares a reader; nothing happens before `start`.

        `on_state` is called after every state change, mostly from the reader's thread.
        """
        self._spec = spec
        self._mailbox = mailbox
        self._on_state = on_state
        self._opener = opener
        self._clock = clock
        self._stopping = threading.Event()
        self.packets = PacketRing(spec.clip, clock) if spec.clip else None
        self._intake = Intake(
            spec, mailbox, self._stopping, clock=clock, utc_now=utc_now, packets=self.packets
        )
        self._backoff = CameraBackoff(delays)
        self._lock = threading.Lock()
        self._machine = StateMachine(
            spec.id,
            wanted_fps=spec.fps,
            silence_s=spec.read_timeout_s,
            clock=clock,
            utc_now=utc_now,
        )
        self._attempts = 0
        self._corrupt = 0
        self._cpu_s = 0.0
        self._ended = False
        self._rejected: CameraFault | None = None
        self._logged: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"camera-{spec.id}", daemon=True)

    @property
    def state(self) -> CameraState:
        """The camera's state; reading it also notices a decoder that hangs."""
        self._update(StateMachine.check)
        return self._machine.state

    @property
    def reason(self) -> str:
        """Why the state is what it is; empty when all is well."""
        return self._machine.reason

    @property
    def ended(self) -> bool:
        """Whether a recording that does not loop was read to its end and taken."""
        return self._ended

    @property
    def counters(self) -> ReaderCounters:
        """What happened so far."""
        with self._lock:
            fps, last_s = self._machine.recent_fps, self._machine.last_image_s
        return ReaderCounters(
            decoded=self._intake.decoded,
            converted=self._mailbox.taken,
            dropped=self._mailbox.dropped,
            reconnects=max(0, self._attempts - 1),
            corrupt=self._corrupt,
            size_changes=self._intake.size_changes,
            decoded_fps=round(fps, 2),
            last_frame_age_s=None if last_s is None else max(0.0, self._clock() - last_s),
            image=self._intake.image_size,
            cpu_s=self._cpu_s,
        )

    @property
    def asked(self) -> Mapping[str, int]:
        """How often each task was due at its full rate; the same object, which goes on counting."""
        return self._intake.pacer.asked

    def start(self) -> None:
        """Starts reading; once."""
        self._thread.start()

    def limit(self, shares: Mapping[str, float]) -> None:
        """Reduces the rates of tasks to shares, 0 to 1, from the next frame on."""
        self._intake.pacer.shares = shares

    def pace(self, rates: Mapping[str, float]) -> None:
        """Changes the rates of all tasks, frames per second, from the next frame on."""
        self._intake.pacer.rates = rates

    def reject(self, fault: CameraFault) -> None:
        """Whoever takes the frames cannot use them: the next image ends in this fault."""
        self._rejected = fault

    def note_view(self, fault: str, reason: str) -> None:
        """Whoever analyses the frames says whether they show the place; see `StateMachine.view`."""
        self._update(lambda machine: machine.view(fault, reason))

    def stop(self, timeout_s: float) -> bool:
        """Stops reading; whether the thread ended within `timeout_s`.

        A thread that a camera keeps waiting is left to its own time-outs; it puts nothing into the
        mailbox any more.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if (retry_in_s := self._attempt()) is None:
                return
            self._stopping.wait(retry_in_s)

    def _attempt(self) -> float | None:
        """Opens and reads until something ends it; how long to pause then, None for no more."""
        source: VideoSource | None = None
        try:
            self._attempts += 1
            source = self._opener(self._spec)
            self._read(source)
        except CameraFault as fault:
            return self._note_fault(fault)
        except Exception as error:
            return self._note_fault(self._defect(error))
        else:
            self._finish()
            return None
        finally:
            # The state is reported first: closing may block on a connection that is half dead.
            if source is not None:
                source.close()

    def _read(self, source: VideoSource) -> None:
        opened_s = self._clock()
        self._intake.begin(source)
        if self.packets is not None:
            source.keep_packets(self.packets)
        with self._lock:
            self._machine.begin(source.timing)
        for arrival in source.arrivals():
            if self._stopping.is_set():
                return
            if self._rejected is not None:
                fault, self._rejected = self._rejected, None
                raise fault
            if not isinstance(arrival, StreamSignal):
                self._intake.admit(arrival)
                self._cpu_s = time.thread_time()
                self._update(partial(StateMachine.image, still_s=arrival.still_s))
                continue
            if arrival is StreamSignal.DAMAGED:
                self._corrupt += 1
                self._update(partial(StateMachine.image, clean=False))
            if source.timing is SourceTiming.LIVE:
                self._check_silence(opened_s, arrival)

    def _check_silence(self, opened_s: float, signal: StreamSignal) -> None:
        """Bytes keep coming; that is not enough."""
        last_s = self._machine.last_image_s
        if last_s is None or last_s < opened_s:
            allowed_s = max(self._spec.open_timeout_s, self._spec.read_timeout_s)
            if signal is StreamSignal.NO_KEY_FRAME:
                allowed_s = max(allowed_s, FIRST_KEY_FRAME_S)
            since_s = opened_s
        else:
            allowed_s, since_s = self._spec.read_timeout_s, last_s
        if self._clock() - since_s > allowed_s:
            raise StreamLostFault(
                self._spec.id,
                silence(allowed_s),
                "data arrives but no whole image: check the camera's video settings and network",
            )

    def _finish(self) -> None:
        if self._stopping.is_set() or not self._intake.wait_until_read():
            return
        self._ended = True
        self._update(lambda machine: machine.fault(ENDED))
        log.info("camera_ended", extra={"camera": self._spec.id})

    def _note_fault(self, fault: CameraFault) -> float:
        if self._machine.streaming_for_s >= STABLE_AFTER_S:
            self._backoff.reset()
        retry_in_s = self._backoff.next_s(slow=fault.slow)
        if self._stopping.is_set():
            return retry_in_s
        if fault.reason not in self._logged:
            self._logged.add(fault.reason)
            facts = {"reason": fault.reason, "remedy": fault.remedy}
            retry = {"retry_in_s": round(retry_in_s, 1)}
            log.warning("camera_fault", extra={"camera": self._spec.id, **facts, **retry})
        unauthorized = isinstance(fault, UnauthorizedFault)
        self._update(lambda machine: machine.fault(fault.reason, unauthorized=unauthorized))
        return retry_in_s

    def _defect(self, error: Exception) -> CameraFault:
        """A defect of this program must not blind the camera for ever; its text is not trusted."""
        facts = {"camera": self._spec.id, "error": type(error).__name__}
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("camera_reader_defect", extra={**facts, "where": where})
        return CameraFault(
            self._spec.id,
            f"the reader failed ({type(error).__name__})",
            "report this with the log line camera_reader_defect",
        )

    def _update(self, step: Callable[[StateMachine], StateChange | None]) -> None:
        with self._lock:
            change = step(self._machine)
        if change is None:
            return
        if change.state is CameraState.ONLINE and change.previous is not CameraState.DEGRADED:
            self._logged.clear()
            size = str(self._intake.image_size)
            log.info("camera_online", extra={"camera": self._spec.id, "image": size})
        elif change.state is CameraState.DEGRADED:
            log.warning("camera_degraded", extra={"camera": self._spec.id, "reason": change.reason})
        try:
            self._on_state(change)
        except Exception:
            # Whoever listens may fail; the camera is read all the same.
            log.exception("camera_state_listener_failed", extra={"camera": self._spec.id})
