"""How busy a GPU is, as its driver says, while something else is measured."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from typing import Final, Self

EVERY_S: Final = 0.25
QUERY: Final = ("utilization.decoder", "utilization.gpu", "memory.used", "power.draw")


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """What the driver said.

    Attributes:
        decoder: Share of time in which the video engines worked, 0 to 1.
        gpu: Share of time in which any kernel ran, 0 to 1; more than one may fit in.
        memory_mb: Memory in use.
        watts: Power.
    """

    decoder: float = 0.0
    gpu: float = 0.0
    memory_mb: float = 0.0
    watts: float = 0.0

    def most(self, other: GpuLoad) -> GpuLoad:
        """The greater one of each quantity."""
        return GpuLoad(
            max(self.decoder, other.decoder),
            max(self.gpu, other.gpu),
            max(self.memory_mb, other.memory_mb),
            max(self.watts, other.watts),
        )


def parsed(line: str) -> GpuLoad:
    """A line of the driver's tool; what it cannot say counts as 0."""
    values = []
    for value in line.split(","):
        try:
            values.append(float(value))
        except ValueError:
            values.append(0.0)
    if len(values) != len(QUERY):
        return GpuLoad()
    decoder, gpu, memory_mb, watts = values
    return GpuLoad(decoder / 100, gpu / 100, memory_mb, watts)


class GpuWatch:
    """Watches the first GPU between `with` and its end.

    Attributes:
        load: The most that was seen; the driver's own averages lag behind by up to a second.
    """

    def __init__(self) -> None:
        self.load = GpuLoad()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpu-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        command = ["nvidia-smi", "-i", "0", f"--query-gpu={','.join(QUERY)}"]
        command.append("--format=csv,noheader,nounits")
        while not self._done.wait(EVERY_S):
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=5, check=False
                )
            except (OSError, subprocess.TimeoutExpired):
                return
            if done.returncode == 0:
                self.load = self.load.most(parsed(done.stdout.splitlines()[0]))
