"""Every kind of keyframe store: a new one is one file, one field and its key here.

The configuration file, `cityeye check`, the city's plan and the hub use the kinds that are named
here.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from pipelines.delivery.settings import DeliverySettings
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.s3 import S3Settings
from pipelines.delivery.stores.store import KeyframeStore

KEYFRAME_STORES: Final = ("folder", "s3")
"""The keys of all kinds."""


class KeyframeSettings(DeliverySettings):
    """Where keyframes are kept, exactly one kind under its own key, and whether they are masked."""

    folder: FolderSettings | None = Field(
        default=None, description="a folder", examples=["var/keyframes"]
    )
    s3: S3Settings | None = Field(default=None, description="an S3-compatible store")
    masking: bool = Field(
        default=True, description="whether heads and plates are masked in them", examples=["on"]
    )

    def open(self) -> KeyframeStore:
        """The store; connects to nothing yet.

        Raises:
            ValueError: Not exactly one kind is given.
        """
        stores = (getattr(self, name) for name in KEYFRAME_STORES)
        (given,) = (one for one in stores if one is not None)
        store: KeyframeStore = given.open()
        return store
