"""`IncidentCase`: a clip, the camera that it is replayed as, and what should be reported of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.incident_path.expectation import ExpectedIncident
from pipelines.rules import RULES, min_fps
from simulation.scenes import WatchedScene

FPS: Final = 5.0
LEAST_MARGIN: Final = 1.1
"""A rate must be above the least one of a rule, and frames have jitter."""
"""Frames per second that each task of a drawn camera analyses."""

CAMERA: Final = "bench"
NOWHERE: Final = "rtsp://recording.invalid/"


@dataclass(frozen=True, slots=True, eq=False)
class IncidentCase:
    """One clip of the benchmark.

    Attributes:
        name: Unique among the cases.
        camera: The camera's section of a configuration, without id and source.
        expected: What should be reported.
        models: The section `models` of the configuration; the built-in packages if it is empty.
        scene: What the clip shows where it is drawn; None for a recording.
        clip: The recording; None for a drawn one.
        source: What messages name: the file that describes a recording, or the scene.
        missing: Kinds of incidents that the scene is about and that no rule finds.
    """

    name: str
    camera: Mapping[str, Any]
    expected: tuple[ExpectedIncident, ...]
    models: Mapping[str, Any]
    scene: WatchedScene | None
    clip: Path | None
    source: str
    missing: tuple[str, ...] = ()

    @property
    def is_hard_negative(self) -> bool:
        """Whether nothing must be reported of it."""
        return not self.missing and not any(one.is_asked for one in self.expected)

    @property
    def has_rules(self) -> bool:
        """Whether anything watches it: a drawn scene may be about incidents that no rule finds."""
        return self.scene is None or bool(self.camera["tasks"])

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the rules that watch it, as far as its camera lists them."""
        tasks = self.camera.get("tasks") or {}
        return frozenset(kind for task in tasks.values() for kind in task.get("rules") or {})

    def with_parameters(self, kind: str, parameters: Mapping[str, object]) -> IncidentCase:
        """The same with other parameters of one kind of rule."""
        tasks = {
            name: {
                **task,
                "rules": {
                    one: {**(given or {}), **(parameters if one == kind else {})}
                    for one, given in (task.get("rules") or {}).items()
                },
            }
            for name, task in (self.camera.get("tasks") or {}).items()
        }
        return replace(self, camera={**self.camera, "tasks": tasks})

    def with_camera(self, **keys: object) -> IncidentCase:
        """The same with other keys of its camera."""
        return replace(self, camera={**self.camera, **keys})

    def with_models(self, **keys: object) -> IncidentCase:
        """The same with other keys of `models`."""
        return replace(self, models={**self.models, **keys})

    def with_adaptive_fps(self, idle: float | None, near: float | None) -> IncidentCase:
        """The same with other rates of its tasks; an idle one is as low as their rules allow."""
        tasks = {}
        for name, task in (self.camera.get("tasks") or {}).items():
            rates = {} if near is None else {"near": near}
            needed = max(map(_least_fps, (task.get("rules") or {}).items()), default=0.0)
            if idle is not None and LEAST_MARGIN * needed < task.get("fps", FPS):
                rates["idle"] = max(idle, round(LEAST_MARGIN * needed, 2))
            tasks[name] = {**task, "adaptive_fps": rates}
        return self.with_camera(tasks=tasks)

    def document(self, folder: Path) -> dict[str, Any]:
        """A whole configuration with this one camera; what it stores would be below a folder."""
        return {
            "cameras": [{"id": CAMERA, "source": NOWHERE, **self.camera}],
            "hub": {},
            "keyframes": {"folder": str(folder / "keyframes")},
            "models": dict(self.models),
            "state": str(folder / "state"),
        }


def _least_fps(listed: tuple[str, Mapping[str, Any] | None]) -> float:
    kind, given = listed
    rule = RULES[kind]
    fields = rule.Parameters.model_fields
    known = {key: value for key, value in (given or {}).items() if key in fields}
    return min_fps(rule, rule.Parameters.model_validate(known))


def drawn_case(watched: WatchedScene) -> IncidentCase:
    """The case of a drawn scene; rules that the program does not have are left out."""
    scene = watched.scene
    known = {kind: dict(given) for kind, given in watched.rules.items() if kind in RULES}
    expected = tuple(
        ExpectedIncident(one.kind, one.zone, one.start_s, one.end_s, one.is_asked)
        for one in scene.incidents
        if one.kind in known
    )
    asked = {one.kind for one in scene.incidents if one.is_asked}
    return IncidentCase(
        name=scene.name,
        camera=_camera(watched, known),
        expected=expected,
        models={},
        scene=watched,
        clip=None,
        source=f"scene {scene.name}",
        missing=tuple(sorted(asked - known.keys())),
    )


def _camera(watched: WatchedScene, rules: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    scene = watched.scene
    zones = {zone.name: [list(corner) for corner in zone.polygon] for zone in scene.zones}
    directions = {zone.name: [list(end) for end in zone.flow] for zone in scene.zones if zone.flow}
    lines = {name: [list(end) for end in ends] for name, ends in watched.lines.items()}
    section: dict[str, Any] = {"name": scene.title, "zones": zones, "tasks": {}}
    if watched.is_calibrated:
        section["ground"] = [[*one.image, *one.ground_m] for one in scene.ground_points()]
    if directions:
        section["directions"] = directions
    if lines:
        section["lines"] = lines
    for task in scene.tasks:
        own = {kind: given for kind, given in rules.items() if kind.partition(".")[0] == task}
        if own:
            names = [zone.name for zone in scene.zones if zone.task == task]
            section["tasks"][task] = {"model": task, "fps": FPS, "zones": names, "rules": own}
            if lines and task == "traffic":
                section["tasks"][task]["lines"] = list(lines)
    return section
