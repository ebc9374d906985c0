"""A resolver that does not answer costs a camera no more than its time, and us no more threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from camera_adapters.errors import CameraFault, UnreachableFault
from camera_adapters.factory import open_source
from camera_adapters.name_lookup import NameLookups, NameLookupTimeoutError
from tests.camera_adapters.readers import camera

SOON_S, LONG_S = 0.05, 30.0
FOUND = [(socket.AF_INET, "10.0.0.5")]


class SlowResolver:
    """Stands in for the system's: names take until `answer` is set, numbers none."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked: list[str] = []
        self.failure: Exception | None = None

    def getaddrinfo(self, host: str, port: object, **options: int) -> list[tuple]:
        if options.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        self.asked.append(host)
        assert self.answer.wait(LONG_S)
        if self.failure is not None:
            raise self.failure
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 0))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowResolver]:
    slow = SlowResolver()
    monkeypatch.setattr(socket, "getaddrinfo", slow.getaddrinfo)
    yield slow
    slow.answer.set()
    deadline_s = time.monotonic() + LONG_S
    while lookups() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not lookups()


def lookups() -> list[str]:
    """Names that are being looked up."""
    return [one.name for one in threading.enumerate() if one.name.startswith("lookup-")]


def test_a_name_that_does_not_resolve_counts_against_the_time_to_open(resolver):
    with pytest.raises(UnreachableFault) as caught:
        open_source(camera("rtsp://gate.example/live", open_timeout_s=SOON_S))
    assert "the host of rtsp://gate.example was not found in time" in str(caught.value)
    assert "name server" in str(caught.value)
    assert not resolver.answer.is_set()


def test_a_hundred_cameras_leave_one_thread_for_each_name_behind(resolver):
    names = [f"camera-{number}.example" for number in range(5)]

    def attempt(number: int) -> None:
        with pytest.raises(CameraFault):
            open_source(camera(f"rtsp://{names[number % 5]}/{number}", open_timeout_s=SOON_S))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(attempt, range(100)))
    assert sorted(resolver.asked) == names
    assert sorted(lookups()) == [f"lookup-{name}" for name in names]


def test_the_next_attempt_gets_the_answer_that_the_first_gave_up(resolver):
    names = NameLookups()
    with pytest.raises(NameLookupTimeoutError):
        names.find("gate.example", time.monotonic() + SOON_S)
    threading.Timer(SOON_S, resolver.answer.set).start()
    assert names.find("gate.example", time.monotonic() + LONG_S) == FOUND
    assert resolver.asked == ["gate.example"]
    assert names.find("gate.example", time.monotonic() + LONG_S) == FOUND
    assert resolver.asked == ["gate.example"] * 2, "an answer is not kept: addresses change"


@pytest.mark.parametrize("failure", [socket.gaierror(-3, "try again"), UnicodeError("too long")])
def test_a_name_without_an_address_is_said_to_have_none(resolver, failure):
    resolver.failure = failure
    resolver.answer.set()
    with pytest.raises(socket.gaierror):
        NameLookups().find("gate.example", time.monotonic() + LONG_S)
    with pytest.raises(UnreachableFault, match="has no address"):
        open_source(camera("rtsp://gate.example/live"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "::1"])
def test_a_number_needs_no_thread(monkeypatch, host):
    monkeypatch.setattr(threading, "Thread", None)
    ((_, address),) = NameLookups().find(host, time.monotonic() + LONG_S)
    assert address in {"127.0.0.1", "::1"}
