"""Whether the control service of a cluster answers: a gRPC server that ends and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from serving.control_service import ALIVE_METHOD, AWAY_AFTER_S, ControlService, status_of
from tests.e2e.command import free_ports

WAIT_S = 15.0


def serve(port: int) -> grpc.Server:
    """Answers as the control service does."""
    _, service, method = ALIVE_METHOD.split("/")
    answer = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: answer}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server


def wait_until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_it_says_since_when_nobody_answers_and_that_it_is_back() -> None:
    (port,) = free_ports(1)
    server = serve(port)
    control = ControlService(f"127.0.0.1:{port}")
    try:
        time.sleep(AWAY_AFTER_S + 1.0)
        assert control.away == ""
        assert control.back_s < 0
        server.stop(None).wait()
        wait_until(lambda: bool(control.away))
        assert f"the Ray cluster at 127.0.0.1:{port} has not answered for" in control.away
        began_s = time.monotonic()
        server = serve(port)
        wait_until(lambda: not control.away)
        assert control.back_s >= began_s
    finally:
        control.close()
        server.stop(None).wait()


def test_a_ray_of_the_citys_own_is_never_away(monkeypatch: pytest.MonkeyPatch) -> None:
    control = ControlService("")
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    assert control.away == ""


def test_nobody_there_is_an_answer_too() -> None:
    (port,) = free_ports(1)
    assert status_of(f"127.0.0.1:{port}", {}, 2.0) is grpc.StatusCode.UNAVAILABLE
