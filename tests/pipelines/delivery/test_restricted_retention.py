"""Clips and clean images go by their own limit, and stay where their incident is held."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from pipelines.delivery.holds import Holds
from pipelines.delivery.retention import KeyframeRetention, RetentionLimit
from pipelines.delivery.stores.folder import FolderStore
from pipelines.keyframe_key import RESTRICTED_PREFIX, keyframe_key, restricted_key

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
EVENT = "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e"


def test_each_class_has_its_own_limit(tmp_path):
    store, holds = FolderStore(tmp_path / "keyframes"), Holds(tmp_path, lambda: NOW)
    digest = hashlib.sha256(b"data").hexdigest()

    def put(make, incident: str, days_ago: int, *media_type: str) -> str:
        at = NOW - timedelta(days=days_ago)
        key = make("gate", incident, EVENT, 0, digest, at, *media_type)
        store.put(key, b"data", digest, "image/jpeg")
        return key

    keyframe = put(keyframe_key, "i-1", 10)
    clip, clean = put(restricted_key, "i-1", 10), put(restricted_key, "i-1", 10, "image/jpeg")
    young, held = put(restricted_key, "i-1", 2), put(restricted_key, "i-2", 10)
    holds.add("i-2", "asked for by the police")
    keyframes = KeyframeRetention(store, RetentionLimit(30), holds, lambda: NOW)
    restricted = KeyframeRetention(
        store, RetentionLimit(7), holds, lambda: NOW, prefix=RESTRICTED_PREFIX
    )
    for _ in range(5):
        keyframes.step()
        restricted.step()
    found = [store.exists(key) for key in (keyframe, clip, clean, young, held)]
    assert found == [True, False, False, True, True]
    assert (keyframes.kept.name, keyframes.kept.deleted) == ("keyframes", 0)
    assert (restricted.kept.name, restricted.kept.deleted, restricted.kept.held) == (
        "restricted",
        2,
        1,
    )
