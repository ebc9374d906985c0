"""Address, login and name of a camera are shown, tried and changed; its password is never given."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cityeye.camera_probe import ProbeReport
from pipelines.access import Scope
from tests.cityeye.editing.city import CITY, Caller, City

PATH = "/cameras/gate/connection"


def change(engineer: Caller, query: str = "", **given: object):
    revision = engineer.get(PATH)["revision"]
    return engineer.send("PUT", PATH + query, {"revision": revision, **given})


def credentials(city: City) -> tuple[str, str] | None:
    login = city.given[-1]["gate"].camera.credentials
    return None if login is None else (login.username, login.password)


def secrets_of(city: City) -> list[Path]:
    return sorted((city.file.parent / "secrets").glob("*"))


def test_it_is_shown_to_engineers_without_the_password(engineer, city, client):
    shown = engineer.get(PATH)
    assert shown.pop("revision") == engineer.revision
    assert shown == {
        "camera": "gate", "name": "", "source": "rtsp://10.0.0.5/live", "username": "viewer",
        "inference_source": "", "has_password": True, "transport": "tcp", "verify_tls": True,
    }  # fmt: skip
    assert engineer.get("/cameras/yard/connection")["has_password"] is False
    operator = Caller(client, city.tokens, "Li", Scope.OPERATOR)
    assert operator.send("GET", PATH)[0] == 403
    assert engineer.send("GET", "/cameras/none/connection")[0] == 404


def test_what_is_given_changes_and_nothing_else(engineer, city):
    status, answer = change(engineer, name="Gate, south", source="rtsp://10.0.0.5/other")
    assert (status, answer["result"]) == (200, "done")
    gate = city.given[-1]["gate"].camera
    assert (gate.name, gate.source, credentials(city)) == (
        "Gate, south", "rtsp://10.0.0.5/other", ("viewer", "hunter2"),
    )  # fmt: skip
    assert "password: ${GATE_PASSWORD}" in city.text
    assert "# measured in May" in city.text
    before = city.text
    status, answer = change(engineer, transport="tcp", verify_tls=True, username="viewer")
    assert (status, answer["lines"], city.text) == (200, ["nothing has changed"], before)
    assert engineer.send("POST", "/config/undo", {})[0] == 200
    assert city.text.startswith(CITY)


def test_another_password_goes_to_a_file_of_its_own(engineer, city):
    assert change(engineer, password="hunter9", username="admin")[0] == 200
    (secret,) = secrets_of(city)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert f"password_file: secrets/{secret.name}" in city.text
    assert "GATE_PASSWORD" not in city.text
    assert credentials(city) == ("admin", "hunter9")
    assert change(engineer, username="")[0] == 200
    assert (credentials(city), engineer.get(PATH)["has_password"]) == (None, False)


def test_a_password_never_goes_to_another_host_than_it_was_given_for(engineer, city):
    before = city.text
    for source in ("rtsp://10.0.0.99/live", "rtsp://10.0.0.5:8554/live", "rtsps://10.0.0.5/live"):
        for query in ("", "?check=1"):
            status, answer = change(engineer, query, source=source)
            assert (status, "give it again" in str(answer)) == (409, True), source
        status, answer = engineer.send("POST", f"{PATH}/test", {"source": source})
        assert (status, "give it again" in str(answer)) == (422, True), source
    assert (city.text, city.given) == (before, [])
    assert change(engineer, source="rtsp://10.0.0.99/live", password="hunter9")[0] == 200
    assert credentials(city) == ("viewer", "hunter9")


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"source": "rtsp://"}, "cameras[0].source"),
        ({"source": "gopher://10.0.0.5/live", "password": "hunter9"}, "cameras[0].source"),
    ],
)
def test_what_check_would_refuse_is_refused_with_its_key(engineer, city, given, key):
    before = city.text
    status, answer = change(engineer, **{"password": "hunter9", **given})
    assert (status, [one["key"] for one in answer["problems"]]) == (422, [key])
    assert (city.text, city.given, secrets_of(city)) == (before, [], [])


def test_a_login_in_the_address_is_not_shown_and_is_kept(city, engineer, client):
    written = CITY.replace("rtsp://10.0.0.5/live", "rtsp://viewer:hunter5@10.0.0.5/live")
    city.write(written.replace("    username: viewer\n    password: ${GATE_PASSWORD}\n", ""))
    assert city.changes.apply(False).done
    shown = engineer.get(PATH)
    assert (shown["source"], shown["username"]) == ("rtsp://10.0.0.5/live", "viewer")
    assert change(engineer, name="Gate")[0] == 200
    assert "hunter5" not in city.text
    assert credentials(city) == ("viewer", "hunter5")


def test_an_address_may_be_given_with_a_login_in_it(city, engineer):
    assert change(engineer, source="rtsp://admin:hunter9@10.0.0.99/live")[0] == 200
    assert credentials(city) == ("admin", "hunter9")
    assert "hunter9" not in city.text
    status, answer = change(engineer, "?check=1", username="")
    assert (status, answer["result"]) == (200, "done")
    yard = engineer.get("/cameras/yard/connection")["revision"]
    alone = {"revision": yard, "password": "hunter7"}
    status, answer = engineer.send("PUT", "/cameras/yard/connection", alone)
    assert (status, secrets_of(city)[1:]) == (422, []), "a password without a name is no login"


def test_somebody_else_was_faster(engineer, city):
    revision = engineer.revision
    assert engineer.draw("masks", {"roof": [[0.0, 0.0], [1.0, 0.0], [1.0, 0.2]]})[0] == 200
    assert engineer.send("PUT", PATH, {"revision": revision, "name": "South"})[0] == 409


def test_a_camera_is_tried_with_the_password_that_it_has(engineer, city, monkeypatch):
    seen = []

    def probe(camera, *, with_image):
        seen.append((camera.source, camera.credentials, with_image))
        return ProbeReport(good=False, sentence="nobody answers")

    monkeypatch.setattr("cityeye.city_requests.probe_camera", probe)
    status, answer = engineer.send("POST", f"{PATH}/test", {"source": "rtsp://10.0.0.5/2"})
    assert (status, answer["good"]) == (200, False)
    (url, login, with_image) = seen[0]
    assert (url, login.username, login.password) == ("rtsp://10.0.0.5/2", "viewer", "hunter2")
    assert not with_image


def streams(city: City) -> tuple[str, str]:
    """What is inferred, and what keyframes are of."""
    camera = city.given[-1]["gate"].camera
    return camera.source, camera.main_source


def test_a_smaller_stream_comes_and_goes(engineer, city):
    smaller = "rtsp://10.0.0.5/small"
    assert change(engineer, inference_source=smaller)[0] == 200
    assert streams(city) == (smaller, "rtsp://10.0.0.5/live")
    assert engineer.get(PATH)["inference_source"] == smaller
    assert credentials(city) == ("viewer", "hunter2")
    assert change(engineer, inference_source="")[0] == 200
    assert streams(city) == ("rtsp://10.0.0.5/live", "")
    assert city.text.startswith(CITY)


def test_a_smaller_stream_gets_no_password_of_another_host(engineer, city):
    before = city.text
    given = {"inference_source": "rtsp://10.0.0.99/small"}
    status, answer = change(engineer, **given)
    assert (status, "give it again" in str(answer)) == (409, True)
    status, answer = engineer.send("POST", f"{PATH}/test", given)
    assert (status, "give it again" in str(answer)) == (422, True)
    # With a new password it still goes to both, so both have to be at one host.
    status, answer = change(engineer, password="hunter9", **given)
    assert (status, answer["problems"][0]["key"]) == (422, "cameras[0].inference_source")
    status, answer = engineer.send("POST", f"{PATH}/test", {"password": "hunter9", **given})
    assert (status, "would be given its login" in str(answer)) == (422, True)
    assert (city.text, city.given) == (before, [])


def test_a_smaller_address_that_holds_a_password_is_not_shown_and_stays(engineer, city):
    hidden = "rtsp://10.0.0.5/small?token=hunter4"
    assert change(engineer, inference_source=hidden)[0] == 200
    shown = engineer.get(PATH)
    assert (shown["inference_source"], shown["has_password"]) == ("", True)
    assert change(engineer, name="South", inference_source="")[0] == 200
    assert streams(city) == (hidden, "rtsp://10.0.0.5/live")


def test_both_streams_are_tried(engineer, city, monkeypatch):
    seen = []

    def probe(camera, *, with_image):
        seen.append((camera.source, camera.main_source))
        return ProbeReport(good=False, sentence="nobody answers")

    monkeypatch.setattr("cityeye.city_requests.probe_camera", probe)
    for given in ({"inference_source": "rtsp://10.0.0.5/2"}, {"inference_source": ""}, {}):
        assert engineer.send("POST", f"{PATH}/test", given)[0] == 200
    live = "rtsp://10.0.0.5/live"
    assert seen == [("rtsp://10.0.0.5/2", live), (live, ""), (live, "")]
