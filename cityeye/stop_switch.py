"""Ctrl-C, SIGTERM and SIGHUP, as one switch that ends a run."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSwitch:
    """The signals end a run at once while it starts, and gently once it runs.

    Takes them over for as long as the context lasts. Until `be_gentle`, a signal raises
    `KeyboardInterrupt` where the program is. After it, the first signal sets the switch, and only
    a second one interrupts. An ignored SIGHUP stays so: `nohup` asks for that.
    """

    def __init__(self) -> None:
        self._set = threading.Event()
        self._gentle = False

    def __enter__(self) -> StopSwitch:
        """Takes over the signals. Only possible in the main thread."""
        self._previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        if self._previous[signal.SIGHUP] is signal.SIG_IGN:
            del self._previous[signal.SIGHUP]
        self.take_over()
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def take_over(self) -> None:
        """Takes the signals again: Ray puts handlers of its own, which kill, in place of ours."""
        for number in self._previous:
            signal.signal(number, self._on_signal)

    def be_gentle(self) -> None:
        """From now on the first signal only sets the switch."""
        self.take_over()
        self._gentle = True

    @property
    def is_set(self) -> bool:
        """Whether the run shall end."""
        return self._set.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Waits up to `timeout_s` seconds; true once the switch is set."""
        return self._set.wait(timeout_s)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._gentle or self._set.is_set():
            raise KeyboardInterrupt
        self._set.set()
