"""The settings of map tiles behind the plan of the cameras. Without them nothing is asked for."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

PLACES: Final = ("{z}", "{x}", "{y}")
ADDRESS: Final = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/?&=%{}:@+-]*$"
"""Nothing that could end a directive of a content security policy."""


class MapTiles(BaseModel):
    """Where browsers get map tiles from, in the scheme of Web Mercator (EPSG:3857).

    Attributes:
        url: The address of a tile, with `{z}`, `{x}` and `{y}`.
        attribution: What the maker of the map wants to be said.
        max_zoom: The largest `{z}` that there is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(pattern=ADDRESS, max_length=500)]
    attribution: Annotated[str, Field(max_length=200)] = ""
    max_zoom: Annotated[int, Field(ge=0, le=22)] = 18

    @field_validator("url")
    @classmethod
    def _has_places(cls, url: str) -> str:
        if missing := [place for place in PLACES if place not in url]:
            raise ValueError(f"the address of a tile needs {', '.join(missing)}")
        return url

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a content security policy names them."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def address(self, zoom: int, x: int, y: int) -> str:
        """Of one tile."""
        return self.url.replace("{z}", str(zoom)).replace("{x}", str(x)).replace("{y}", str(y))
