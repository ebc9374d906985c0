"""Keys of evidence: what names an image or clip in a store says of when it is and what it holds.

A key is `class/v1/yyyy/mm/dd/camera/hh/incident_event-n-digest.jpg`, UTC, where `incident` is a
digest of the incident's id: by it all evidence of an incident is found without anything else.
Keys of programs that knew no holds have none. Whoever serves evidence by its keys takes no other
key, and gives away no object whose content is not the one in its key.

There are two classes. Keyframes may be seen by whoever may see incidents. What shows heads and
plates, clips and clean images, is restricted: it is asked for in another way (docs/security.md),
and the two are never mixed up, as the class stands at the beginning of the key.
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
RESTRICTED_PREFIX: Final = "ev-7d/v1/"
"""The same for what is restricted, of which `Retention.restricted` decides."""
SUFFIXES: Final = {"image/jpeg": ".jpg", "video/mp4": ".mp4"}
"""How a key ends, by media type."""
DIGEST_CHARS: Final = 16
TAG_CHARS: Final = 16

_KEY: Final = re.compile(
    rf"(?P<class>{KEY_PREFIX}|{RESTRICTED_PREFIX})(?P<date>[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}})"
    r"/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9]{2}"
    rf"/(?:[0-9a-f]{{{TAG_CHARS}}}_)?[0-9a-f-]{{36}}-[0-9]{{1,6}}"
    rf"-(?P<digest>[0-9a-f]{{{DIGEST_CHARS}}})(?P<suffix>\.jpg|\.mp4)"
)


def incident_tag(incident: str) -> str:
    """What the names of an incident's keyframes begin with, before a `_`."""
    return hashlib.sha256(incident.encode()).hexdigest()[:TAG_CHARS]


def keyframe_key(
    camera: str, incident: str, event: str, number: int, sha256: str, at: datetime
) -> str:
    """The key of an image; as `restricted_key`."""
    return f"{KEY_PREFIX}{_rest(camera, incident, event, number, sha256, at)}.jpg"


def restricted_key(
    camera: str,
    incident: str,
    event: str,
    number: int,
    sha256: str,
    at: datetime,
    media_type: str = "video/mp4",
) -> str:
    """The key of a clip or of a clean image.

    Args:
        camera: Camera id.
        incident: Id of the incident.
        event: Id of the event that brings it.
        number: Counts what the incident has of its class.
        sha256: Hex digest of it.
        at: When it was taken, with a UTC offset.
        media_type: What it is.
    """
    rest = _rest(camera, incident, event, number, sha256, at)
    return f"{RESTRICTED_PREFIX}{rest}{SUFFIXES[media_type]}"


def _rest(camera: str, incident: str, event: str, number: int, sha256: str, at: datetime) -> str:
    utc = at.astimezone(UTC)
    name = f"{incident_tag(incident)}_{event}-{number}-{sha256[:DIGEST_CHARS]}"
    return f"{utc:%Y/%m/%d}/{camera}/{utc:%H}/{name}"


def is_keyframe_key(key: str) -> bool:
    """Whether a text is a key as `keyframe_key` makes them, and nothing else."""
    parsed = _KEY.fullmatch(key)
    return parsed is not None and (parsed["class"], parsed["suffix"]) == (KEY_PREFIX, ".jpg")


def is_restricted_key(key: str) -> bool:
    """Whether a text is a key as `restricted_key` makes them, and nothing else."""
    parsed = _KEY.fullmatch(key)
    return parsed is not None and parsed["class"] == RESTRICTED_PREFIX


def media_type_of(key: str) -> str:
    """The media type of what a key names; that of an image where it says nothing."""
    return next((one for one, end in SUFFIXES.items() if key.endswith(end)), "image/jpeg")


def is_content_of(key: str, data: bytes) -> bool:
    """Whether an image or a clip is the one that its key names."""
    parsed = _KEY.fullmatch(key)
    return parsed is not None and hashlib.sha256(data).hexdigest().startswith(parsed["digest"])


def why_missing(key: str) -> str:
    """Why a store does not have what an event names, with the day on which it was taken."""
    parsed = _KEY.fullmatch(key)
    taken = f", which was taken on {parsed['date'].replace('/', '-')}" if parsed else ""
    what = "keyframe" if parsed is None or parsed["class"] == KEY_PREFIX else "evidence"
    return f"the store does not have this {what}{taken}: not yet, or retention has deleted it"
