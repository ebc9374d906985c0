"""`WorkerNodes`: the machines that may have camera workers, and whether each gives a sign of life.

Ray takes a node for alive until it has not answered for most of a minute. The keeper on it says
so within seconds: a worker that died is started on its node again only after its keeper has
answered since, and on another one where it does not.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from ray.exceptions import RayError

from serving.actor import start_actor, wait_for
from serving.city_plan import CityPlan
from serving.node_keeper import NodeKeeper
from serving.nodes import LEAST_CORES, CameraNode, living_nodes, this_node

log = logging.getLogger(__name__)

START_S: Final = 30.0
"""How long a keeper may take for its first answer."""

SILENT_S: Final = 6.0
"""How long one may be silent afterwards, until its node is left to itself."""

RELEASE_S: Final = 6.0
"""How long a keeper may take to let an outbox go; the worker is replaced where it was too slow."""

TAKE_S: Final = 1.0
"""For an answer that is there already."""


class KeptNode:
    """A keeper and what it said last. Not thread-safe."""

    def __init__(self, start: Callable[[], Any]) -> None:
        """Starts it by `start`, which gives its handle."""
        self._start = start
        self.keeper = start()
        self._begun_s = time.monotonic()
        self.answered_s: float | None = None
        self.notes: Mapping[str, str] = {}
        self._question: object = None
        self._question_s = 0.0

    def ask(self) -> object:
        """Asks for its notes, if it owes no answer; the open question."""
        if self._question is None:
            self._question_s = time.monotonic()
            self._question = self.keeper.notes.remote()
        return self._question

    def check(self, *, answered: bool) -> None:
        """Takes the answer to the open question, if it has come; a keeper that died is replaced."""
        if self._question is None or not answered:
            return
        question, self._question = self._question, None
        try:
            self.notes = wait_for(question, TAKE_S)
        except RayError as error:
            log.warning("keeper_died", extra={"reason": type(error).__name__})
            self.keeper = self._start()
        else:
            self.answered_s = self._question_s

    @property
    def is_silent(self) -> bool:
        """Whether its node cannot be relied on."""
        if self.answered_s is None:
            return time.monotonic() - self._begun_s > START_S
        return time.monotonic() - self.answered_s > SILENT_S


class WorkerNodes:
    """Those of one director. Not thread-safe, but for `keepers`."""

    def __init__(self, plan: CityPlan) -> None:
        """Finds them; nothing runs on them yet."""
        self._plan = plan
        self._here = this_node()
        self._kept: dict[str, KeptNode] = {}
        self._workers: Mapping[str, Collection[str]] = {}
        # Ray is asked beside the round, as it may not answer for as long as its head is away.
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="nodes")
        self._found: Future[dict[str, CameraNode]] | None = None
        self.living: Mapping[str, CameraNode] = {
            self._here: CameraNode(self._here, "", LEAST_CORES)
        }
        if plan.on_all_nodes:
            self.living = living_nodes()

    def _find(self) -> None:
        """Takes the nodes that Ray has named since the last call, and asks again."""
        if not self._plan.on_all_nodes:
            return
        if self._found is not None and self._found.done():
            found, self._found = self._found, None
            self.living = found.result()
        if self._found is None:
            self._found = self._asking.submit(living_nodes)

    @property
    def usable(self) -> Mapping[str, CameraNode]:
        """Those to which a worker may go, this machine first."""
        found = [
            node
            for node in self.living.values()
            if node.id == self._here or not self._is_silent(node.id)
        ]
        found.sort(key=lambda node: (node.id != self._here, node.name, node.id))
        return {node.id: node for node in found}

    def _is_silent(self, node: str) -> bool:
        return node in self._kept and self._kept[node].is_silent

    def has_answered(self, node: str, since_s: float) -> bool:
        """Whether a node gave a sign of life after a time, monotonic seconds."""
        if node == self._here:
            return True
        answered_s = self._kept[node].answered_s if node in self._kept else None
        return answered_s is not None and answered_s > since_s

    def questions(self, workers: Mapping[str, Collection[str]]) -> Mapping[str, object]:
        """Takes nodes that have come and gone, starts keepers on new ones, and asks all of them.

        Args:
            workers: Names of the workers on each node, by its id.

        Returns:
            Open questions by id of the node; for `check`.
        """
        self._find()
        self._workers = workers
        for node in self._kept.keys() - self.living.keys():
            log.warning("node_left", extra={"node": node})
            del self._kept[node]
        for node in self.living.keys() - self._kept.keys() - {self._here}:
            log.info("node_came", extra={"node": self.living[node].name})
            self._kept[node] = KeptNode(partial(self._start_keeper, node))
        return {name: kept.ask() for name, kept in self._kept.items()}

    def check(self, questions: Mapping[str, object], answered: Collection[object]) -> None:
        """Takes the answers that have come."""
        for name, kept in self._kept.items():
            kept.check(answered=questions.get(name) in answered)

    def _start_keeper(self, node: str) -> Any:  # noqa: ANN401 - Ray does not type handles
        workers = tuple(self._workers.get(node, ()))
        return start_actor(NodeKeeper, self._plan, workers, node=node)

    def came(self, worker: str, node: str) -> None:
        """Has the keeper of a node let the outbox of a worker go that is about to begin there."""
        if node in self._kept:
            with contextlib.suppress(RayError):
                wait_for(self._kept[node].keeper.release.remote(worker), RELEASE_S)

    def left(self, worker: str, node: str) -> None:
        """Has the keeper of a node, where it still is, deliver what a worker has left there."""
        if node in self._kept:
            self._kept[node].keeper.adopt.remote(worker)

    def keepers(self) -> list[Any]:
        """Handles of all keepers."""
        return [kept.keeper for kept in tuple(self._kept.values())]

    def notes(self) -> Mapping[str, str]:
        """What of workers that there are no more still waits on other machines."""
        return {
            f"{name} on {self.living[node].name}": text
            for node, kept in tuple(self._kept.items())
            if node in self.living
            for name, text in kept.notes.items()
        }
