import hashlib
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from pipelines.event import event_id
from pipelines.keyframe_key import holds, is_keyframe_key, keyframe_key, why_expired

IMAGE = b"an image"
AT = datetime(2026, 11, 20, 1, 30, tzinfo=timezone(timedelta(hours=8)))
KEY = keyframe_key("gate-1", event_id("e"), 0, hashlib.sha256(IMAGE).hexdigest(), AT)


def test_a_key_says_when_and_what() -> None:
    assert KEY.startswith("kf-30d/v1/2026/11/19/gate-1/17/")
    assert is_keyframe_key(KEY)
    assert holds(KEY, IMAGE)
    name = KEY.rpartition("/")[2]
    assert is_keyframe_key(KEY.replace(name, f"{'0a' * 8}_{name}"))
    assert not holds(KEY, b"another object")


@pytest.mark.parametrize(
    "key",
    [
        "", "models/street/1/model.onnx", KEY + "/", "/" + KEY, KEY + "x", "x/" + KEY, KEY + "\n",
        KEY.replace("gate-1", ".."), KEY.replace("gate-1", "a/b"), KEY.replace("gate-1", ".hidden"),
        KEY.replace("kf-30d", "../kf-30d"), KEY.replace("/17/", "//"), KEY.replace(".jpg", ".db"),
        KEY.replace("gate-1", "gate%2f1"), KEY.replace("2026", "\uff12026"),
    ],
)  # fmt: skip
def test_nothing_else_is_a_key(key: str) -> None:
    assert not is_keyframe_key(key)
    assert not holds(key, IMAGE)
    assert why_expired(key, date(2030, 1, 1)) == ""


def test_its_time_is_over_some_day() -> None:
    taken = date(2026, 11, 19)
    assert why_expired(KEY, taken + timedelta(days=30)) == ""
    assert why_expired(KEY, taken + timedelta(days=31)) == (
        "the keyframe was taken on 2026-11-19, and its class is kept for 30 days: it is deleted"
    )
    assert why_expired(KEY.replace("2026/11/19", "2026/13/99"), datetime.now(UTC).date()) == ""
