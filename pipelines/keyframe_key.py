"""Keys of keyframes: what names an image in a store also says when it was taken and what it holds.

A key is `class/v1/yyyy/mm/dd/camera/hh/event-n-digest.jpg`, UTC; its name may begin with a digest
of the incident's id and `_`. Whoever serves keyframes by their keys takes no other key, and gives
away no object whose content is not the one in its key.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

RETENTION_DAYS: Final = 30
RETENTION_CLASS: Final = f"kf-{RETENTION_DAYS}d"
"""First part of every key: object lifecycle rules work by prefix."""
DIGEST_CHARS: Final = 16

_KEY: Final = re.compile(
    r"kf-(?P<days>[0-9]{1,4})d/v1/(?P<date>[0-9]{4}/[0-9]{2}/[0-9]{2})"
    r"/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9]{2}"
    rf"/(?:[0-9a-f]{{16}}_)?[0-9a-f-]{{36}}-[0-9]{{1,6}}-(?P<digest>[0-9a-f]{{{DIGEST_CHARS}}})\.jpg"
)


def keyframe_key(camera: str, event: str, number: int, sha256: str, at: datetime) -> str:
    """The key of an image.

    Args:
        camera: Camera id.
        event: Id of the event that brings it.
        number: Counts the keyframes of the incident.
        sha256: Hex digest of the image.
        at: When it was taken, with a UTC offset.
    """
    utc = at.astimezone(UTC)
    name = f"{event}-{number}-{sha256[:DIGEST_CHARS]}.jpg"
    return f"{RETENTION_CLASS}/v1/{utc:%Y/%m/%d}/{camera}/{utc:%H}/{name}"


def is_keyframe_key(key: str) -> bool:
    """Whether a text is a key as `keyframe_key` makes them, and nothing else."""
    return _KEY.fullmatch(key) is not None


def holds(key: str, data: bytes) -> bool:
    """Whether an image is the one that its key names."""
    parsed = _KEY.fullmatch(key)
    return parsed is not None and hashlib.sha256(data).hexdigest().startswith(parsed["digest"])


def why_expired(key: str, today: date) -> str:
    """That the time is over for which a keyframe is kept; empty before, and for other keys."""
    parsed = _KEY.fullmatch(key)
    if parsed is None:
        return ""
    days = int(parsed["days"])
    try:
        taken = date(*map(int, parsed["date"].split("/")))
        is_over = taken + timedelta(days=days) < today
    except (ValueError, OverflowError):
        return ""
    if not is_over:
        return ""
    return (
        f"the keyframe was taken on {taken}, and its class is kept for {days} days: it is deleted"
    )
