"""The director keeps keyframe store and model cache within their limits, beside all else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.delivery import KeyframeSettings, Retention, RetentionLimit
from pipelines.delivery.stores.folder import FolderSettings
from serving.api.health import health_answer
from serving.city_plan import DeliveryPlan
from serving.model_source import RemoteModels
from serving.store_upkeep import StoreUpkeep

OLD = "kf-30d/v1/2020/03/04/gate/05/0123456789abcdef_e-0-0123456789abcdef.jpg"
WAIT_S = 30.0


def wait(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, "not in time"
        time.sleep(0.05)


def test_old_keyframes_and_unused_models_go_and_health_says_what_is_kept(tmp_path: Path):
    old = tmp_path / "keyframes" / OLD
    old.parent.mkdir(parents=True)
    old.write_bytes(b"image")
    models = RemoteModels(
        url="s3://models", endpoint="http://127.0.0.1:1", cache=tmp_path / "models"
    )
    copies = models.copies().root
    for version in ("1", "2"):
        (copies / "street" / version).mkdir(parents=True)
        (copies / "street" / version / "model.onnx").write_bytes(b"x" * 1000)
        os.utime(copies / "street" / version, (1e9, 1e9))
    delivery = DeliveryPlan(
        KeyframeSettings(folder=FolderSettings(tmp_path / "keyframes")),
        (),
        tmp_path / "state",
        Retention(models=RetentionLimit(90.0)),
    )
    upkeep = StoreUpkeep(delivery, models, lambda: {"street/2"})
    upkeep.start()
    try:
        wait(lambda: not old.exists() and upkeep.kept()[0].deleted == 1)
    finally:
        upkeep.stop()
    assert [path.name for path in (copies / "street").iterdir()] == ["2"]
    keyframes, restricted, packages = health_answer([], [], [], {}, upkeep.kept()).kept
    assert (keyframes.name, keyframes.used_bytes, keyframes.deleted) == ("keyframes", 0, 1)
    assert (keyframes.max_days, keyframes.max_bytes) == (30.0, 100_000_000_000)
    assert (restricted.name, restricted.max_days) == ("restricted", 7.0)
    assert (packages.name, packages.used_bytes, packages.deleted) == ("models", 1000, 1)
    assert (packages.max_days, packages.max_bytes) == (90.0, None)
