"""`PowerMeter`: what a machine draws while something is measured, where it says so itself.

Processors say it by RAPL, which virtual machines mostly hide and which only root may read on many
systems; GPUs by their driver. What does not say it is not guessed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

POWERCAP: Final = Path("/sys/class/powercap")
PACKAGES: Final = "intel-rapl:[0-9]*"
"""AMD's processors have the same folders; what is below a package has a second colon."""


class PowerMeter:
    """Mean power of the processor packages from its creation on."""

    def __init__(self) -> None:
        """Begins to measure."""
        self._begun_s = time.monotonic()
        self._begun_uj = _energies()

    def watts(self) -> float | None:
        """Mean power so far; None where no package says it."""
        now_uj, took_s = _energies(), time.monotonic() - self._begun_s
        spent = [
            # The counter begins anew at its range.
            (now_uj[package] - before) % _range(package)
            for package, before in self._begun_uj.items()
            if package in now_uj
        ]
        return sum(spent) / 1e6 / took_s if spent and took_s > 0 else None


def _energies() -> Mapping[Path, int]:
    """Microjoules of each package since some moment."""
    found = {}
    for folder in sorted(POWERCAP.glob(PACKAGES)):
        if folder.name.count(":") == 1:
            with suppress(OSError, ValueError):
                found[folder] = int((folder / "energy_uj").read_text("ascii"))
    return found


def _range(package: Path) -> int:
    with suppress(OSError, ValueError):
        return int((package / "max_energy_range_uj").read_text("ascii")) + 1
    return 1 << 62
