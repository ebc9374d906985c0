"""`Rollouts`: carries out changes of versions on a running city.

The order is the guarantee: a new version is admitted, started and has verified its golden images
before the table is written; the table is written before cameras change; and an old version is
removed only after the last camera has left it and its time to run on is over (`warm`). Whatever
fails on the way changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from models.detections import plain_label
from pipelines import CameraPlan, Routes
from pipelines.delivery import make_folder, write_durably
from serving.errors import RolloutBusy, RolloutError, ServingError
from serving.rollout.ledger import SOMEBODY, ChangedBy, Deed, LedgerEntry, RolloutLedger
from serving.rollout.rollout import Rollout, RolloutChange, changed, promoted, rolled_back
from serving.rollout.routing_table import RoutingTable, followers, tasks_of
from serving.rollout.warm import WarmVersion, WarmVersions
from serving.served_models import ServedModel

log = logging.getLogger(__name__)

FILE: Final = "rollouts.json"
"""In the state folder: what was decided outlives the process that decided it."""
VERSION: Final = 4
"""Version 1 was the mapping of tables alone; version 2 had one threshold for all classes; version 3
did not say how the first version was chosen."""
_TABLES: Final = TypeAdapter(Mapping[str, Rollout])
_TREE: Final = TypeAdapter(dict[str, Any])

Change = Callable[[Rollout], Rollout]


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A table and what is being done about it.

    Attributes:
        cameras: Cameras that follow the table.
        under_way: What is being done now, empty when nothing is.
        leaving: Versions that run until their last camera has left them.
        warm: The version that runs on for a rollback; None where there is none.
        absent: Why versions of the table do not run.
    """

    rollout: Rollout
    cameras: tuple[str, ...]
    under_way: str
    leaving: tuple[str, ...]
    warm: WarmVersion | None
    absent: Mapping[str, str]


