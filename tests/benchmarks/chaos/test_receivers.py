"""A receiver fails as it is told to, and knows what it has taken."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException

import pytest

from benchmarks.chaos.kinds import ERRORS, REFUSALS
from benchmarks.chaos.receivers import FailingReceiver

WAIT_S = 0.4


def body(sequence: int, kind: str = "cityeye.camera.state") -> bytes:
    event = {
        "id": f"event-{sequence}",
        "source": "cityeye/c/east",
        "incarnation": 1,
        "sequence": f"{sequence:016d}",
        "type": kind,
        "data": {},
    }
    return json.dumps(event).encode()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def post(receiver: FailingReceiver, content: bytes) -> int | None:
    """The status that the receiver answers; None where there is none in time."""
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(urllib.request.Request(receiver.url, content), timeout=WAIT_S) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, HTTPException, TimeoutError):
        return None


@pytest.fixture
def receiver() -> Iterator[FailingReceiver]:
    one = FailingReceiver("moody")
    one.start()
    yield one
    one.heal()
    one.stop()


def taken(receiver: FailingReceiver) -> list[str]:
    return [one.event.id for one in receiver.arrivals]


def test_what_is_acknowledged_is_taken_and_a_heartbeat_is_not_counted(receiver):
    assert post(receiver, body(1)) == 204
    assert post(receiver, body(2, "cityeye.worker.heartbeat")) == 204
    assert taken(receiver) == ["event-1"]


@pytest.mark.parametrize("status", [*REFUSALS, *ERRORS])
def test_what_is_refused_is_not_taken(receiver, status):
    receiver.fail(status)
    assert post(receiver, body(1)) == int(status)
    receiver.heal()
    assert post(receiver, body(1)) == 204
    assert taken(receiver) == ["event-1"]


@pytest.mark.parametrize(
    ("way", "status"), [("redirect", 307), ("hang", None), ("drip", None), ("reset", None)]
)
def test_other_ways_of_failing_take_nothing(receiver, way, status):
    receiver.fail(way)
    assert post(receiver, body(1)) == status
    receiver.heal()
    assert post(receiver, body(1)) == 204
    assert taken(receiver) == ["event-1"]


def test_an_event_whose_answer_was_lost_is_taken_twice(receiver):
    receiver.fail("lose answer")
    assert post(receiver, body(1)) is None
    receiver.heal()
    assert post(receiver, body(1)) == 204
    assert taken(receiver) == ["event-1", "event-1"]


def test_a_receiver_that_is_down_has_no_port_and_comes_back_on_the_same(receiver):
    port = receiver.port
    receiver.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), WAIT_S)
    receiver.start()
    assert receiver.port == port
    assert post(receiver, body(1)) == 204
