"""Tries of logins are counted, over restarts and over cameras, and never more than three."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from camera_adapters.login_memory import MAX_TRIES, PERIOD_S, LoginKey, LoginMemory

KEY = LoginKey("rtsp://10.0.0.5:554", "operator", "wrong-password")
OTHER = LoginKey("rtsp://10.0.0.5:554", "operator", "right-password")


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["in memory", "in a folder"])
def memory(request, tmp_path: Path, clock: Clock) -> LoginMemory:
    return LoginMemory(tmp_path / "logins" if request.param == "in a folder" else None, clock)


def fail(memory: LoginMemory, key: LoginKey = KEY) -> None:
    assert memory.claim(key) == 0
    memory.refused(key)


def test_three_tries_in_half_an_hour(memory, clock):
    for _ in range(MAX_TRIES):
        assert memory.blocked_s(KEY) == 0
        fail(memory)
        clock.now_s += 60
    assert memory.blocked_s(KEY) == pytest.approx(PERIOD_S - 180)
    assert memory.claim(KEY) == pytest.approx(PERIOD_S - 180)
    clock.now_s += PERIOD_S - 179
    fail(memory)
    assert memory.blocked_s(KEY) > 0, "the second of the three tries still counts"


def test_other_credentials_have_tries_of_their_own(memory):
    for _ in range(MAX_TRIES):
        fail(memory)
    assert memory.blocked_s(OTHER) == memory.claim(OTHER) == 0


def test_a_login_that_was_taken_is_tried_as_often_as_needed(memory, clock):
    for _ in range(10):
        assert memory.claim(KEY) == 0
        memory.accepted(KEY)
        clock.now_s += 1


def test_one_refusal_of_a_good_login_is_no_proof_and_the_second_is(memory):
    assert memory.claim(KEY) == 0
    memory.accepted(KEY)
    assert memory.claim(KEY) == 0
    assert not memory.refused(KEY)
    assert memory.claim(KEY) == 0
    assert memory.refused(KEY)


def test_the_first_refusal_of_an_unknown_login_is_proof(memory):
    assert memory.claim(KEY) == 0
    assert memory.refused(KEY)


def test_success_forgives(memory):
    fail(memory)
    fail(memory)
    assert memory.claim(KEY) == 0
    memory.accepted(KEY)
    fail(memory)
    assert memory.blocked_s(KEY) == 0


def test_a_restart_changes_nothing(tmp_path: Path, clock: Clock):
    for _ in range(MAX_TRIES):
        fail(LoginMemory(tmp_path, clock))
    assert LoginMemory(tmp_path, clock).claim(KEY) > 0


def test_sixteen_cameras_of_one_recorder_share_the_tries(tmp_path: Path, clock: Clock):
    cameras = [LoginMemory(tmp_path, clock) for _ in range(16)]
    allowed = [camera for camera in cameras if camera.claim(KEY) == 0]
    assert len(allowed) == MAX_TRIES
    for camera in allowed:
        camera.refused(KEY)
    assert all(camera.claim(KEY) > 60 for camera in cameras)


def test_sixteen_cameras_wait_a_moment_for_the_first_success(tmp_path: Path, clock: Clock):
    cameras = [LoginMemory(tmp_path, clock) for _ in range(16)]
    waits = [camera.claim(KEY) for camera in cameras]
    assert max(waits) <= 1
    cameras[0].accepted(KEY)
    assert all(camera.claim(KEY) == 0 for camera in cameras)


def test_a_try_that_nobody_finished_counts_as_refused(tmp_path: Path, clock: Clock):
    for _ in range(MAX_TRIES):
        assert LoginMemory(tmp_path, clock).claim(KEY) == 0
        clock.now_s += 30
    assert LoginMemory(tmp_path, clock).claim(KEY) > 60


def test_a_good_login_is_not_paused_for_answers_that_never_came(memory, clock):
    assert memory.claim(KEY) == 0
    memory.accepted(KEY)
    for _ in range(10):
        assert memory.claim(KEY) == 0
        clock.now_s += 30


def test_a_clock_that_was_ahead_does_not_block_for_ever(memory, clock):
    clock.now_s += 10 * PERIOD_S
    for _ in range(MAX_TRIES):
        fail(memory)
    clock.now_s -= 10 * PERIOD_S
    assert memory.blocked_s(KEY) <= PERIOD_S


def test_digest_is_remembered_for_the_address(memory):
    assert not memory.digest_was_offered(KEY)
    memory.note_digest(KEY)
    assert memory.digest_was_offered(OTHER)


def test_nothing_secret_is_written(tmp_path: Path, clock: Clock):
    memory = LoginMemory(tmp_path, clock)
    fail(memory)
    (file,) = tmp_path.iterdir()
    text = file.read_text() + file.name + repr(KEY)
    assert not [word for word in ("operator", "wrong", "10.0.0.5:554 ") if word in text]
    assert file.stat().st_mode & 0o077 == 0


def test_a_damaged_file_or_disk_does_not_blind_a_camera(tmp_path: Path, clock: Clock):
    (tmp_path / KEY.file).write_bytes(b"\xff\xfe nonsense\nrefused\n\n tried x y\n")
    memory = LoginMemory(tmp_path, clock)
    fail(memory)
    blocked = tmp_path / "file"
    blocked.write_text("")
    fail(LoginMemory(blocked / "below", clock))


def test_it_travels_with_its_camera():
    memory = LoginMemory()
    fail(memory)
    assert pickle.loads(pickle.dumps(memory)).blocked_s(KEY) == 0
