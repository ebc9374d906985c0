"""`cityeye demo`: the whole product on rendered or recorded cameras, over RTSP with logins.

The demo writes an ordinary configuration file and runs it like any other, so what it shows is
what a city gets.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from cityeye.city_child import CityChild
from cityeye.config import load_config
from cityeye.model_place import cache_folder
from cityeye.ports import API_PORT, HUB_PORT
from cityeye.progress import Progress
from cityeye.recordings import camera_clip, recordings_in
from cityeye.run import watch
from models import ModelPackage
from pipelines.free_memory import set_up_heaps
from pipelines.rules import default_set
from simulation import ensure_clips
from simulation.rtsp_server import Mount, RtspServerThread
from simulation.scenes import DEMO_SCENES, Scene, scene_named

LOOPBACK = "127.0.0.1"
FPS = 5.0
USER = "demo"
DEMO_FOLDER = Path("var/demo")
CITY_FILE = "city.yaml"
PASSWORD_VARIABLE = "CITYEYE_DEMO_PASSWORD"  # noqa: S105 - the name of a variable
_RULES: Mapping[str, dict[str, Any]] = {
    # The lights of the scenes are red for 13 s, and their jam is over within a minute.
    "traffic": {
        "rule_set": default_set("traffic"),
        "rules": {"traffic.congestion": {"confirm_s": 15}},
    }
}
PLACES = ((103.811, 30.410), (103.817, 30.413), (103.822, 30.408), (103.828, 30.415))


@dataclass(frozen=True, slots=True)
class _DemoCamera:
    """One camera of a demo.

    Attributes:
        clip: What it shows.
        facts: What stands in the configuration beside its login.
    """

    clip: Path
    facts: dict[str, Any]


def run_demo(
    duration_s: float | None, cameras: int, json_path: Path | None, console: Console
) -> int:
    """Shows everything on rendered cameras, scenes repeated as needed; see `run_city`."""
    scenes = list(itertools.islice(itertools.cycle(DEMO_SCENES), cameras))
    clips = _clips(scenes, console)
    shown = {
        camera: _DemoCamera(clips[scene], _scene_facts(scene_named(scene)))
        for camera, scene in _ids(scenes).items()
    }
    return _run(shown, "rendered", {}, duration_s, json_path, Progress(console))


def run_real_demo(
    folder: Path,
    package: ModelPackage,
    duration_s: float | None,
    cameras: int,
    json_path: Path | None,
    console: Console,
) -> int:
    """Plays the recordings of a folder as cameras, seen by a package; see `run_city`.

    Raises:
        CommandError: The folder holds no recording that can be read.
    """
    recordings = recordings_in(folder)[:cameras]
    tasks = {task: {"model": package.name, "fps": FPS} for task in package.manifest.tasks}
    cache = cache_folder("recordings", os.environ)
    shown: dict[str, _DemoCamera] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} s"))
    with ProgressBar(*columns, console=console) as bar:
        for recording in recordings:
            task = bar.add_task(f"preparing {recording.name}", total=None)
            clip = camera_clip(recording, cache, partial(_show, bar, task))
            bar.update(task, total=bar.tasks[task].completed)
            facts = {"name": recording.stem, "tasks": tasks}
            shown[_id(recording.stem, shown)] = _DemoCamera(clip, facts)
    models = {"models": {"path": str(package.directory.parent.parent.absolute())}}
    return _run(shown, "recorded", models, duration_s, json_path, Progress(console))


def _show(bar: ProgressBar, task: TaskID, seconds: float) -> None:
    bar.update(task, completed=seconds)


def _id(stem: str, taken: Collection[str]) -> str:
    """A camera id made of a file's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "camera"
    names = itertools.chain((plain,), (f"{plain}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _run(
    cameras: Mapping[str, _DemoCamera],
    kind: str,
    sections: Mapping[str, Any],
    duration_s: float | None,
    json_path: Path | None,
    progress: Progress,
) -> int:
    password = secrets.token_urlsafe(12)
    mounts = [
        Mount(name, camera.clip, users={USER: password}, auth="digest")
        for name, camera in cameras.items()
    ]
    # What an earlier demo left behind belongs to cameras that no longer exist.
    shutil.rmtree(DEMO_FOLDER, ignore_errors=True)
    DEMO_FOLDER.mkdir(parents=True)
    set_up_heaps(os.environ)
    with CityChild() as child, RtspServerThread(mounts) as server:
        progress.step(f"{len(mounts)} {kind} cameras on rtsp://{LOOPBACK}:{server.port}/")
        urls = {name: server.url(name) for name in cameras}
        document = {**_document(urls, cameras), **sections}
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


def _document(urls: Mapping[str, str], cameras: Mapping[str, _DemoCamera]) -> dict[str, Any]:
    """The configuration of the demo, as a person would write it."""
    places = itertools.cycle(PLACES)
    with _free_ports(HUB_PORT, API_PORT) as (console_port, api_port):
        return {
            "city": {"name": "CityEye demo", "division": "510118"},
            "cameras": [
                _camera(name, cameras[name].facts, url, next(places)) for name, url in urls.items()
            ],
            "keyframes": {"folder": "keyframes"},
            "hub": {"port": console_port, "database": "sqlite:///hub.db"},
            "api": {"port": api_port},
            "state": "state",
        }


def _camera(
    name: str, facts: Mapping[str, Any], url: str, lon_lat: tuple[float, float]
) -> dict[str, Any]:
    return {
        "id": name,
        "source": url,
        "username": USER,
        "password": f"${{{PASSWORD_VARIABLE}}}",
        "place": {"lon": lon_lat[0], "lat": lon_lat[1]},
        **facts,
    }


def _scene_facts(scene: Scene) -> dict[str, Any]:
    return {
        # The part after the colon says what will happen, which the city has to find out.
        "name": scene.title.partition(":")[0],
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
                **_RULES.get(task, {}),
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
