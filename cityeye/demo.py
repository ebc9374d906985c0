"""`cityeye demo`: the whole product on rendered cameras, over real RTSP with real logins.

The demo writes an ordinary configuration file and runs it like any other, so what it shows is
what a city gets.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from cityeye.city_child import CityChild
from cityeye.config import load_config
from cityeye.model_place import cache_folder
from cityeye.ports import API_PORT, HUB_PORT
from cityeye.progress import Progress
from cityeye.run import watch
from simulation import ensure_clips
from simulation.rtsp_server import Mount, RtspServerThread
from simulation.scenes import DEMO_SCENES, Scene, scene_named

LOOPBACK = "127.0.0.1"
FPS = 5.0
USER = "demo"
DEMO_FOLDER = Path("var/demo")
CITY_FILE = "city.yaml"
PASSWORD_VARIABLE = "CITYEYE_DEMO_PASSWORD"  # noqa: S105 - the name of a variable
PLACES = ((103.811, 30.410), (103.817, 30.413), (103.822, 30.408), (103.828, 30.415))


def run_demo(
    duration_s: float | None, cameras: int, json_path: Path | None, console: Console
) -> int:
    """Shows everything on rendered cameras, scenes repeated as needed; see `run_city`."""
    scenes = list(itertools.islice(itertools.cycle(DEMO_SCENES), cameras))
    clips = _clips(scenes, console)
    password = secrets.token_urlsafe(12)
    ids = _ids(scenes)
    mounts = [
        Mount(camera, clips[scene], users={USER: password}, auth="digest")
        for camera, scene in ids.items()
    ]
    # What an earlier demo left behind belongs to cameras that no longer exist.
    shutil.rmtree(DEMO_FOLDER, ignore_errors=True)
    DEMO_FOLDER.mkdir(parents=True)
    progress = Progress(console)
    with CityChild() as child, RtspServerThread(mounts) as server:
        progress.step(f"{len(mounts)} rendered cameras on rtsp://{LOOPBACK}:{server.port}/")
        document = _document({camera: server.url(camera) for camera in ids}, ids)
        path = DEMO_FOLDER / CITY_FILE
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        progress.step(f"configuration: {path}")
        config = load_config(path, {**os.environ, PASSWORD_VARIABLE: password})
        return watch(config, duration_s, json_path, progress, child)


def _clips(scenes: Sequence[str], console: Console) -> Mapping[str, Path]:
    """The clips of the scenes; drawn at first use, with a bar that shows how far it is."""
    wanted = tuple(dict.fromkeys(scenes))
    columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn())
    with ProgressBar(*columns, TimeRemainingColumn(), console=console) as bar:
        tasks = {name: bar.add_task(f"drawing {name}", total=None) for name in wanted}

        def show(scene: str, done: int, total: int) -> None:
            bar.update(tasks[scene], completed=done, total=total)

        return ensure_clips(wanted, cache_folder("clips", os.environ), show)


def _ids(scenes: Sequence[str]) -> dict[str, str]:
    """Scene by camera id; the second camera of a scene is `<scene>-2`."""
    seen: dict[str, int] = {}
    ids = {}
    for scene in scenes:
        seen[scene] = seen.get(scene, 0) + 1
        ids[scene if seen[scene] == 1 else f"{scene}-{seen[scene]}"] = scene
    return ids


def _document(urls: Mapping[str, str], scenes: Mapping[str, str]) -> dict[str, Any]:
    """The configuration of the demo, as a person would write it."""
    places = itertools.cycle(PLACES)
    with _free_ports(HUB_PORT, API_PORT) as (console_port, api_port):
        return {
            "city": {"name": "CityEye demo", "division": "510118"},
            "cameras": [
                _camera(camera, scene_named(scenes[camera]), url, next(places))
                for camera, url in urls.items()
            ],
            "keyframes": {"folder": "keyframes"},
            "hub": {"port": console_port, "database": "sqlite:///hub.db"},
            "api": {"port": api_port},
            "state": "state",
        }


def _camera(camera: str, scene: Scene, url: str, lon_lat: tuple[float, float]) -> dict[str, Any]:
    return {
        "id": camera,
        # The part after the colon says what will happen, which the city has to find out.
        "name": scene.title.partition(":")[0],
        "source": url,
        "username": USER,
        "password": f"${{{PASSWORD_VARIABLE}}}",
        "place": {"lon": lon_lat[0], "lat": lon_lat[1]},
        "ground": [
            [round(value, 4) for value in (*point.image, *point.ground_m)]
            for point in scene.ground_points()
        ],
        "zones": {
            zone.name: [[round(x, 4), round(y, 4)] for x, y in zone.polygon] for zone in scene.zones
        },
        "tasks": {
            task: {
                "model": task,
                "fps": FPS,
                "zones": [zone.name for zone in scene.zones if zone.task == task],
            }
            for task in scene.tasks
        },
    }


@contextlib.contextmanager
def _free_ports(*preferred: int) -> Iterator[tuple[int, ...]]:
    """A free port for each preferred one, itself where nobody has it; held until the end."""
    with contextlib.ExitStack() as stack:
        ports = []
        for wanted in preferred:
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, wanted))
            except OSError:
                probe.bind((LOOPBACK, 0))
            ports.append(probe.getsockname()[1])
        yield tuple(ports)
