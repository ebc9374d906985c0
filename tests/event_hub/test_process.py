import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from tests.event_hub.process import hub_process
from tests.event_hub.samples import incident
from tests.event_hub.thread import HubThread

pytestmark = pytest.mark.integration


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with hub_process(tmp_path) as first:
        for number in range(20):
            assert first.client.post(incident(f"i-{number}")).status == 200
        first.popen.kill()
        first.popen.wait()
        with hub_thread(tmp_path) as url:
            health = first.client.http.request("GET", f"{url}/health").json()
            again = replace(first.client, url=url).post(incident("i-19"))
    assert health["events"] == 20
    assert again.json() == {"stored": 0, "duplicates": 1}


def settings_in(folder: Path, port: int = 0) -> HubSettings:
    database, access = f"sqlite:///{folder}/hub.db", folder / "access"
    return HubSettings(database=database, port=port, console=False, access=access)


@contextmanager
def hub_thread(folder: Path) -> Iterator[str]:
    settings = settings_in(folder)
    with HubThread(settings, FolderKeyframes(folder)) as hub:
        yield hub.url


def test_a_taken_port_is_an_error_and_leaves_the_database_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_in(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            HubThread(settings, FolderKeyframes(tmp_path))
    with HubThread(settings, FolderKeyframes(tmp_path)):
        pass


def test_a_hub_in_a_thread_gives_everything_back(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    for _ in range(2):
        hub = HubThread(settings, FolderKeyframes(tmp_path))
        hub.start()
        port = urllib3.util.parse_url(hub.url).port
        hub.stop()
        hub.stop()
        assert "event-hub" not in {thread.name for thread in threading.enumerate()}
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
