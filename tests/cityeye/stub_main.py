"""`cityeye run` over `stub_city`, with limits short enough for a test."""

from __future__ import annotations

import sys

from cityeye import city_child, processes, supervisor
from cityeye.cli import main

if __name__ == "__main__":
    for module, name, value in (
        (city_child, "MODULE", "tests.cityeye.stub_city"),
        (processes, "FROZEN_AFTER_S", 1.0),
        (supervisor, "SWEEP_EVERY_S", 0.3),
        (supervisor, "ROUND_S", 0.1),
        (supervisor, "IDLE_LIMITS_S", {"starting": 20.0, "watching": 3.0, "stopping": 20.0}),
        (supervisor, "MOST_RESTARTS", 2),
    ):
        setattr(module, name, value)
    sys.exit(main(sys.argv[1:]))
