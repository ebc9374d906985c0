"""A whole city on a real Ray: evidence arrives, a killed worker comes back, nothing is exposed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from pydantic import TypeAdapter

from models.package import ModelPackage
from pipelines.event import Event, IncidentEvent
from serving.city import City
from serving.errors import ServingError
from serving.launch import RayServeDetectors
from serving.served_models import served_model
from serving.worker_state import WorkerState
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

WAIT_S = 60.0
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass(frozen=True)
class Running:
    city: City
    receiver: Receiver
    folder: Path
    api: str
    auth: dict[str, str]

    def incidents(self) -> list[IncidentEvent]:
        events = [EVENTS.validate_json(delivery.body) for delivery in self.receiver.deliveries]
        return [event for event in events if isinstance(event, IncidentEvent)]

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.api + path, headers=self.auth)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(0.1)


def analysed(state: WorkerState) -> int:
    return state.snapshot.group.cameras[0].statistics.analysed if state.snapshot else 0


@pytest.fixture(scope="module")
def running(
    running_cluster: RunningCluster,
    brightness: ModelPackage,
    tiny_clip: TinyClip,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("city")
    # Of no concern to the city: what it has to say waits.
    receiver = Receiver(status=400)
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    dead = "rtsp://127.0.0.1:9/none"
    plan = city_plan({"gate": clip, "yard": clip, "dead": dead}, brightness, folder, receiver.url)
    api = f"http://127.0.0.1:{running_cluster.api_port}"
    delivery = replace(plan.delivery, keyframe_address=f"{api}/keyframes/")
    city = City(replace(plan, delivery=delivery))
    yield Running(city, receiver, folder, api, running_cluster.auth)
    city.stop()
    receiver.close()


def sink_of(health: dict[str, Any]) -> dict[str, Any]:
    (sink,) = health["sinks"]
    return dict(sink)


def test_a_receiver_that_refuses_everything_is_named_and_loses_nothing(running: Running) -> None:
    wait_until(lambda: running.get("/health")["sinks"] != [], "the sink is known")
    wait_until(lambda: sink_of(running.get("/health"))["status"] == "failing", "it is failing")
    health = running.get("/health")
    (trouble,) = [problem for problem in health["problems"] if "takes no events" in problem]
    assert "answered 400: " in trouble
    waiting = running.get("/events/pending")
    assert waiting
    assert any(one["reason"].startswith("answered 400: ") for one in waiting)
    assert running.receiver.accepted == []
    running.receiver.status = 204
    wait_until(lambda: sink_of(running.get("/health"))["status"] == "ok", "it takes events again")
    arrived = lambda: {json.loads(one.body)["id"] for one in running.receiver.accepted}  # noqa: E731
    wait_until(lambda: {one["event"] for one in waiting} <= arrived(), "what waited arrives")
    assert running.get("/events/dead") == []


def test_incidents_arrive_with_a_keyframe_that_matches_its_checksum(running: Running) -> None:
    wait_until(lambda: {e.data.camera.id for e in running.incidents()} >= {"gate", "yard"}, "both")
    for event in running.incidents():
        (keyframe, *_) = event.data.keyframes
        stored = (running.folder / "keyframes" / keyframe.key).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == keyframe.sha256
        image = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (180, 320, 3), "evidence is full size, not analysis size"


def answer_of(running: Running, url: str, token: bool = True) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers=running.auth if token else {})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_keyframe_is_where_its_event_says_for_who_has_a_token(running: Running) -> None:
    wait_until(lambda: bool(running.incidents()), "an incident")
    (keyframe, *_) = running.incidents()[0].data.keyframes
    assert keyframe.url is not None
    status, image = answer_of(running, keyframe.url)
    assert (status, hashlib.sha256(image).hexdigest()) == (200, keyframe.sha256)
    assert answer_of(running, keyframe.url, token=False)[0] == 401
    stored = running.folder / "keyframes" / keyframe.key
    stored.unlink()
    assert answer_of(running, keyframe.url)[0] == 404
    stored.write_bytes(b"another object")
    assert answer_of(running, keyframe.url)[0] == 502
    stored.write_bytes(image)
    # One that retention has deleted.
    old = keyframe.key.replace(keyframe.key[10:20], "2020/01/31")
    status, why = answer_of(running, f"{running.api}/keyframes/{old}")
    assert (status, b"taken on 2020-01-31" in why) == (404, True)


def test_no_path_leads_to_anything_else_in_the_store(running: Running) -> None:
    (running.folder / "keyframes").mkdir(exist_ok=True)
    (running.folder / "keyframes" / "secret.jpg").write_bytes(b"secret")
    wait_until(lambda: bool(running.incidents()), "an incident")
    key = running.incidents()[0].data.keyframes[0].key
    paths = [
        "secret.jpg", "../state/incarnation.txt", "..%2fstate%2fincarnation.txt", "%2fetc/passwd",
        f"{key}/../../secret.jpg", f"x/{key}", key.replace("gate", "..").replace("yard", ".."),
        key.rpartition("/")[0], "kf-30d/",
    ]  # fmt: skip
    for path in paths:
        status, body = answer_of(running, f"{running.api}/keyframes/{path}")
        assert (status, b"secret" in body, b"root:" in body) == (404, False, False), path
    assert answer_of(running, f"{running.api}/keyframes/%00")[0] == 422


def test_schemas_are_for_everybody(running: Running) -> None:
    named = running.incidents()[0].dataschema
    status, body = answer_of(running, f"{running.api}/schemas/incident-2.json", token=False)
    assert (status, json.loads(body)["$id"]) == (200, named)
    status, body = answer_of(running, f"{running.api}/schemas/incident-9.json", token=False)
    assert (status, b"incident-1.json" in body) == (404, True)


def test_the_api_shows_cameras_health_and_models(running: Running) -> None:
    wait_until(lambda: running.get("/health")["cameras_online"] == 2, "two cameras online")
    health = running.get("/health")
    assert health["status"] == "degraded"
    assert any("dead" in problem for problem in health["problems"])
    cameras = {camera["id"]: camera for camera in running.get("/cameras")}
    assert cameras["gate"]["state"] == "online"
    assert cameras["gate"]["requested_fps"] == 5.0
    assert cameras["dead"]["state"] == "offline"
    assert running.get("/cameras/yard")["analysed"] > 0
    (model,) = running.get("/models")
    assert (model["name"], model["status"], model["provider"]) == ("brightness", "RUNNING", "cpu")
    assert model["replicas"] >= 1


def test_the_api_says_what_every_task_could_see(running: Running) -> None:
    wait_until(lambda: running.get("/cameras/yard")["analysed"] > 20, "frames of the yard")
    answer = running.get("/coverage")
    covered = {one["camera"]: one for one in answer["covered"]}
    assert covered.keys() == {"gate", "yard", "dead"}
    assert answer["unknown"] == {}
    assert covered["yard"]["able_s"] > 2
    assert covered["dead"]["able_s"] == 0
    assert covered["dead"]["gaps"].keys() <= {"connecting", "offline"}
    for one in covered.values():
        assert one["able_s"] + sum(one["gaps"].values()) == pytest.approx(one["requested_s"])


def test_an_unknown_camera_is_404_with_a_remedy(running: Running) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        running.get("/cameras/nowhere")
    with caught.value as answer:
        assert answer.code == 404
        assert "GET /cameras" in json.load(answer)["detail"]


def post_image(running: Running, body: bytes, model: str = "brightness") -> Any:
    headers = {"Content-Type": "image/jpeg"} | running.auth
    request = urllib.request.Request(f"{running.api}/models/{model}/detect", body, headers)
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.load(answer)


def test_one_image_goes_through_the_serving_graph(running: Running) -> None:
    white = cv2.imencode(".png", np.full((96, 128, 3), 255, np.uint8))[1].tobytes()
    answer = post_image(running, white)
    (found,) = answer["detections"]
    assert found["label"] == "person"
    assert found["score"] == pytest.approx(1.0, abs=1e-3)
    assert found["box"] == pytest.approx([8 / 64, 8 / 48, 40 / 64, 32 / 48], abs=1e-3)


@pytest.mark.parametrize(
    ("body", "model", "code"),
    [(b"not an image", "brightness", 422), (b"\xff\xd8", "nobody", 404), (b"", "brightness", 422)],
    ids=["garbage", "unknown model", "empty"],
)
def test_a_bad_detect_request_is_refused_in_a_sentence(
    running: Running, body: bytes, model: str, code: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post_image(running, body, model)
    with caught.value as answer:
        assert answer.code == code


def test_every_listener_is_on_loopback(running: Running) -> None:
    wait_until(lambda: len(running.city.workers()) == 3, "workers")
    exposed = [
        (process.name(), connection.laddr)
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
    ]
    assert not exposed


def test_a_killed_worker_comes_back_and_the_others_go_on(running: Running) -> None:
    def state(name: str) -> WorkerState:
        return next(state for state in running.city.workers() if state.name == name)

    wait_until(lambda: analysed(state("worker-0")) > 0 and analysed(state("worker-1")) > 0, "work")
    others_before = analysed(state("worker-1"))
    own = f"{running.folder / 'state' / 'worker-0'}/"
    victim = next(
        process
        for process in psutil.Process().children(recursive=True)
        if "ray::CameraWorker" in " ".join(process.cmdline())
        and any(file.path.startswith(own) for file in process.open_files())
    )
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: state("worker-0").restarts >= 1, "a replacement")
    wait_until(lambda: state("worker-0").alive and analysed(state("worker-0")) > 0, "work again")
    assert state("worker-1").restarts == 0
    assert analysed(state("worker-1")) > others_before

    def goes_on() -> bool:
        """Whether an incident of the killed worker was heard of again, under its id."""
        told = running.incidents()
        begun = {e.data.incident_id: e.incarnation for e in told if e.data.phase == "started"}
        return any(e.incarnation > begun.get(e.data.incident_id, e.incarnation) for e in told)

    wait_until(goes_on, "the crash's open incident to go on or to end")
    ends = [e.data.incident_id for e in running.incidents() if e.data.phase == "ended"]
    assert len(ends) == len(set(ends))


def test_a_broken_model_is_named_in_one_sentence(
    running_cluster: RunningCluster, brightness: ModelPackage, tmp_path: Path
) -> None:
    assert running_cluster.api_port
    broken = served_model(brightness)
    copy = tmp_path / "brightness" / "1"
    copy.mkdir(parents=True)
    for file in brightness.directory.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "model.onnx").write_bytes(b"not a model")
    args = broken.args.model_copy(update={"package": copy})
    other = type(broken)(
        type(broken.ref)("broken", "1", broken.ref.size, broken.ref.labels, 0.1), args, "0" * 64, ()
    )
    with pytest.raises(ServingError, match=r"model broken 1 cannot be served.*sha256") as caught:
        RayServeDetectors().deploy([other])
    assert "\n" not in str(caught.value)
