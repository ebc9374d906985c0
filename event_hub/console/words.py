"""Words for the codes in events, in one language; an unknown code stays readable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from babel.numbers import format_decimal, format_percent

from event_hub.console import system_words as system
from event_hub.console.language import N_, Language

INCIDENT_KINDS: Final[Mapping[str, str]] = {
    "traffic.congestion": N_("Traffic jam"),
    "traffic.wrong_way": N_("Wrong-way driving"),
    "traffic.stopped_vehicle": N_("Stopped vehicle"),
    "traffic.carriageway_intrusion": N_("Person on the carriageway"),
    "littering.dropped_object": N_("Dropped object"),
    "littering.exposed_rubbish": N_("Exposed rubbish"),
    "littering.bin_overflow": N_("Overflowing bin"),
    "crowding.density": N_("Crowd"),
    "crowding.gathering": N_("People gather"),
    "crowding.dispersal": N_("A group breaks up"),
    "crowding.loitering": N_("Loitering"),
}
KINDS: Final[Mapping[str, str]] = {
    **INCIDENT_KINDS,
    "traffic.zone_traffic": N_("Traffic in a zone"),
    "traffic.line_count": N_("Vehicles across a line"),
    "crowding.head_count": N_("Head count"),
}
SEVERITIES: Final[Mapping[str, str]] = {
    "critical": N_("critical"),
    "high": N_("high"),
    "medium": N_("medium"),
    "low": N_("low"),
}
END_REASONS: Final[Mapping[str, str]] = {
    "cleared": N_("cleared"),
    "stream_lost": N_("camera lost"),
    "view_lost": N_("view lost"),
    "shutdown": N_("CityEye was stopped"),
    "recovered": N_("closed after a restart"),
    "removed": N_("camera removed"),
    "reconfigured": N_("camera reconfigured"),
    "disarmed": N_("rule not armed any more"),
}
CAMERA_STATES: Final[Mapping[str, str]] = {
    "online": N_("watching"),
    "degraded": N_("impaired"),
    "offline": N_("offline"),
    "unauthorized": N_("login refused"),
    "stopped": N_("stopped"),
    "silent": N_("not watching"),
}
VIEWS: Final[Mapping[str, str]] = {
    "moved": N_("view moved"),
    "covered": N_("view covered"),
    "blurred": N_("view blurred"),
    "dark": N_("too dark"),
    "washed_out": N_("washed out"),
    "noisy": N_("noisy image"),
    "cannot_see_well": N_("model cannot see well"),
}
GAPS: Final[Mapping[str, str]] = {
    **VIEWS,
    "connecting": N_("connecting"),
    "offline": N_("offline"),
    "unauthorized": N_("login refused"),
    "no_frames": N_("no frames"),
    "overloaded": N_("overloaded"),
    "model_failed": N_("model failed"),
    "worker_down": N_("worker down"),
    "stopped": N_("stopped"),
    "frozen": N_("image frozen"),
}
"""Why a camera was not watched, or what was watched did not show its place."""

MOMENTS: Final[Mapping[str, str]] = {
    "opening": N_("As it began"),
    "peak": N_("At its height"),
    "closing": N_("At the end"),
}
PHASES: Final[Mapping[str, str]] = {
    "started": N_("began"),
    "updated": N_("changed"),
    "ended": N_("ended"),
}
CASE_STATES: Final[Mapping[str, str]] = {
    "new": N_("new"),
    "confirmed": N_("confirmed"),
    "false_alarm": N_("false alarm"),
    "dispatched": N_("dispatched"),
    "resolved": N_("resolved"),
}
CASE_OFFERS: Final[Mapping[str, str]] = {
    "confirmed": N_("Confirm"),
    "false_alarm": N_("False alarm"),
    "dispatched": N_("Dispatch"),
    "resolved": N_("Resolve"),
    "reopened": N_("Reopen"),
    "noted": N_("Add a note"),
}
CASE_STEPS: Final[Mapping[str, str]] = {
    **CASE_STATES,
    "reopened": N_("reopened"),
    "noted": N_("note"),
    "joined": N_("joined with another incident"),
    "split": N_("split off"),
    "escalated": N_("time limit passed"),
    "checked": N_("checked by the cameras"),
}
CHECKS: Final[Mapping[str, str]] = {
    "clear": N_("clear"),
    "still_there": N_("still there"),
    "unseen": N_("cannot be seen"),
}
FALSE_ALARMS: Final[Mapping[str, str]] = {
    "nothing_there": N_("nothing there"),
    "wrong_kind": N_("something else"),
    "allowed": N_("it is allowed there"),
    "duplicate": N_("known already"),
    "poor_view": N_("rain, glare or dirt"),
    "other": N_("another reason"),
}
LABELS: Final[Mapping[str, str]] = {
    "person": N_("person"),
    "car": N_("car"),
    "bus": N_("bus"),
    "truck": N_("truck"),
    "motorcycle": N_("motorcycle"),
    "bicycle": N_("bicycle"),
    "bag": N_("bag"),
    "bottle": N_("bottle"),
    "bin_bag": N_("bin bag"),
    "rider": N_("rider"),
    "object": N_("object"),
}
MEASUREMENTS: Final[Mapping[str, str]] = {
    "coverage": N_("Coverage"),
    "traffic.flow": N_("Traffic flow"),
    "traffic.speed": N_("Mean speed"),
    "traffic.queue": N_("Queue"),
    "traffic.occupancy": N_("Occupancy"),
    "traffic.count": N_("Vehicles across the line"),
    "crowding.count": N_("Persons"),
    "crowding.density": N_("Crowd density"),
}
UNITS: Final[Mapping[str, str]] = {
    "1/h": N_("vehicles/h"),
    "traffic.speed 1": N_("own lengths/s"),
    "1/min": N_("vehicles/min"),
    "km/h": N_("km/h"),
    "1/m2": N_("persons/m²"),
    "s": N_("s"),
}
NAMES: Final[Mapping[str, str]] = {
    "area": N_("Area"),
    "clock_ahead": N_("Clock ahead by"),
    "free_flow_share": N_("Share of free flow"),
    "grown_by": N_("Grown by"),
    "lasting": N_("Lasting"),
    "longest_stay": N_("Longest stay"),
    "median_speed": N_("Median speed"),
    "objects": N_("Objects"),
    "others": N_("Others"),
    "persons": N_("Persons"),
    "persons_before": N_("Persons before"),
    "persons_error": N_("Uncertainty of the count"),
    "persons_left": N_("Persons who left"),
    "persons_per_m2": N_("Density"),
    "queue": N_("Queue"),
    "resting": N_("Lying there for"),
    "share_of_zone": N_("Share of the zone"),
    "speed": N_("Speed"),
    "stood_before": N_("Stood before"),
    "vehicles": N_("Vehicles"),
}
"""What the values of an incident are, by their names without the units at their ends."""

SECONDS: Final = "_s"
SUFFIXES: Final[tuple[tuple[str, str, float, str], ...]] = (
    ("_boxes_per_s", N_("%(value)s own lengths/s"), 1.0, "0.##"),
    ("_heights_per_s", N_("%(value)s own heights/s"), 1.0, "0.##"),
    ("_mps", N_("%(value)s km/h"), 3.6, "0"),
    ("_m2", N_("%(value)s m²"), 1.0, "0.#"),
    (SECONDS, N_("%(value)s s"), 1.0, "0"),
    ("_m", N_("%(value)s m"), 1.0, "0.#"),
)
"""How a value reads, by the unit its name ends with: suffix, wording, factor, digits."""

SIZES: Final = ((1e9, N_("%(value)s GB")), (1e6, N_("%(value)s MB")))
"""Bytes from which on a unit is used, the largest first."""

SHARED_UNITS: Final = frozenset({"traffic.occupancy 1"})
SHARES: Final = frozenset({"free_flow_share", "share_of_zone"})
DENSITY: Final = "persons_per_m2"

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400


class CodeWords:
    """What codes are called in a language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._text = language.text

    def kind(self, code: str) -> str:
        """`traffic.congestion` → `Traffic jam`; an unknown one by its last part."""
        return self._known(KINDS, code) or plain(code.rsplit(".", 1)[-1]).capitalize() or code

    def severity(self, code: str) -> str:
        """How bad an incident is."""
        return self._word(SEVERITIES, code)

    def end_reason(self, code: str | None) -> str:
        """Why an incident is over; empty when nobody said."""
        return self._word(END_REASONS, code) if code else ""

    def camera_state(self, code: str, view: str = "") -> str:
        """What a camera does: a view that is lost says more than that it is impaired."""
        if view:
            return self._word(VIEWS, view)
        return self._word(CAMERA_STATES, code)

    def gap(self, code: str) -> str:
        """Why a camera was not watched."""
        return self._word(GAPS, code)

    def moment(self, role: str) -> str:
        """Which moment a keyframe shows."""
        return self._known(MOMENTS, role) or plain(role).capitalize()

    def phase(self, code: str) -> str:
        """What happened to an incident."""
        return self._word(PHASES, code)

    def case_state(self, code: str) -> str:
        """What people made of an incident."""
        return self._word(CASE_STATES, code)

    def case_offer(self, code: str) -> str:
        """What may be done with a case."""
        return self._known(CASE_OFFERS, code) or plain(code).capitalize()

    def case_step(self, code: str) -> str:
        """What was done with a case."""
        return self._word(CASE_STEPS, code)

    def check(self, code: str) -> str:
        """What the cameras say after a case was resolved."""
        return self._word(CHECKS, code)

    def false_alarm(self, code: str) -> str:
        """Why it was a false alarm."""
        return self._word(FALSE_ALARMS, code)

    def role(self, code: str) -> str:
        """What a model version is in a rollout."""
        return self._word(system.MODEL_ROLES, code)

    def application(self, code: str) -> str:
        """How a model version in service is."""
        return self._word(system.APPLICATIONS, code)

    def deed(self, code: str) -> str:
        """What was done with the versions of a model."""
        return self._word(system.DEEDS, code)

    def scope(self, code: str) -> str:
        """What somebody may do."""
        return self._word(system.SCOPES, code)

    def kept(self, code: str) -> str:
        """What retention keeps."""
        return self._word(system.KEPT, code)

    def format(self, code: str) -> str:
        """How a subscription is sent."""
        return self._word(system.FORMATS, code)

    @property
    def false_alarms(self) -> dict[str, str]:
        """Every reason for a false alarm."""
        return {code: self.false_alarm(code) for code in FALSE_ALARMS}

    def label(self, code: str) -> str:
        """What a model calls an object."""
        return self._word(LABELS, code)

    def measurement(self, code: str) -> str:
        """What was measured."""
        return self._known(MEASUREMENTS, code) or plain(code.rsplit(".", 1)[-1]).capitalize()

    def unit(self, code: str) -> str:
        """The unit of a measurement; empty for counts and shares.

        Of a kind that has no unit of its own the code is `KIND 1`.
        """
        return "" if code.endswith("1") and code not in UNITS else self._known(UNITS, code) or code

    def value(self, value: float | None, unit: str) -> str:
        """A measured number without its unit; a share as per cent, a dash for none."""
        if value is None:
            return "–"
        if unit in SHARED_UNITS:
            return self.percent(value)
        return self.number(value, "#,##0.#" if value >= 1 else "0.##")

    def city(self, code: str) -> str:
        """`510118-Xinjin` → `Xinjin (510118)`; another name stays as it is."""
        division, dash, name = code.partition("-")
        return f"{name} ({division})" if dash and name and division.isdecimal() else code

    def duration(self, span: timedelta) -> str:
        """`0:42`, `1:02:05`, from a day on `2 d 3 h`; never negative."""
        seconds = max(0, int(span.total_seconds()))
        if seconds >= _DAY_S:
            days, hours = seconds // _DAY_S, seconds % _DAY_S // _HOUR_S
            return self._text(N_("%(days)s d %(hours)s h"), days=days, hours=hours)
        minutes = f"{seconds % _HOUR_S // _MINUTE_S}:{seconds % _MINUTE_S:02d}"
        if seconds >= _HOUR_S:
            return f"{seconds // _HOUR_S}:{minutes.zfill(len('00:00'))}"
        return minutes

    def _lasting(self, seconds: float) -> str:
        """`340` → `5:40 min`."""
        shown = self.duration(timedelta(seconds=seconds))
        if seconds >= _DAY_S:
            return shown
        hours = seconds >= _HOUR_S
        return self._text(N_("%(time)s h") if hours else N_("%(time)s min"), time=shown)

    def span(self, seconds: float | None) -> str:
        """The same; a dash for none."""
        return "–" if seconds is None else self._lasting(seconds)

    def number(self, value: float, digits: str = "#,##0.##") -> str:
        """A number as the language writes it."""
        return format_decimal(value, format=digits, locale=self._language.locale)

    def size(self, count: float) -> str:
        """`340000000` bytes → `340 MB`."""
        for unit, wording in SIZES:
            if count >= unit:
                return self._text(wording, value=self.number(count / unit, "0.#"))
        return self._text(N_("%(value)s kB"), value=self.number(count / 1e3, "0.#"))

    def percent(self, share: float) -> str:
        """`0.931` → `93%`; what is nearly all, or nearly nothing, never reads as that."""
        shown = min(0.99, share) if share < 1 else share
        shown = max(0.01, shown) if share > 0 else shown
        return format_percent(shown, format="0%", locale=self._language.locale)

    def share(self, share: float | None) -> str:
        """The same; a dash for none."""
        return "–" if share is None else self.percent(share)

    def measured(self, name: str, value: float) -> tuple[str, str]:
        """`median_speed_mps`, 1.5 → `Median speed`, `5 km/h`; `vehicles`, 9 → `Vehicles`, `9`."""
        if name in SHARES:
            return self._name(name), self.percent(value)
        if name == DENSITY:
            return self._name(name), f"{self.number(value, '0.0#')} {self.unit('1/m2')}"
        for suffix, wording, factor, digits in SUFFIXES:
            if name.endswith(suffix):
                if suffix == SECONDS and value >= _MINUTE_S:
                    return self._name(name.removesuffix(suffix)), self._lasting(value)
                shown = self.number(value * factor, digits)
                return self._name(name.removesuffix(suffix)), self._text(wording, value=shown)
        return self._name(name), self.number(value)

    def _name(self, name: str) -> str:
        return self._known(NAMES, name) or plain(name).capitalize()

    def _word(self, table: Mapping[str, str], code: str) -> str:
        return self._known(table, code) or plain(code)

    def _known(self, table: Mapping[str, str], code: str) -> str:
        message = table.get(code)
        return self._text(message) if message else ""


def plain(code: str) -> str:
    """`bin_bag` → `bin bag`."""
    return code.replace("_", " ").replace("-", " ").strip()
