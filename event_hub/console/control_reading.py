"""`ControlReading`: what a page shows of the control API, read anew again and again.

Nothing old passes for new: a reading that fails takes the one before away.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from event_hub.city_control import CityControl, ControlAway

logger = logging.getLogger(__name__)

OK: Final = 200
Read = TypeVar("Read")
Asked = TypeVar("Asked")


class ControlRefused(ControlAway):
    """The control API answers, and not with 200."""

    def __init__(self, status: int, steps: tuple[str, ...]) -> None:
        super().__init__(f"the control API answers {status} to {'/'.join(steps)}")
        self.status = status


class ControlReading(ABC, Generic[Read]):
    """Reads one control API. `read` is for one thread at a time, `latest` for any.

    Attributes:
        latest: The newest reading; None before the first one, and where it failed.
        is_away: Whether the newest reading failed.
    """

    def __init__(self, control: CityControl) -> None:
        self.latest: Read | None = None
        self.is_away = False
        self._control = control

    def read(self) -> None:
        """Reads everything anew; takes seconds where the control API is slow."""
        try:
            self.latest = self._read()
        except (ControlAway, ValidationError) as error:
            logger.warning(
                "city_not_read", extra={"what": type(self).__name__, "error": str(error)}
            )
            self.latest = None
        self.is_away = self.latest is None

    @abstractmethod
    def _read(self) -> Read:
        """Everything, by `ask`; may raise what that raises."""

    def ask(self, what: TypeAdapter[Asked], *steps: str, **query: str) -> Asked:
        """What a path answers.

        Raises:
            ControlAway: It does not answer.
            ControlRefused: It does not answer with 200.
            ValidationError: It answers something else.
        """
        answer = self._control.get(steps, query)
        if answer.status != OK:
            raise ControlRefused(answer.status, steps)
        return what.validate_json(answer.body)
