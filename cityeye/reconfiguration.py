"""`Reconfiguration`: a running city takes the cameras of its configuration file as it is now.

The file stays the truth: nothing but what it says is applied, and only as a whole. Where it has a
mistake, or a change that a running city cannot take, nothing is changed at all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cityeye.config import Changes, Config, ConfigurationError, KeptRulesError, changes_between
from models import ModelError
from pipelines import CameraPlan
from serving import CityPlan, DirectorError, RolloutError

log = logging.getLogger(__name__)


TakeCameras = Callable[[Sequence[CameraPlan]], Mapping[str, str]]
"""Gives the city other cameras, see `City.apply`."""


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """What came of a request.

    Attributes:
        done: Whether the city is as the file says, or would be.
        lines: For people: what was changed, or what is wrong.
        given: Whether the city was given the change, even if not all of it was done.
    """

    done: bool
    lines: tuple[str, ...]
    given: bool = False


class Reconfiguration:
    """The configuration that a city runs, and the way to a newer one. Safe from any thread.

    Attributes:
        config: What the city runs.
    """

    def __init__(
        self,
        config: Config,
        make_plan: Callable[[Config], CityPlan],
        take: TakeCameras,
        on_change: Callable[[Config], None] = lambda _: None,
        refuses: Callable[[Sequence[CameraPlan]], str] = lambda _: "",
    ) -> None:
        """Starts with what the city was started with.

        Args:
            config: That.
            make_plan: Resolves a checked configuration as it was done at the start of the city.
            take: Has the city take other cameras.
            on_change: Called with every configuration that the city has taken.
            refuses: Says why the city has no room for other cameras; empty where it has.
        """
        self.config = config
        self._make_plan = make_plan
        self._take_cameras = take
        self._on_change = on_change
        self._refuses = refuses
        self._applying = threading.Lock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes anything for as long as the context lasts."""
        with self._applying:
            yield

    def apply(self, dry_run: bool) -> ChangeOutcome:
        """Reads the file again and has the city take what is different; or only says what is."""
        with self._applying:
            try:
                wanted = self.config.reread()
            except ConfigurationError as error:
                return ChangeOutcome(False, tuple(str(error).splitlines()))
            changes = changes_between(self.config, wanted)
            warnings = tuple(
                f"{wanted.path}:{one.line}: {one} (warning)" for one in wanted.warnings
            )
            if changes.restart:
                refused = (f"{wanted.path}:{one.line}: {one}" for one in changes.restart)
                return ChangeOutcome(False, (*warnings, *refused))
            if not changes.cameras:
                if not dry_run:
                    # The same with other comments, perhaps: that is the file from now on.
                    self.config = replace(self.config, lines=wanted.lines, digest=wanted.digest)
                return ChangeOutcome(True, (*warnings, f"{wanted.path}: nothing has changed"))
            if dry_run:
                if refusal := self.refusal(wanted):
                    return ChangeOutcome(False, (*warnings, refusal))
                return ChangeOutcome(True, (*warnings, *_planned(wanted, changes)))
            return self.take(wanted, changes, warnings)

    def refusal(self, wanted: Config) -> str:
        """Why the city would not take a configuration, as far as it says so beforehand."""
        try:
            return self._refuses(self._make_plan(wanted).cameras)
        except (DirectorError, ModelError, RolloutError) as error:
            return str(error)

    def take(
        self, wanted: Config, changes: Changes, warnings: tuple[str, ...] = ()
    ) -> ChangeOutcome:
        """Has the city take a configuration; to be called by who is `alone`.

        Args:
            wanted: That.
            changes: What is different in it, which needs no restart.
            warnings: Come before what was done.
        """
        try:
            plan = self._make_plan(wanted)
            wanted.keep_rules()
            faults = self._take_cameras(plan.cameras)
        except DirectorError as error:
            # It may have heard it, and be slow.
            return ChangeOutcome(False, (*warnings, str(error)), given=True)
        except (KeptRulesError, ModelError, RolloutError) as error:
            return ChangeOutcome(False, (*warnings, str(error)))
        log.info("configuration_applied", extra={"cameras": [str(o) for o in changes.cameras]})
        done = tuple(str(one) for one in changes.cameras if one.camera not in faults)
        if not faults:
            # What could not be done stays a difference, so that it is tried again.
            self.config = wanted
            self._on_change(wanted)
        return ChangeOutcome(not faults, (*warnings, *done, *faults.values()), given=True)


def _planned(wanted: Config, changes: Changes) -> list[str]:
    return [f"{wanted.path}:{one.line}: {one}" for one in changes.cameras]
