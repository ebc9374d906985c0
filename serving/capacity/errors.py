"""What can go wrong where costs are measured or cameras are counted."""

from __future__ import annotations

from serving.errors import ServingError


class CapacityError(ServingError):
    """Costs could not be measured, or are not known; the text says why and what to do."""
