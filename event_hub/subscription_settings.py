"""The settings of subscriptions: where the hub may send events."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork


class SubscriptionSettings(BaseModel):
    """What receivers of subscriptions may be.

    Attributes:
        networks: Private networks in which receivers may be, such as `10.20.0.0/16`; without them
            only public addresses. Nobody can then use the hub to reach machines of its network.
        most: How many subscriptions there may be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[IPvAnyNetwork, ...] = ()
    most: Annotated[int, Field(ge=0, le=1000)] = 100
