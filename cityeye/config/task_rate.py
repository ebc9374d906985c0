"""How often a task analyses its camera: the usual rate, and those that the scene may ask for."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from cityeye.config.section import Section
from pipelines import AdaptiveFps

MAX_FPS: Final = 30.0
MIN_FPS: Final = 0.05
USUAL_FPS: Final = 5.0


class AdaptiveFpsSection(Section):
    """Rates that replace `fps` while the scene asks for less or more."""

    idle: float | None = Field(default=None, ge=MIN_FPS, le=MAX_FPS)
    """frames per second while nothing is seen and nothing moves, below `fps`, for example `1`"""
    near: float | None = Field(default=None, ge=MIN_FPS, le=MAX_FPS)
    """frames per second while an object is near a line or the edge of a zone, above `fps`, for
    example `10`"""

    @property
    def rates(self) -> AdaptiveFps:
        """The same for a plan."""
        return AdaptiveFps(self.idle, self.near)
