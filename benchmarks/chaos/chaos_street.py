"""Everything around a city under chaos: cameras, store, receivers, and the city itself."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, Self

from benchmarks.chaos.brokers import FailingKafka, FailingMqttBroker
from benchmarks.chaos.cameras import ChaosCamera
from benchmarks.chaos.city import ChaosCity
from benchmarks.chaos.city_document import HUB_DATABASE, KIND, STATE, write_city
from benchmarks.chaos.drawn_truth import DrawnIncident
from benchmarks.chaos.listening_ports import free_port
from benchmarks.chaos.outbox_reader import read_hub
from benchmarks.chaos.receivers import FailingReceiver
from benchmarks.chaos.records import SinkArrival
from benchmarks.chaos.store_proxy import StoreProxy
from benchmarks.chaos.swift_server import SwiftServer
from benchmarks.chaos.watch import Watch
from pipelines import KeyframeMissing
from pipelines.delivery import KeyframeStore
from simulation.scenes import Scene, scene_named

SCENE: Final = "square-crowd"
CAMERAS: Final = ("cam-east", "cam-north", "cam-west")
STEADY, MOODY, MQTT, KAFKA, HUB = "steady", "moody", "mqtt", "kafka", "hub"
"""Two HTTP receivers, of which only the second one fails, two brokers, and the embedded hub."""

FRESH_S: Final = 2.5
"""A camera is well while its newest frame is not older than this."""

BUCKET: Final = "keyframes"


class EventReceiver(Protocol):
    """Where events of the city go."""

    @property
    def name(self) -> str:
        """Its name among the sinks."""
        ...

    @property
    def settings(self) -> dict[str, str]:
        """What stands under `sinks:` for it."""
        ...

    @property
    def arrivals(self) -> Sequence[SinkArrival]:
        """What it has taken."""
        ...


class ChaosStreet:
    """Is up, with a city that watches it, while the context lasts.

    Attributes:
        cameras: By id.
        moody: The HTTP receiver that fails.
        mqtt: A broker.
        kafka: A broker.
        receivers: These and the one that never fails, by name.
        proxy: Before the store.
        city: The city.
        watch: What is recorded of it.
        exit_status: How the city ended, once it was stopped.
    """

    def __init__(self, folder: Path, clip: Path, environment: Mapping[str, str]) -> None:
        """`folder` is for everything; `clip` is what the cameras show."""
        self.scene: Scene = scene_named(SCENE)
        self.exit_status: int | None = None
        step_s = self.scene.duration_s / len(CAMERAS)
        self.cameras = {
            name: ChaosCamera(name, clip, number * step_s) for number, name in enumerate(CAMERAS)
        }
        self._steady, self.moody = FailingReceiver(STEADY), FailingReceiver(MOODY)
        self.mqtt = FailingMqttBroker(MQTT, folder / "mosquitto")
        self._folder = folder
        self._ports = free_port(), free_port()
        self._stack = contextlib.ExitStack()
        self.city = ChaosCity(folder, self._ports, environment)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for camera in self.cameras.values():
                camera.start()
                stack.callback(camera.stop)
            for receiver in (self._steady, self.moody, self.mqtt):
                receiver.start()
                stack.callback(receiver.stop)
            self.kafka = FailingKafka(KAFKA)
            stack.callback(self.kafka.close)
            every: Sequence[EventReceiver] = (self._steady, self.moody, self.mqtt, self.kafka)
            self.receivers = {one.name: one for one in every}
            self._swift = SwiftServer(self._folder)
            stack.callback(self._swift.stop)
            self.proxy = stack.enter_context(StoreProxy(self._swift.endpoint))
            self.write_city()
            self.city.start()
            stack.callback(self.stop_city)
            ports = {camera.port: camera.name for camera in self.cameras.values()}
            self.watch = stack.enter_context(Watch(self.city, self._folder / STATE, ports))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def left(self) -> Sequence[str]:
        """Processes that outlived the main process of the city."""
        return self.city.left

    def write_city(self) -> None:
        """Writes the city's configuration, with the logins of now."""
        sinks = [one.settings for one in self.receivers.values()]
        settings = self._swift.settings(BUCKET, endpoint=self.proxy.endpoint)
        write_city(
            self._folder,
            self.scene,
            self.cameras.values(),
            sinks,
            {"s3": _plain(settings.model_dump(exclude_none=True))},
            self._ports,
        )

    def stop_city(self) -> None:
        """Stops the city in good order, once."""
        if self.city.pid and self.exit_status is None:
            self.exit_status = self.city.stop()

    def is_well(self) -> bool:
        """Whether all cameras are watched, nothing is wrong, and the hub answers."""
        health = self.city.health()
        if not health or health["status"] != "ok" or health["cameras_online"] != len(CAMERAS):
            return False
        return self.is_fresh() and self.city.ask_hub("/health") is not None

    def is_fresh(self) -> bool:
        """Whether new frames of every camera are there and are read."""
        now_s = time.monotonic()
        return all(
            camera.frames
            and now_s - camera.frames[-1].at_s < FRESH_S
            and self.watch.is_read(camera.name)
            for camera in self.cameras.values()
        )

    def is_drained(self, sink: str, until: float) -> bool:
        """Whether a receiver has all that was committed up to a time, seconds since 1970 UTC."""
        arrived = {one.event.id for one in list(self.receivers[sink].arrivals)}
        return arrived.issuperset(self.watch.outboxes.committed_before(until))

    def is_stored(self, since_s: float) -> bool:
        """Whether no keyframe waits for the store, as read after a monotonic time."""
        outboxes = self.watch.outboxes
        return outboxes.read_s > since_s and not outboxes.spooled

    def arrivals(self) -> dict[str, Sequence[SinkArrival]]:
        """What every sink has taken; to be called once the city has stopped."""
        taken: dict[str, Sequence[SinkArrival]] = {
            name: receiver.arrivals for name, receiver in self.receivers.items()
        }
        return {**taken, HUB: read_hub(self._folder / HUB_DATABASE)}

    def keyframe(self, key: str) -> bytes | None:
        """A stored keyframe, read past the proxy; None where there is none."""
        store: KeyframeStore = self._swift.settings(BUCKET).open()
        try:
            return store.get(key)
        except KeyframeMissing:
            return None

    def drawn(self) -> dict[str, DrawnIncident]:
        """What each pass of every camera's clip shows."""
        (incident,) = (one for one in self.scene.incidents if one.kind == KIND)
        fps = self.scene.fps
        shown = DrawnIncident(KIND, round(incident.start_s * fps), round(incident.end_s * fps))
        return dict.fromkeys(self.cameras, shown)


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they stand in a file: secrets as text, paths as text."""
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in settings.items()
    }
