"""Resolves a valid configuration into plans: cameras with their models, zones and rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from camera_adapters import CameraNetwork, CameraSpec, ClipWindow, Credentials, LoginMemory, Place
from cityeye.config.catalogue import Catalogue
from cityeye.config.kept_rules import KeptRules
from cityeye.config.rule_options import (
    VERSION,
    RuleOptions,
    mask_zones,
    options_of,
    parameters_of,
    schedule_of,
)
from cityeye.config.schema import CameraSection, ClipSection, Settings, TaskSection
from cityeye.config.values import calibration
from pipelines import CameraPlan, NamedThresholds, TaskPlan
from pipelines.rules import RULE_SETS, Line, PinnedRule, RulePlan, Zone
from pipelines.signals import Signal
from serving import model_ref

WHOLE_IMAGE = "picture"
"""Name of the zone of a task that names none."""

LOGINS_FOLDER = "logins"
"""In the folder of outbox and spool: which logins were refused when, so that no account is locked
by restarts."""

CONFIRM = "confirm_s"
"""The parameter of a rule that says how long an incident is confirmed."""

CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def camera_plans(settings: Settings, catalogue: Catalogue) -> tuple[CameraPlan, ...]:
    """One plan per camera, in the order of the file.

    Raises:
        ModelError: A package changed on disk after it was checked.
    """
    return tuple(_plan(camera, settings, catalogue) for camera in settings.cameras)


def _plan(camera: CameraSection, settings: Settings, catalogue: Catalogue) -> CameraPlan:
    zone = settings.city.time_zone
    tasks = tuple(_task(name, task, camera, zone, catalogue) for name, task in camera.tasks.items())
    return CameraPlan(
        camera=replace(camera_spec(camera, settings), clip=_clip(camera.evidence_clip, tasks)),
        tasks=tasks,
        signals=frozenset(map(Signal, camera.signals)),
        cannot_see_s=camera.cannot_see_s,
        coverage_s=settings.coverage.period_s,
        masking=settings.keyframes.masking if camera.masking is None else camera.masking,
        measurements=_published(camera.measurements),
        motion_gate_s=camera.motion_gate_s,
        masks=mask_zones(camera.masks),
        node_labels=camera.node,
    )


def _clip(section: ClipSection | None, tasks: Sequence[TaskPlan]) -> ClipWindow | None:
    """What clips show. An incident is known when it is confirmed, and opened before."""
    if section is None:
        return None
    rules = (rule for task in tasks for rule in task.rules)
    given = (rule.parameters.get(CONFIRM) for rule in rules)
    confirm_s = max((float(one) for one in given if isinstance(one, int | float)), default=0.0)
    max_bytes = int(section.megabytes * 1e6)
    return ClipWindow(section.before_s, section.after_s, max_bytes, confirm_s)


def camera_network(settings: Settings) -> CameraNetwork:
    """Where cameras may be."""
    section = settings.camera_network
    return CameraNetwork(section.allow, section.ports)


def camera_spec(camera: CameraSection, settings: Settings) -> CameraSpec:
    """A camera of a configuration as it is read."""
    credentials = None
    if camera.username is not None:
        password = camera.password.get_secret_value() if camera.password is not None else ""
        credentials = Credentials(camera.username, password)
    place = Place(
        camera.place.lon, camera.place.lat, camera.place.division or settings.city.division
    )
    return CameraSpec(
        id=camera.id,
        source=camera.inference_source or camera.source,
        main_source=camera.source if camera.inference_source else "",
        name=camera.name or camera.id,
        place=place,
        credentials=credentials,
        rates={name: task.fps for name, task in camera.tasks.items()},
        most_fps=max(task.adaptive_fps.near or 0.0 for task in camera.tasks.values()),
        open_timeout_s=camera.open_timeout_s,
        read_timeout_s=camera.read_timeout_s,
        transport=camera.transport,
        max_pixels=camera.max_pixels,
        decoder=camera.decoder,
        network=camera_network(settings),
        verify_tls=camera.verify_tls,
        logins=LoginMemory(settings.state / LOGINS_FOLDER),
    )


def rule_set_of(name: str, task: TaskSection, kept: KeptRules) -> str | None:
    """Name of the rule set that a task runs; None where it lists rules only."""
    return task.rule_set or (None if task.rules else kept.set_of(name))


def wanted_rules(
    set_name: str | None, given: Mapping[str, Mapping[str, object] | None], kept: KeptRules
) -> tuple[PinnedRule, ...]:
    """The rules of a set, with what a task says of them, and those that the task adds.

    Args:
        set_name: The set; None where the task lists rules only.
        given: Parameters by kind, as the file has them; `version` beside them picks the version of
            the rule.
        kept: The versions of rules that are named without one.
    """
    wanted = {rule.kind: rule for rule in RULE_SETS.get(set_name or "", ())}
    for kind, said in given.items():
        known = wanted.get(kind) or PinnedRule(kind, kept.version_of(kind))
        version = str((said or {}).get(VERSION) or known.version)
        # Another version has other parameters.
        base = known.parameters if version == known.version else {}
        wanted[kind] = PinnedRule(kind, version, {**base, **parameters_of(said)})
    return tuple(wanted.values())


def _published(wanted: bool | tuple[str, ...]) -> frozenset[str] | None:
    """The kinds of measurements that are published; None for all."""
    if isinstance(wanted, tuple):
        return frozenset(wanted)
    return None if wanted else frozenset()


def _task(
    name: str, task: TaskSection, camera: CameraSection, time_zone: str | None, catalogue: Catalogue
) -> TaskPlan:
    ground = calibration(camera.ground) if camera.ground is not None else None
    zones: tuple[Zone, ...] = (Zone(WHOLE_IMAGE, CORNERS, ground),)
    if task.zones is not None:
        directions = camera.directions
        zones = tuple(Zone(n, camera.zones[n], ground, directions.get(n)) for n in task.zones)
    lines = tuple(Line(name, *camera.lines[name], ground) for name in task.lines or ())
    thresholds = NamedThresholds(task.thresholds.default, task.thresholds.classes)

    def rule_plan(rule: PinnedRule) -> RulePlan:
        options = RuleOptions.model_validate(options_of((task.rules or {}).get(rule.kind)))
        return RulePlan(
            rule.kind,
            zones,
            catalogue.checked(rule),
            lines,
            rule.version,
            schedule_of(options.schedule or task.schedule, time_zone),
            mask_zones(camera.masks) + mask_zones(options.masks),
        )

    return TaskPlan(
        task=name,
        model=model_ref(catalogue.find_model(task.model)).overridden(thresholds),
        fps=task.fps,
        rules=tuple(
            rule_plan(one)
            for one in wanted_rules(
                rule_set_of(name, task, catalogue.kept), task.rules or {}, catalogue.kept
            )
        ),
        pinned="/" in task.model,
        priority=task.priority or camera.priority,
        thresholds=thresholds,
        adaptive=task.adaptive_fps.rates,
    )
