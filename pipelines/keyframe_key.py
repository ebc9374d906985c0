"""Keys of keyframes: what names an image in a store also says when it was taken and what it holds.

A key is `class/v1/yyyy/mm/dd/camera/hh/incident_event-n-digest.jpg`, UTC, where `incident` is a
digest of the incident's id: by it all keyframes of an incident are found without anything else.
Keys of programs that knew no holds have none. Whoever serves keyframes by their keys takes no other
key, and gives away no object whose content is not the one in its key.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

KEY_PREFIX: Final = "kf-30d/v1/"
"""First part of every key: lifecycle rules of a store work by prefix. How long a keyframe is kept
is `Retention.keyframes`, whatever the prefix says. Below it lie years, months and days, and the
images in folders below these."""
DIGEST_CHARS: Final = 16
TAG_CHARS: Final = 16

_KEY: Final = re.compile(
    rf"{KEY_PREFIX}(?P<date>[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}})"
    r"/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9]{2}"
    rf"/(?:[0-9a-f]{{{TAG_CHARS}}}_)?[0-9a-f-]{{36}}-[0-9]{{1,6}}"
    rf"-(?P<digest>[0-9a-f]{{{DIGEST_CHARS}}})\.jpg"
)


def incident_tag(incident: str) -> str:
    """What the names of an incident's keyframes begin with, before a `_`."""
    return hashlib.sha256(incident.encode()).hexdigest()[:TAG_CHARS]


def keyframe_key(
    camera: str, incident: str, event: str, number: int, sha256: str, at: datetime
) -> str:
    """The key of an image.

    Args:
        camera: Camera id.
        incident: Id of the incident.
        event: Id of the event that brings it.
        number: Counts the keyframes of the incident.
        sha256: Hex digest of the image.
        at: When it was taken, with a UTC offset.
    """
    utc = at.astimezone(UTC)
    name = f"{incident_tag(incident)}_{event}-{number}-{sha256[:DIGEST_CHARS]}.jpg"
    return f"{KEY_PREFIX}{utc:%Y/%m/%d}/{camera}/{utc:%H}/{name}"


def is_keyframe_key(key: str) -> bool:
    """Whether a text is a key as `keyframe_key` makes them, and nothing else."""
    return _KEY.fullmatch(key) is not None


def is_content_of(key: str, data: bytes) -> bool:
    """Whether an image is the one that its key names."""
    parsed = _KEY.fullmatch(key)
    return parsed is not None and hashlib.sha256(data).hexdigest().startswith(parsed["digest"])


def why_missing(key: str) -> str:
    """Why a store has no keyframe that an event names, with the day on which it was taken."""
    parsed = _KEY.fullmatch(key)
    taken = f", which was taken on {parsed['date'].replace('/', '-')}" if parsed else ""
    return f"the store does not have this keyframe{taken}: not yet, or retention has deleted it"