class Rollouts:
    """The tables of a running city. Safe for use from several threads; one change at a time."""

    def __init__(
        self,
        plans: Sequence[CameraPlan],
        routing: RoutingTable,
        find: Callable[[str, str], ServedModel],
        launch: Callable[[ServedModel], None],
        remove: Callable[[ServedModel], None],
        reroute: Callable[[Mapping[str, Routes]], None],
        state: Path,
        keep_warm_s: float = 0.0,
    ) -> None:
        """Takes over the versions that run already.

        Args:
            plans: All cameras as configured.
            routing: Tables and versions that run already.
            find: Gives an admitted version of the repository, or raises `RolloutError`.
            launch: Returns when a version runs and has verified its golden images, or raises
                `ServingError` and leaves nothing of it.
            remove: Ends a version.
            reroute: Sends new routes to the workers.
            state: Folder in which the tables are kept.
            keep_warm_s: For how long a version runs on that has left service, seconds.

        Raises:
            RolloutError: The tables cannot be kept there.
        """
        self._plans = tuple(plans)
        self._routing = routing
        self._find = find
        self._launch = launch
        self._remove = remove
        self._reroute = reroute
        self._state = state
        self._ledger = RolloutLedger(state)
        self._warm = WarmVersions(keep_warm_s)
        self._changing = threading.Lock()
        self._under_way: tuple[str, str] | None = None
        self._resting = frozenset[str]()
        self._changed_s = time.monotonic()
        # From the first start on, a newer version in the repository changes nothing by itself.
        self._save(routing)

    @property
    def routing(self) -> RoutingTable:
        """Tables and running versions now."""
        return self._routing

    def states(self) -> tuple[RolloutState, ...]:
        """All tables, by the name of their model."""
        return tuple(self._rollout_state(name) for name in sorted(self._routing.rollouts))

    def change(self, model: str, change: RolloutChange, by: ChangedBy = SOMEBODY) -> RolloutState:
        """Changes canary, shadow or thresholds of a model.

        Raises:
            RolloutError: Refused, or a version could not be started; nothing has changed.
        """
        cameras = followers(self._plans, model)

        def new(rollout: Rollout) -> Rollout:
            self._check_classes(model, change)
            return changed(rollout, change, cameras)

        return self._apply(model, "change", new, by)

    def promote(self, model: str, by: ChangedBy = SOMEBODY) -> RolloutState:
        """Makes the canary, or else the shadow, the stable version.

        Raises:
            RolloutError: Refused; nothing has changed.
        """
        return self._apply(model, "promote", promoted, by)

    def rollback(
        self, model: str, version: str | None = None, by: ChangedBy = SOMEBODY
    ) -> RolloutState:
        """Takes the canary back, or else the newest promotion; or makes a version the stable one.

        Raises:
            RolloutError: Refused, or the old version could not be started; nothing has changed.
        """
        return self._apply(model, "rollback", lambda old: rolled_back(old, version), by)

    def ledger(self, model: str, limit: int) -> list[LedgerEntry]:
        """Who changed the versions of a model, newest first."""
        return self._ledger.entries(model, limit)

    def replan(self, plans: Sequence[CameraPlan]) -> None:
        """Takes other cameras; versions and tables stay.

        Raises:
            RolloutBusy: A change of versions is under way.
            RolloutError: A camera needs a model that does not run.
        """
        if not self._changing.acquire(blocking=False):
            raise RolloutBusy("a change of versions is under way; try again soon")
        try:
            for plan in plans:
                self._check_models(plan)
            self._plans = tuple(plans)
            self._changed_s = time.monotonic()
        finally:
            self._changing.release()

    def _check_models(self, plan: CameraPlan) -> None:
        routing = self._routing
        for task in plan.tasks:
            model = task.model
            runs = model.key in routing.served
            if runs if task.pinned else model.name in routing.rollouts:
                continue
            wanted = model.key if task.pinned else model.name
            raise RolloutError(
                f"camera {plan.camera.id}: the model {wanted} does not run in this city; it is "
                "loaded when the city is started anew"
            )

    def retire(self, serving: frozenset[str], asked_s: float) -> None:
        """Removes versions that nobody needs any more.

        Args:
            serving: Every `name/version` that a camera may still send frames to.
            asked_s: When the first of the workers was asked for it, monotonic seconds.
        """
        if asked_s <= self._changed_s or not self._changing.acquire(blocking=False):
            return
        try:
            routing = self._routing
            idle = set(routing.served) - routing.needed(self._plans) - serving
            warm = self._warm.keys()
            self._resting = frozenset(idle & warm)
            self._end(idle - warm)
        finally:
            self._changing.release()

    def _end(self, keys: Iterable[str]) -> None:
        """Ends versions that no camera uses."""
        for key in sorted(keys):
            log.info("model_retired", extra={"model": key})
            self._remove(self._routing.served[key])
            kept = {name: one for name, one in self._routing.served.items() if name != key}
            self._routing = replace(self._routing, served=kept)

    def _make_room(self, table: Rollout) -> None:
        """Ends the version that runs on where a change of its model needs another one to start."""
        wanted = {f"{table.model}/{version}" for version in table.versions}
        resting = {key for key in self._resting if key.partition("/")[0] == table.model} - wanted
        if resting and wanted - set(self._routing.served):
            self._warm.end(table.model)
            self._end(resting)
            self._resting -= resting

    def _apply(self, model: str, deed: Deed, change: Change, by: ChangedBy) -> RolloutState:
        with self._alone(model):
            old = self._routing.rollouts.get(model)
            if old is None:
                known = ", ".join(sorted(self._routing.rollouts)) or "none"
                raise RolloutError(
                    f"model {model}: no camera uses it without naming a version; in use: {known}"
                )
            new = change(old).model_copy(update={"changed_at": datetime.now(UTC)})
            self._make_room(new)
            routing = self._with_versions(new)
            routing = replace(routing, rollouts={**routing.rollouts, model: new})
            try:
                self._save(routing)
            except RolloutError:
                self._forget(routing)
                raise
            self._routing = routing
            self._warm.left(old, new)
            self._resting = frozenset()
            self._changed_s = time.monotonic()
            self._reroute({plan.camera.id: routing.routes(plan) for plan in self._plans})
            log.info("rollout_changed", extra={"rollout": new.model_dump(mode="json")})
            self._ledger.note(deed, old, new, by, new.changed_at or datetime.now(UTC))
        return self._rollout_state(model)

    @contextlib.contextmanager
    def _alone(self, model: str) -> Iterator[None]:
        if not self._changing.acquire(blocking=False):
            under_way = self._under_way
            what = f" ({under_way[1]})" if under_way else ""
            raise RolloutBusy(f"model {model}: another change is under way{what}; try again soon")
        try:
            yield
        finally:
            self._under_way = None
            self._changing.release()

    def _with_versions(self, table: Rollout) -> RoutingTable:
        """The routing with every version of a table running, or an error and nothing started."""
        routing = self._routing
        for version in table.versions:
            key = f"{table.model}/{version}"
            if key in routing.served:
                continue
            self._under_way = (table.model, f"starting {key}")
            try:
                served = self._find(table.model, version)
                self._check_tasks(served)
                self._launch(served)
            except ServingError as error:
                self._forget(routing)
                log.warning("rollout_refused", extra={"model": key, "reason": str(error)})
                raise RolloutError(f"{error}; the versions in service stay") from None
            absent = {name: why for name, why in routing.absent.items() if name != key}
            routing = replace(routing, served={**routing.served, key: served}, absent=absent)
        return routing

    def _check_tasks(self, model: ServedModel) -> None:
        missing = tasks_of(self._plans, model.ref.name) - set(model.tasks)
        if missing:
            raise RolloutError(
                f"model {model.ref.key} is made for {', '.join(model.tasks)}, but cameras use it "
                f"for {', '.join(sorted(missing))} too; import it with --tasks if it can do that"
            )

    def _check_classes(self, model: str, change: RolloutChange) -> None:
        """Refuses a threshold of a class that its version does not have."""
        for version, wanted in change.thresholds.items():
            if wanted is None or not wanted.classes:
                continue
            served = self._routing.served.get(f"{model}/{version}") or self._find(model, version)
            known = {plain_label(label) for label in served.ref.labels}
            unknown = [name for name in wanted.classes if plain_label(name) not in known]
            if unknown:
                raise RolloutError(
                    f"model {model}/{version} has no class {', '.join(unknown)}, which "
                    f"`thresholds` names; its classes are {', '.join(served.ref.labels)}"
                )

    def _save(self, routing: RoutingTable) -> None:
        """Keeps the tables, and those of models that no camera uses at present."""
        kept = load_rollouts(self._state)
        wanted = {**kept, **routing.rollouts}
        # A full disk must not keep a director from taking over what runs.
        if wanted != kept:
            save_rollouts(self._state, wanted)

    def _forget(self, routing: RoutingTable) -> None:
        """Ends versions that were started for a change that did not happen."""
        for key in set(routing.served) - set(self._routing.served):
            self._remove(routing.served[key])

    def _rollout_state(self, model: str) -> RolloutState:
        routing, under_way = self._routing, self._under_way
        needed, warm = routing.needed(self._plans), self._warm.of(model)
        if warm is not None and f"{model}/{warm.version}" in needed:
            warm = None
        return RolloutState(
            rollout=routing.rollouts[model],
            cameras=followers(self._plans, model),
            under_way=under_way[1] if under_way and under_way[0] == model else "",
            leaving=tuple(
                one.ref.version
                for key, one in sorted(routing.served.items())
                if one.ref.name == model
                and key not in needed
                and (warm is None or one.ref.version != warm.version)
            ),
            warm=warm,
            absent={
                key: why for key, why in routing.absent.items() if key.partition("/")[0] == model
            },
        )


