"""A hub with the control API of a city whose configuration is edited, and workers that only answer.

Control API, configuration and its history are real; a worker is a thread's answer that has the plan
which the city was given last, or an older one, as the test says.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from camera_adapters import CameraState
from cityeye.city_requests import CityRequests
from cityeye.config_editor import ConfigEditor
from cityeye.control_socket import control_socket
from models import BUILTIN_ROOT
from pipelines import CameraPlan, LiveAnswer, LiveFrame, LiveOptions
from pipelines.access import AccessGate, Scope
from pipelines.live_view import LivePlaces
from serving.api import access, added_cameras, city_changes, configuration, live, restricted
from serving.api.access import ApiAccess
from serving.live_frames import LiveFrames
from serving.worker_state import WorkerState
from tests.cityeye.editing.city import City
from tests.event_hub.console.city import SIZE_PX
from tests.event_hub.console.live_city import hub_of
from tests.event_hub.console.pictures import picture_of
from tests.event_hub.process import Process
from tests.event_hub.samples import heartbeat, in_city
from tests.serving.workers import worker_state

NAME = "Xinjin"
CAMERAS = {"gate": "北门路口", "yard": "堆场"}


class Workers:
    """The worker of a city that takes notes, with the newest plan or with that of before."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._frames = itertools.count()
        self.kept: dict[str, CameraPlan] | None = None
        """The plans that it holds on to, whatever it is given."""
        self.is_away = False
        self.streamed: list[LiveOptions] = []
        """How frames were asked for by streams: they alone are asked for in another width."""

    @property
    def plans(self) -> dict[str, CameraPlan]:
        started = {one.camera.id: one for one in self._city.changes.config.plans}
        return self._city.given[-1] if self._city.given else started

    async def all(self) -> list[WorkerState]:
        return [worker_state(*self.plans)]

    async def ask(self, actor: str, camera: str, options: LiveOptions) -> LiveAnswer | None:
        if options.width != LiveOptions().width:
            self.streamed.append(options)
        if self.is_away:
            return LiveAnswer(CameraState.OFFLINE, "no data for 9 s")
        if camera not in self.plans:
            return None
        number = next(self._frames)
        places = LivePlaces.of((self.kept or self.plans)[camera])
        shown = picture_of("traffic.congestion", "peak", SIZE_PX)
        at, (width, height) = datetime.now(UTC), shown.size_px
        frame = LiveFrame(shown.jpeg, number, at, 0.1, width, height, True, (), places)
        return LiveAnswer(CameraState.ONLINE, "", frame)


@contextmanager
def control_api(city: City, workers: Workers, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The control API of a city on a port of its own; its address."""
    hosts = frozenset({"127.0.0.1", "localhost"})
    access.announce_access(ApiAccess(tokens=city.tokens.folder, hosts=hosts))
    restricted.trail.cache_clear()
    frames = LiveFrames(workers.ask, workers.all)
    patch.setattr(live, "live_frames", lambda: frames)
    app = FastAPI()
    for module in (added_cameras, configuration, live, restricted):
        app.include_router(module.router)
    app.add_exception_handler(city_changes.ChangeRefused, city_changes.refused_change)  # type: ignore[arg-type]
    app.add_middleware(AccessGate, policy=access.policy())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        access.announce_access(None)
        restricted.trail.cache_clear()


@contextmanager
def drawn_city(folder: Path) -> Iterator[tuple[Process, City, Workers]]:
    """The hub and its city; cameras are heard of once, for an hour."""
    city = City(folder, BUILTIN_ROOT)
    workers = Workers(city)
    requests = CityRequests(ConfigEditor(city.changes))
    token = city.tokens.issue("hub", Scope.ENGINEER)
    with (
        pytest.MonkeyPatch.context() as patch,
        control_socket(city.state, city.file, city.changes.apply, requests.answer),
        control_api(city, workers, patch) as url,
        hub_of(folder, url, NAME, token) as hub,
    ):
        beat = heartbeat(dict.fromkeys(CAMERAS, "online"))
        for one in beat["data"]["cameras"]:
            one["camera"]["name"] = CAMERAS[one["camera"]["id"]]
        assert hub.client.post(in_city(beat, NAME)).status == 200
        yield hub, city, workers
