"""Streams of a GB/T 28181 gateway: there on demand, gone when nobody watches, with a token."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from camera_adapters.backoff import BackoffPolicy, RetryDelays
from camera_adapters.state import CameraState
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount, ServerLimits
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip
from tests.camera_adapters.gateway import Gateway
from tests.camera_adapters.readers import camera, watching

pytestmark = pytest.mark.integration

CHANNEL = "rtp/34020000001320000001_34020000001320000001"
TOKEN = "canary-28181"
SESSION_S = 1.5
ONLINE, OFFLINE = CameraState.ONLINE, CameraState.OFFLINE
UNAUTHORIZED = CameraState.UNAUTHORIZED


@pytest.fixture
def server(tiny_clip: TinyClip) -> Iterator[RtspServerThread]:
    """Ends sessions of which it hears nothing, as gateways do."""
    limits = replace(ServerLimits(), session_timeout_s=SESSION_S)
    with RtspServerThread([Mount(CHANNEL, tiny_clip.path)], limits=limits) as thread:
        yield thread


def address(gateway: Gateway, query: str = "") -> str:
    return f"rtsp://127.0.0.1:{gateway.port}/{CHANNEL}{query}"


def test_a_stream_that_starts_when_it_is_asked_for_is_asked_again(server):
    with Gateway(server.port) as gateway, watching(camera(address(gateway))) as watched:
        watched.wait_for(ONLINE)
        assert watched.frame() is not None
        assert gateway.invited == 1
        assert len(gateway.described) > 1


def test_the_usual_pause_before_asking_again_is_a_few_seconds(server):
    """A gateway needs a second or two; the pause must not be that of a wrong login."""
    with (
        Gateway(server.port) as gateway,
        watching(camera(address(gateway)), delays=RetryDelays()) as watched,
    ):
        watched.wait_for(ONLINE)
        first_s, second_s = gateway.described[:2]
        assert 0.5 < second_s - first_s < 2.0


def test_a_gateway_that_holds_its_answer_is_waited_for(server):
    spec = camera(address(gateway := Gateway(server.port, start_s=1.2, hold_s=3.0)))
    with gateway, watching(replace(spec, open_timeout_s=4.0)) as watched:
        watched.wait_for(ONLINE)
        assert len(gateway.described) == 1


def test_a_shorter_time_limit_costs_attempts_and_says_what_is_wrong(server):
    gateway = Gateway(server.port, start_s=1.2, hold_s=3.0)
    with gateway, watching(replace(camera(address(gateway)), open_timeout_s=0.5)) as watched:
        watched.wait_for(ONLINE)
        assert len(gateway.described) > 1
        assert gateway.invited == 1


def test_a_stream_that_ended_for_want_of_viewers_is_started_again(server):
    with Gateway(server.port, idle_s=0.3) as gateway:
        for round_number in (1, 2):
            with watching(camera(address(gateway))) as watched:
                watched.wait_for(ONLINE)
            assert gateway.invited == round_number
            time.sleep(0.6)
        assert gateway.ended == 1


def test_a_camera_that_is_lost_behind_the_gateway_comes_back(server):
    with Gateway(server.port) as gateway, watching(camera(address(gateway))) as watched:
        watched.wait_for(ONLINE)
        seen = len(watched.changes)
        server.set_fault(CHANNEL, Fault(FaultKind.END))
        assert watched.wait_for(OFFLINE, after=seen).reason
        server.set_fault(CHANNEL, None)
        watched.wait_for(ONLINE, after=seen)


def test_the_session_is_kept_alive(server):
    with Gateway(server.port) as gateway, watching(camera(address(gateway))) as watched:
        watched.wait_for(ONLINE)
        seen = len(watched.changes)
        until_s = time.monotonic() + 2.5 * SESSION_S
        while time.monotonic() < until_s:
            watched.frame()
        assert not watched.changes[seen:]
        assert gateway.invited == 1


def test_a_token_in_the_address_is_sent_and_not_logged(server, caplog):
    caplog.set_level(logging.DEBUG)
    with Gateway(server.port, token=TOKEN) as gateway:
        with watching(camera(address(gateway, f"?token={TOKEN}"))) as watched:
            watched.wait_for(ONLINE)
        assert not gateway.refused
    assert TOKEN not in caplog.text
    assert not any(TOKEN in one.reason for one in watched.changes)


def test_a_token_that_ran_out_is_said_and_not_tried_without_end(server):
    slow = RetryDelays(
        BackoffPolicy(0.01, 0.01, spread=0.0), BackoffPolicy(3600.0, 3600.0, spread=0.0)
    )
    with (
        Gateway(server.port, token=TOKEN) as gateway,
        watching(camera(address(gateway, "?token=old")), delays=slow) as watched,
    ):
        change = watched.wait_for(UNAUTHORIZED)
        time.sleep(0.3)
        assert len(gateway.refused) == 1
    assert "login" in change.reason
