"""`HealthAnswer`: the whole city at a glance, with every problem named, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, Self

from pydantic import Field, field_validator

from camera_adapters import CameraState
from pipelines import Priority, overload
from pipelines.delivery import Kept, city_sinks
from serving.api.answers import ApiAnswer, LoadAnswer, ModelAnswer, Rounded
from serving.capacity.budget import CapacityState
from serving.rollout.rollouts import RolloutState
from serving.worker_state import WorkerState, loads_of

MOST_NAMED = 8
"""Cameras of a silent worker that a sentence names."""


class SinkAnswer(ApiAnswer):
    """One receiver of events. Where it takes none, `reason` and `since` say why.

    With `cameras`, it takes the events of others; `dead` are those that it refused for good.
    """

    name: str
    status: Literal["ok", "failing"]
    reason: str
    since: datetime | None
    cameras: tuple[str, ...]
    delivered: int
    failed: int
    pending: int
    dead: int


class KeptAnswer(ApiAnswer):
    """What is kept of one kind: `used_bytes` since `oldest`, and its limits, null without end.

    `held` counts keyframes of incidents that are held; retention does not delete them.
    """

    name: str
    used_bytes: int
    oldest: date | None
    max_bytes: int | None
    max_days: float | None
    held: int
    deleted: int

    @classmethod
    def kept(cls, kept: Kept) -> Self:
        """As the API says it."""
        limit = kept.limit
        return cls(
            name=kept.name,
            used_bytes=kept.bytes,
            oldest=kept.oldest,
            max_bytes=None if limit.gigabytes is None else int(limit.max_bytes),
            max_days=limit.days,
            held=kept.held,
            deleted=kept.deleted,
        )


class CapacityAnswer(ApiAnswer):
    """How much of its machine the city needs with all that it asks for, `sentence` in words.

    `fitting` of the cameras fit, those of the lowest priority left out first, and `more` like the
    mean of them would. Of `assumed` cameras the stream is not known yet. `spread` is that of the
    costs, a share of 1. All but `sentence` is null where nothing was measured. `nodes` has the
    sentence of each machine of a cluster, by its name.
    """

    sentence: str
    cores: Rounded = None
    needed_cores: Rounded = None
    gpu: Rounded = None
    fitting: int | None = None
    more: int | None = None
    assumed: int | None = None
    spread: Rounded = None
    nodes: dict[str, str] = Field(default_factory=dict)

    @field_validator("nodes", mode="before")
    @classmethod
    def _in_words(cls, nodes: Mapping[str, CapacityState]) -> dict[str, str]:
        return {name: str(one) for name, one in nodes.items()}


class HealthAnswer(ApiAnswer):
    """The whole at a glance: `ok` when every camera is online and every model is served.

    `cameras_online` and `cameras_degraded` count cameras by their state, and `problems` names all
    that are not online. Of `cameras_unknown` nothing is known at present: nobody may be watching
    them. `load` is by priority; the status is `degraded` where less is given than was asked for.
    `capacity` is what the city is expected to need, whatever it is given.
    """

    status: Literal["ok", "degraded"]
    problems: tuple[str, ...]
    cameras: int
    cameras_online: int
    cameras_degraded: int
    cameras_unknown: int
    load: dict[Priority, LoadAnswer]
    capacity: CapacityAnswer | None = None
    events_delivered: int
    events_pending: int
    events_dead: int
    sinks: tuple[SinkAnswer, ...]
    kept: tuple[KeptAnswer, ...]


def health_answer(
    workers: Sequence[WorkerState],
    models: Sequence[ModelAnswer],
    rollouts: Sequence[RolloutState],
    notes: Mapping[str, str],
    kept: Sequence[Kept] = (),
    capacity: CapacityState | str | None = None,
) -> HealthAnswer:
    """Health from what the director knows; `notes` say what is wrong elsewhere, by part.

    `kept` is what no worker keeps alone; `capacity` how much the cameras need, or why that is not
    known.
    """
    kept = (*kept, *(one for state in workers if state.current for one in state.current.kept))
    cameras = [camera for state in workers for camera in state.cameras]
    states = Counter(camera.state for camera in cameras)
    loads = loads_of(workers)
    relays = [state.current.relay for state in workers if state.current]
    sinks = city_sinks(sink for relay in relays for sink in relay.sinks)
    problems = (
        *notes.values(),
        *worker_problems(workers),
        *(
            f"camera {camera.id} is {camera.state.value}: {camera.reason}"
            for camera in cameras
            if camera.state is not CameraState.ONLINE
        ),
        *(
            f"camera {camera.id}: keyframes are of its smaller stream, as of its main stream it is "
            f"said: {camera.main.fault}"
            for camera in cameras
            if camera.main is not None and camera.main.fault
        ),
        *(
            f"model {model.name}/{model.version} is {model.status.lower()}"
            for model in models
            if model.status != "RUNNING"
        ),
        *(why for state in rollouts for why in state.absent.values()),
        *(f"{one.name} cannot be deleted: {one.fault}" for one in kept if one.fault),
        *filter(None, [overload(loads)]),
        *(problem for sink in sinks for problem in sink.problems),
    )
    return HealthAnswer(
        status="degraded" if problems else "ok",
        problems=problems,
        cameras=sum(len(state.camera_ids) for state in workers),
        cameras_online=states[CameraState.ONLINE],
        cameras_degraded=states[CameraState.DEGRADED],
        cameras_unknown=sum(len(state.unknown) for state in workers),
        load={priority: LoadAnswer.of(load) for priority, load in loads.items()},
        capacity=capacity and CapacityAnswer.of(capacity, sentence=str(capacity)),
        events_delivered=sum(relay.events_delivered for relay in relays),
        events_pending=sum(relay.pending for relay in relays),
        events_dead=sum(relay.dead for relay in relays),
        sinks=tuple(
            SinkAnswer.of(sink, status="ok" if sink.since is None else "failing") for sink in sinks
        ),
        kept=tuple(map(KeptAnswer.kept, kept)),
    )


def worker_problems(workers: Iterable[WorkerState]) -> list[str]:
    """What is wrong with workers, a sentence each."""
    problems = []
    for state in workers:
        if state.silence:
            problems.append(f"{state.silence}; nothing is known of {_named(state.unknown)}")
        elif not state.alive:
            problems.append(f"{state.name} does not answer")
        elif state.current and state.current.group.detector_fault:
            problems.append(f"{state.name}: {state.current.group.detector_fault}")
        if state.current:
            problems += [f"{state.name}: {problem}" for problem in state.current.storage]
    return problems


def unknown_health(why: str, cameras: int) -> HealthAnswer:
    """Health where the director does not answer; `cameras` are as many as it had last."""
    return HealthAnswer(
        status="degraded",
        problems=(f"{why}; nothing is known of any camera",),
        cameras=cameras,
        cameras_online=0,
        cameras_degraded=0,
        cameras_unknown=cameras,
        load={},
        events_delivered=0,
        events_pending=0,
        events_dead=0,
        sinks=(),
        kept=(),
    )


def _named(cameras: Sequence[str]) -> str:
    some = ", ".join(cameras[:MOST_NAMED])
    more = len(cameras) - MOST_NAMED
    word = "camera" if len(cameras) == 1 else "cameras"
    return f"{word} {some} and {more} more" if more > 0 else f"{word} {some}"
