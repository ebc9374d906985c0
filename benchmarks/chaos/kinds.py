"""Every kind of fault: what it does, how it is taken away, and when all is well again.

`FAULT_KINDS` is the registry of this seam: a new kind is one entry.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeVar

from benchmarks.chaos.brokers import FailingKafka, FailingMqttBroker
from benchmarks.chaos.chaos_street import KAFKA, MOODY, MQTT, ChaosStreet
from benchmarks.chaos.processes import MAIN, PROCESSES
from benchmarks.chaos.receivers import WAYS
from benchmarks.chaos.records import FaultRecord
from benchmarks.chaos.store_proxy import StoreFault
from simulation.rtsp_server import Fault, FaultKind

HitGroup = Literal["process", "camera", "receiver", "store"]
Heal = Callable[[], object]

FREEZE: Final = "camera shows one image"
RAY_PROCESSES: Final = ("raylet", "GCS")
"""Each of them takes all of Ray along, and a city may be started again so often only."""

APPLIED_WITHIN_S: Final = 120.0
REFUSALS: Final = ("400", "401", "403", "404", "405", "409", "410", "413", "415", "422")
ERRORS: Final = ("500", "502", "503", "504")
_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class HitTarget:
    """What a fault hit: its name for people, and how the fault is taken away."""

    name: str
    heal: Heal


@dataclass(frozen=True, slots=True)
class ChaosKind:
    """One kind of fault.

    Attributes:
        group: What it hits.
        hold_s: Least and greatest length in seconds.
        hit: Begins it, given a number of 0..1 that picks the target; None where there is none.
        rare: Whether it comes less often than others.
        sink: The sink that it hits, which has everything when the fault is over; empty for none.
    """

    group: HitGroup
    hold_s: tuple[float, float]
    hit: Callable[[ChaosStreet, float], HitTarget | None]
    rare: bool = False
    sink: str = ""

    def is_over(self, street: ChaosStreet, healed_s: float, healed_at: float) -> bool:
        """Whether all is well after it; it was taken away at these monotonic and UTC seconds."""
        if not street.is_well():
            return False
        if self.sink:
            return street.is_drained(self.sink, healed_at)
        return self.group != "store" or street.is_stored(healed_s)

    def began_s(self, applied_s: float, healed_s: float) -> float:
        """From when on recovery counts."""
        return applied_s if self.group == "process" else healed_s


def _picked(choices: Sequence[_Choice], draw: float) -> _Choice:
    return choices[min(int(draw * len(choices)), len(choices) - 1)]


def _kill(name: str, street: ChaosStreet, draw: float) -> HitTarget | None:
    victims = street.city.find(name)
    if not victims:
        return None
    victim = _picked(victims, draw)
    victim.send(signal.SIGKILL)
    return HitTarget(f"{name} {victim.pid}", lambda: None)


def _stop(name: str, street: ChaosStreet, draw: float) -> HitTarget | None:
    victims = street.city.find(name)
    if not victims:
        return None
    victim = _picked(victims, draw)
    victim.send(signal.SIGSTOP)
    return HitTarget(f"{name} {victim.pid}", lambda: victim.send(signal.SIGCONT))


def _misbehave(fault: Fault, street: ChaosStreet, draw: float) -> HitTarget:
    camera = _picked(list(street.cameras.values()), draw)
    camera.set_fault(fault)
    return HitTarget(camera.name, lambda: camera.set_fault(None))


def _close(street: ChaosStreet, draw: float) -> HitTarget:
    camera = _picked(list(street.cameras.values()), draw)
    camera.stop()
    return HitTarget(camera.name, camera.start)


def _change_password(street: ChaosStreet, draw: float) -> HitTarget:
    """Until somebody writes the new one into the configuration and has it applied."""
    camera = _picked(list(street.cameras.values()), draw)
    camera.change_password()

    def correct() -> None:
        street.write_city()
        # Another fault may have the city just being started.
        deadline_s = time.monotonic() + APPLIED_WITHIN_S
        while not street.city.apply() and time.monotonic() < deadline_s:
            time.sleep(1.0)

    return HitTarget(camera.name, correct)


def _fail(answers: Sequence[str], street: ChaosStreet, draw: float) -> HitTarget:
    answer = _picked(answers, draw)
    street.moody.fail(answer)
    return HitTarget(f"{MOODY}: {answer}", street.moody.heal)


def _take_down(street: ChaosStreet, _draw: float) -> HitTarget:
    street.moody.stop()
    return HitTarget(MOODY, street.moody.start)


def _broker(name: str, fault: str, street: ChaosStreet, _draw: float) -> HitTarget:
    broker: FailingMqttBroker | FailingKafka = street.mqtt if name == MQTT else street.kafka
    begin, heal = {
        "is down": (broker.stop, broker.start),
        "is frozen": (broker.freeze, broker.thaw),
        "refuses": (broker.refuse, broker.accept),
    }[fault]
    begin()
    return HitTarget(name, heal)


def _store(fault: StoreFault, street: ChaosStreet, _draw: float) -> HitTarget:
    street.proxy.set_fault(fault)
    return HitTarget("the store", lambda: street.proxy.set_fault(StoreFault.NONE))


_PROCESSES: Final = (*PROCESSES, MAIN)
_AT_ONCE: Final = (0.0, 0.0)
_A_WHILE: Final = (3.0, 25.0)

FAULT_KINDS: Final[Mapping[str, ChaosKind]] = {
    **{
        f"kill -9 {name}": ChaosKind(
            "process", _AT_ONCE, partial(_kill, name), name in RAY_PROCESSES
        )
        for name in _PROCESSES
    },
    **{
        f"SIGSTOP {name}": ChaosKind(
            "process", _A_WHILE, partial(_stop, name), name in RAY_PROCESSES
        )
        for name in _PROCESSES
    },
    **{
        f"camera {words}": ChaosKind("camera", hold_s, partial(_misbehave, fault))
        for words, hold_s, fault in (
            ("says nothing", _A_WHILE, Fault(FaultKind.MUTE)),
            ("sends no video", _A_WHILE, Fault(FaultKind.STALL)),
            ("sends no RTP", _A_WHILE, Fault(FaultKind.NO_RTP)),
            ("refuses", _A_WHILE, Fault(FaultKind.REFUSE, status=503)),
            ("sends damaged packets", _A_WHILE, Fault(FaultKind.CORRUPT)),
            ("loses packets", _A_WHILE, Fault(FaultKind.DROP, every=40)),
            ("sends garbage", _A_WHILE, Fault(FaultKind.GARBAGE)),
            ("ends its stream", (0.5, 10.0), Fault(FaultKind.END)),
            ("resets", (0.5, 10.0), Fault(FaultKind.KILL)),
            ("cuts frames", (0.5, 10.0), Fault(FaultKind.CUT)),
            ("has a leaping clock", _A_WHILE, Fault(FaultKind.JUMP, offset_s=3600.0)),
        )
    },
    FREEZE: ChaosKind("camera", (30.0, 80.0), partial(_misbehave, Fault(FaultKind.FREEZE))),
    "camera is off": ChaosKind("camera", _A_WHILE, _close),
    "camera has another password": ChaosKind("camera", (5.0, 15.0), _change_password),
    **{
        f"receiver{words}": ChaosKind("receiver", _A_WHILE, partial(_fail, answers), sink=MOODY)
        for words, answers in (
            (" refuses (4xx)", REFUSALS),
            (" fails (5xx)", ERRORS),
            *((f": {way}", (way,)) for way in WAYS),
        )
    },
    "receiver is down": ChaosKind("receiver", _A_WHILE, _take_down, sink=MOODY),
    **{
        f"{name} {fault}": ChaosKind("receiver", _A_WHILE, partial(_broker, name, fault), sink=name)
        for name in (MQTT, KAFKA)
        for fault in ("is down", "is frozen", "refuses")
    },
    **{
        f"store: {fault.value}": ChaosKind("store", _A_WHILE, partial(_store, fault))
        for fault in StoreFault
        if fault is not StoreFault.NONE
    },
}
"""Every kind by name."""


def disturbs(fault: FaultRecord, camera: str) -> bool:
    """Whether a fault can keep an incident from being seen at a camera."""
    group = FAULT_KINDS[fault.kind].group
    return group == "process" or (group == "camera" and fault.target == camera)


def hold_s(kind: ChaosKind, share: float) -> float:
    """A length within what a kind allows, by a number of 0..1."""
    least, greatest = kind.hold_s
    return least + share * (greatest - least)


def hit_when_there(
    kind: ChaosKind, street: ChaosStreet, draw: float, within_s: float
) -> HitTarget | None:
    """Begins a fault as soon as there is something to hit; None where that did not come."""
    deadline_s = time.monotonic() + within_s
    while (target := kind.hit(street, draw)) is None and time.monotonic() < deadline_s:
        time.sleep(0.2)
    return target
