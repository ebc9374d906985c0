"""`RepeatedRounds`: something that a hub does again and again, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from event_hub.errors import HubError

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S: Final = 5.0


class RepeatedRounds:
    """Calls a function between `start` and `stop`; a round that fails does not end it."""

    def __init__(self, name: str, one_round: Callable[[], object], every_s: float) -> None:
        """Prepares.

        Args:
            name: Of the thread, and in the log.
            one_round: What is done in each round.
            every_s: Seconds from the end of a round to the next.
        """
        self._name = name
        self._repeated = one_round
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def is_stopping(self) -> bool:
        """Whether a round that is under way should end early."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begins; the first round comes at once."""
        self._thread.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ends after the round that is under way, or after so many seconds without it."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._repeated()
            except (HubError, OSError) as error:
                logger.warning("round_failed", extra={"of": self._name, "error": str(error)})
            except Exception:
                # Later rounds must outlive a mistake of ours in one.
                logger.exception("round_failed", extra={"of": self._name})
            self._stopping.wait(self._every_s)
