"""The embedded hub in its process: it shows keyframes from whatever store the workers fill."""

from __future__ import annotations

import contextlib
import hashlib
import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from cityeye.config.schema import HubSection
from cityeye.errors import CommandError
from cityeye.hub_process import EVENTS_PATH, hub_process
from pipelines.delivery.stores.registry import KeyframeSettings
from tests.event_hub.samples import dump, incident, keyframe, picture

KEY = "kf-30d/v1/2026/11/20/cam-1/04/i-1-0-abc.jpg"


def section(folder, port=0) -> HubSection:
    return HubSection.model_validate({"port": port, "database": f"sqlite:///{folder}/hub.db"})


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_keyframe_is_read_from_the_configured_store(tmp_path, s3_server, kind):
    known = {"folder": tmp_path / "keyframes", "s3": s3_server.settings("seen-by-the-hub")}
    settings = KeyframeSettings.model_validate({kind: known[kind]})
    image = picture()
    settings.open().put(KEY, image, hashlib.sha256(image).hexdigest(), "image/jpeg")
    body = dump(incident(keyframes=[keyframe(KEY, image), keyframe(KEY + "x", image)]))
    with hub_process(section(tmp_path), settings) as wait:
        url = wait()
        media_type = {"Content-Type": "application/cloudevents+json"}
        with urlopen(Request(url + EVENTS_PATH, body, media_type), timeout=20) as answer:
            assert json.loads(answer.read())["stored"] == 1
        with urlopen(f"{url}/api/keyframes/{KEY}", timeout=20) as answer:
            assert answer.read() == image
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{url}/api/keyframes/{KEY}x", timeout=20)


@pytest.mark.integration
def test_a_hub_that_does_not_start_says_why(tmp_path):
    settings = KeyframeSettings.model_validate({"folder": tmp_path})
    (tmp_path / "hub.db").write_bytes(b"this was never a database" * 100)
    with (
        hub_process(section(tmp_path), settings) as wait,
        pytest.raises(CommandError, match="the event hub did not start: the database"),
    ):
        wait()


@pytest.mark.integration
def test_the_password_of_its_database_is_in_no_message_and_no_argument(tmp_path, monkeypatch):
    monkeypatch.setattr("cityeye.config.addresses.find_spec", lambda _: object())
    url = "postgresql+psycopg://hub:canary-c0ffee@127.0.0.1:9/hub"
    there = HubSection.model_validate({"port": 0, "database": url})
    with hub_process(there, KeyframeSettings.model_validate({"folder": tmp_path})) as wait:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                assert "canary" not in " ".join((*child.cmdline(), *child.environ().values()))
        with pytest.raises(CommandError) as caught:
            wait()
    assert "canary" not in str(caught.value) + repr(there)
