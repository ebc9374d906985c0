"""`CameraKey`: which camera is meant, as cameras of two cities may have one id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class CameraKey(NamedTuple):
    """A camera of a city; the city is empty where its source names none."""

    city: str
    camera: str


def placed(known: Mapping[CameraKey, T], cities: Mapping[str, set[str]]) -> dict[CameraKey, T]:
    """The same, where what names no city is of the one city that has a camera of this id.

    Where several have one, it is left out: it may be of any of them.

    Args:
        known: What is known, by camera.
        cities: The cities that have a camera of each id.
    """
    found = {key: one for key, one in known.items() if key.city or not cities.get(key.camera)}
    for key, one in known.items():
        names = cities.get(key.camera, set())
        if not key.city and len(names) == 1:
            found.setdefault(CameraKey(min(names), key.camera), one)
    return found
