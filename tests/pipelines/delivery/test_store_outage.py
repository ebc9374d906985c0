"""A keyframe store that fails: events go out marked `pending`, and images are complete after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.delivery.relay import Relay
from pipelines.delivery.stores.s3 import S3Store
from pipelines.errors import StoreError
from tests.pipelines.delivery.crashing_worker import FAST
from tests.pipelines.delivery.faulty_proxy import MODES, FaultyProxy
from tests.pipelines.delivery.moto_server import MotoServer
from tests.pipelines.delivery.outboxes import Edge, Recorder, life

GRACE_S = 0.5
INCIDENTS = 3


@pytest.fixture
def proxy(moto_server: MotoServer) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(("127.0.0.1", moto_server.port))
    yield proxy
    proxy.mode = ""
    proxy.close()


IMPATIENT = {"connect_timeout_s": 0.5, "read_timeout_s": 0.5, "transfer_timeout_s": 1.0}
"""Soon done with a store that hangs; a busy machine may make a whole store seem to."""


def store_behind(proxy: FaultyProxy, server: MotoServer, **timeouts: float) -> S3Store:
    return S3Store(
        server.settings("outages").model_copy(update={"endpoint": proxy.endpoint, **timeouts})
    )


def wait(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 30.0
    while not holds():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


def states(event: dict[str, Any]) -> list[str]:
    return [one["state"] for one in event["data"]["keyframes"]]


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_images_are_complete_after_the_store_failed(tmp_path, moto_server, proxy, mode):
    edge = Edge(tmp_path)
    patient = store_behind(proxy, moto_server)
    patient.put("kf/first.jpg", b"first", hashlib.sha256(b"first").hexdigest(), "image/jpeg")
    store = store_behind(proxy, moto_server, **IMPATIENT)
    sink = Recorder()
    relay = Relay(edge.outbox, edge.spool, store, [sink], blob_grace_s=GRACE_S, retry=FAST)
    proxy.mode = mode
    relay.start()
    for number in range(INCIDENTS):
        edge.publish(*life(f"{mode}-{number}")[:2])
    sink.wait_count(2 * INCIDENTS)
    assert relay.counters.keyframes_stored == 0
    assert all(states(event) == ["pending"] for event in sink.events)
    wait(lambda: bool(relay.store_fault), "nobody says that the store fails")
    proxy.mode = ""
    sink.wait_for(
        lambda: sum(states(event) == ["stored"] for event in sink.events) == INCIDENTS, 40.0
    )
    relay.stop(10.0)
    assert not relay.store_fault
    assert proxy.hits > 0
    assert edge.spool.names() == frozenset()
    check_images(sink.events, patient)
    edge.close()


def check_images(events: list[dict[str, Any]], store: S3Store) -> None:
    """The newest revision of every incident names an image that is what it says."""
    newest = {event["subject"]: event for event in events}
    assert len(newest) == INCIDENTS
    for event in newest.values():
        (frame,) = event["data"]["keyframes"]
        assert frame["state"] == "stored"
        assert hashlib.sha256(store.get(frame["key"])).hexdigest() == frame["sha256"]


@pytest.mark.integration
@pytest.mark.slow
def test_every_mode_of_the_proxy_is_a_failure(moto_server, proxy):
    store = store_behind(proxy, moto_server)
    digest = hashlib.sha256(b"x" * 3000).hexdigest()
    for mode in MODES:
        impatient = store_behind(proxy, moto_server, **IMPATIENT)
        proxy.mode = mode
        with pytest.raises(StoreError):
            impatient.put("kf/a.jpg", b"x" * 3000, digest, "image/jpeg")
        proxy.mode = ""
        store.put("kf/a.jpg", b"x" * 3000, digest, "image/jpeg")
