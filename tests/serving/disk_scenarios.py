"""What serving does on a disk that takes nothing; see `tests.small_disk`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from camera_adapters.login_memory import MAX_TRIES, LoginKey, LoginMemory
from pipelines.access import Scope, TokenFile, TokenFileError
from pipelines.shadow.comparison_state import Gallery
from serving.camera_worker import CameraWorker
from serving.errors import RolloutError
from serving.incarnations import Incarnations
from serving.rollout.rollout import Rollout
from serving.rollout.rollouts import load_rollouts, save_rollouts
from tests import small_disk
from tests.camera_adapters.clips import write_clip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.lone_worker import worker_plan

PATIENCE_S = 40.0


def wait(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        time.sleep(0.05)


def worker(folder: Path) -> None:
    """A worker starts on a full disk: its cameras are watched, and all it says arrives later."""
    clip = write_clip(folder / "clip.mp4")
    source = f"{clip.path.as_uri()}?realtime=1&loop=1"
    receiver = Receiver()
    filler = small_disk.fill(folder)
    watching = CameraWorker(worker_plan(folder, receiver.url, 7, {"gate": source}))
    try:
        wait(lambda: watching.snapshot().group.cameras[0].state.value == "online", "online")
        (problem, *_) = watching.snapshot().storage
        assert "outbox.db cannot be used" in problem
        assert "events that wait in memory: 1," in problem
        assert f"0 bytes are free on the disk of {folder / 'state' / 'worker-0'}" in problem
        filler.unlink()
        wait(lambda: watching.snapshot().storage == (), "a disk that is well")
        wait(lambda: "online" in states(receiver), "the event")
    finally:
        watching.stop()
        receiver.close()
    assert states(receiver) == ["online", "stopped"]


def states(receiver: Receiver) -> list[str]:
    events = [json.loads(one.body) for one in list(receiver.deliveries)]
    return [e["data"]["state"] for e in events if e["type"] == "cityeye.camera.state"]


def tables(folder: Path) -> None:
    """What the director keeps: the tables before stay whole, numbers of starts go on."""
    before = {"street": Rollout(model="street", stable="1")}
    save_rollouts(folder, before)
    incarnations = Incarnations(folder)
    first = incarnations.next()
    filler = small_disk.fill(folder)
    with pytest.raises(RolloutError, match="cannot be written"):
        save_rollouts(folder, {"street": Rollout(model="street", stable="2")})
    assert load_rollouts(folder) == before
    assert incarnations.next() > first
    assert not list(folder.glob("*.part"))
    filler.unlink()
    save_rollouts(folder, {"street": Rollout(model="street", stable="2")})
    assert load_rollouts(folder)["street"].stable == "2"


def tokens(folder: Path) -> None:
    """Tokens that there are stay good; a new one is refused with a reason until there is room."""
    file = TokenFile(folder / "access")
    file.prepare()
    first = file.first()
    filler = small_disk.fill(folder)
    with pytest.raises(TokenFileError, match="No space left"):
        file.issue("gate", Scope.SENDER)
    assert file.check(first) is not None
    assert TokenFile(folder / "access").check(first) is not None
    filler.unlink()
    assert file.check(file.issue("gate", Scope.SENDER)) is not None


def logins(folder: Path) -> None:
    """A refused login counts, whether the disk takes the note or not."""
    key = LoginKey("rtsp://10.0.0.5:554", "operator", "wrong-password")
    memory = LoginMemory(folder / "logins", time.time)
    assert memory.claim(key) == 0
    memory.refused(key)
    filler = small_disk.fill(folder)
    for _ in range(MAX_TRIES - 1):
        assert memory.claim(key) == 0
        memory.refused(key)
    assert memory.claim(key) > 0
    filler.unlink()
    assert memory.claim(key) > 0
    assert LoginMemory(folder / "logins", time.time).claim(key) > 0, "it was not noted later"


def comparisons(folder: Path) -> None:
    """Images of a comparison are left out, and come again."""
    gallery = Gallery(folder / "images", 4)
    filler = small_disk.fill(folder)
    gallery.put("full.jpg", b"x" * 9000)
    assert gallery.read("full.jpg") is None, "half an image"
    filler.unlink()
    gallery.put("again.jpg", b"x" * 9000)
    assert gallery.read("again.jpg") == b"x" * 9000


SCENARIOS: dict[str, object] = {
    "worker": worker,
    "tables": tables,
    "tokens": tokens,
    "logins": logins,
    "comparisons": comparisons,
}

if __name__ == "__main__":
    small_disk.main(SCENARIOS)
