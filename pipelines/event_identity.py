"""Who an event is from, and what makes it the same event in every delivery."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

NAMESPACE: Final = uuid.UUID("6f1b8a52-3c0d-5f6e-9a41-c17e0e7ec175")

CITY_MAX_CHARS: Final = 32
"""Of a city's name in a source, so that a source stays well below what receivers take."""


@lru_cache(maxsize=4096)
def camera_source(city: str, camera: str) -> str:
    """The CloudEvents source of a camera, the same in whichever worker it is: a relative URI."""
    return f"cityeye/{quote(city[:CITY_MAX_CHARS], safe='')}/{quote(camera, safe='')}"


def worker_source(city: str, worker: str) -> str:
    """The CloudEvents source of a worker's heartbeats and notices; never that of a camera."""
    return f"cityeye/{quote(city[:CITY_MAX_CHARS], safe='')}/workers/{quote(worker, safe='')}"


def hub_source(city: str, hub: str) -> str:
    """The CloudEvents source of what a hub itself says of a city; never that of a camera."""
    return f"cityeye/{quote(city[:CITY_MAX_CHARS], safe='')}/hubs/{quote(hub, safe='')}"


def city_of(source: str) -> str:
    """The city in the source of a camera, worker or hub; empty in sources of any other form."""
    program, _, rest = source.partition("/")
    quoted, slash, _ = rest.partition("/")
    city = unquote(quoted) if program == "cityeye" and slash else ""
    return city if city.isprintable() else ""


def event_id(*parts: str) -> str:
    """The id of an event: uuid5 over what makes it different from every other event."""
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))
