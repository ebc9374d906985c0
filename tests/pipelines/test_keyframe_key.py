import hashlib
from datetime import datetime, timedelta, timezone

import pytest

from pipelines.event_identity import event_id
from pipelines.keyframe_key import (
    incident_tag,
    is_content_of,
    is_keyframe_key,
    keyframe_key,
    why_missing,
)

IMAGE = b"an image"
AT = datetime(2026, 11, 20, 1, 30, tzinfo=timezone(timedelta(hours=8)))
KEY = keyframe_key("gate-1", "i-1", event_id("e"), 0, hashlib.sha256(IMAGE).hexdigest(), AT)


def test_a_key_says_when_and_what() -> None:
    assert KEY.startswith("kf-30d/v1/2026/11/19/gate-1/17/")
    assert is_keyframe_key(KEY)
    assert is_content_of(KEY, IMAGE)
    tag, _, older = KEY.rpartition("/")[2].partition("_")
    assert tag == incident_tag("i-1"), "a hold finds it by that"
    assert is_keyframe_key(KEY.replace(f"{tag}_{older}", older)), "as they were before holds"
    assert not is_content_of(KEY, b"another object")


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
    assert not is_content_of(key, IMAGE)


def test_a_missing_one_is_explained_without_a_promise_how_long_it_is_kept() -> None:
    assert why_missing(KEY) == (
        "the store does not have this keyframe, which was taken on 2026-11-19: not yet, or"
        " retention has deleted it"
    )
    assert why_missing("old/key.jpg") == (
        "the store does not have this keyframe: not yet, or retention has deleted it"
    )
