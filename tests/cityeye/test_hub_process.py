"""The embedded hub in its process: it shows keyframes from whatever store the workers fill."""

from __future__ import annotations

import hashlib
import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from cityeye.config.schema import HubSection
from cityeye.errors import CommandError
from cityeye.hub_process import EVENTS_PATH, hub_process
from pipelines.access import TokenFile
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
    with hub_process(section(tmp_path), settings, tmp_path / "access") as wait:
        url = wait()
        auth = {"Authorization": f"Bearer {TokenFile(tmp_path / 'access').first()}"}
        headers = auth | {"Content-Type": "application/cloudevents+json"}
        with urlopen(Request(url + EVENTS_PATH, body, headers), timeout=20) as answer:
            assert json.loads(answer.read())["stored"] == 1
        with urlopen(Request(f"{url}/api/keyframes/{KEY}", headers=auth), timeout=20) as answer:
            assert answer.read() == image
        with pytest.raises(HTTPError, match="404"):
            urlopen(Request(f"{url}/api/keyframes/{KEY}x", headers=auth), timeout=20)


@pytest.mark.integration
def test_a_hub_that_does_not_start_says_why(tmp_path):
    settings = KeyframeSettings.model_validate({"folder": tmp_path})
    (tmp_path / "hub.db").write_bytes(b"this was never a database" * 100)
    with (
        hub_process(section(tmp_path), settings, tmp_path / "access") as wait,
        pytest.raises(CommandError, match="the event hub did not start: the database"),
    ):
        wait()
