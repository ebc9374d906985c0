"""Every kind of keyframe store: a new one is one file and one field here.

The configuration file, `cityeye check`, the city's plan and the hub use the kinds that are named
here.
"""

from __future__ import annotations

from pydantic import Field

from pipelines.delivery.settings import DeliverySettings
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.s3 import S3Settings
from pipelines.delivery.stores.store import KeyframeStore


class KeyframeSettings(DeliverySettings):
    """Where keyframes are kept: exactly one kind, under its own key."""

    folder: FolderSettings | None = Field(
        default=None, description="a folder", examples=["var/keyframes"]
    )
    s3: S3Settings | None = Field(default=None, description="an S3-compatible store")

    def open(self) -> KeyframeStore:
        """The store; connects to nothing yet.

        Raises:
            ValueError: Not exactly one kind is given.
        """
        (given,) = (settings for _, settings in self if settings is not None)
        store: KeyframeStore = given.open()
        return store
