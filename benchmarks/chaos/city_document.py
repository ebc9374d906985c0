"""The configuration of the city under chaos, as a person would write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.chaos.cameras import USER, ChaosCamera
from simulation.scenes import Scene

TASK: Final = "crowding"
KIND: Final = "crowding.density"
FPS: Final = 3.0
CAMERAS_PER_WORKER: Final = 2
RULE: Final = {
    "min_persons": 3,
    "confirm_s": 1,
    "expire_s": 2,
    "cooldown_s": 0,
    "update_every_s": 3,
}
"""So that incidents begin, change and end all the time, and there is always something to lose."""

FILE: Final = "city.yaml"
STATE: Final = "state"
HUB_DATABASE: Final = "hub.db"


def write_city(
    folder: Path,
    scene: Scene,
    cameras: Iterable[ChaosCamera],
    sinks: Sequence[dict[str, Any]],
    keyframes: dict[str, Any],
    ports: tuple[int, int],
) -> Path:
    """Writes it.

    Args:
        folder: Where; all that the city keeps is below it.
        scene: What all cameras show.
        cameras: With the logins that their servers ask for now.
        sinks: As under `sinks:`, beside the embedded hub.
        keyframes: As under `keyframes:`.
        ports: Of the hub and of the control API.
    """
    zones = [zone for zone in scene.zones if zone.task == TASK]
    hub_port, api_port = ports
    document = {
        "city": {"name": "chaos"},
        "cameras": [
            {
                "id": camera.name,
                "source": camera.url,
                "username": USER,
                "password": camera.password,
                "zones": {zone.name: [list(corner) for corner in zone.polygon] for zone in zones},
                "tasks": {
                    TASK: {
                        "model": TASK,
                        "fps": FPS,
                        "zones": [zone.name for zone in zones],
                        "rules": {KIND: RULE},
                    }
                },
            }
            for camera in cameras
        ],
        "models": {"detector": "ray_serve"},
        "workers": {"cameras_per_worker": CAMERAS_PER_WORKER},
        "keyframes": keyframes,
        "sinks": list(sinks),
        "hub": {"port": hub_port, "database": f"sqlite:///{HUB_DATABASE}"},
        "api": {"port": api_port},
        "state": STATE,
    }
    path = folder / FILE
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