def load_rollouts(state: Path) -> Mapping[str, Rollout]:
    """The tables in a state folder by model; empty where nothing was decided yet.

    Raises:
        RolloutError: The file cannot be read. Guessing would put an unwanted version into service.
    """
    path = state / FILE
    try:
        written = _TREE.validate_json(path.read_bytes())
        version = written.get("schema_version")
        if isinstance(version, int) and version > VERSION:
            raise RolloutError(
                f"the rollout tables {path} have schema version {version}, this program knows "
                f"{VERSION}; run the program that wrote them, or remove the file"
            )
        is_first = not isinstance(version, int)
        tables = _TABLES.validate_python(written if is_first else written["rollouts"])
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError, KeyError) as error:
        problem = str(error).splitlines()[0]
        raise RolloutError(
            f"the rollout tables {path} cannot be read ({problem}); correct the file, or remove it "
            "to start with the newest admitted version of every model"
        ) from error
    return tables


def save_rollouts(state: Path, tables: Mapping[str, Rollout]) -> None:
    """Writes all tables, whole or not at all.

    Raises:
        RolloutError: The disk refuses.
    """
    path = state / FILE
    try:
        make_folder(state)
        written = {"schema_version": VERSION, "rollouts": _TABLES.dump_python(tables, mode="json")}
        write_durably(path, json.dumps(written, indent=2).encode() + b"\n")
    except OSError as error:
        raise RolloutError(f"the rollout tables {path} cannot be written: {error}") from error
