"""`TimeZoneName`: a time zone as a parameter, by its IANA name."""

from __future__ import annotations

from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Query
from pydantic import AfterValidator

UTC_NAME: Final = "UTC"


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError("it is no IANA time zone, such as Asia/Shanghai") from None
    return name


TimeZoneName = Annotated[
    str, AfterValidator(_known), Query(max_length=64, description="IANA name, Asia/Shanghai")
]
