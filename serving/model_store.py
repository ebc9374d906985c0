"""`ModelObjects`: model packages in an S3-compatible store, with errors that speak of models."""

from __future__ import annotations

import contextlib
import mimetypes
from collections.abc import Callable, Iterator, Sequence

from models import ObjectMissingError, RepositoryError
from pipelines import KeyframeMissing, StoreError, StoreUnavailable
from pipelines.delivery import S3Bucket, S3Settings

MAX_KEYS = 100_000
UNKNOWN_TYPE = "application/octet-stream"


class ModelObjects:
    """A `models.object_store.ObjectStore` below a prefix of a bucket."""

    def __init__(self, settings: S3Settings, prefix: str = "") -> None:
        """Prepares the client; connects at first use. `prefix` has no slash at its ends."""
        self._bucket = S3Bucket(settings)
        self._prefix = f"{prefix}/" if prefix else ""

    def __str__(self) -> str:
        return f"{self._bucket}, {self._prefix}" if self._prefix else str(self._bucket)

    def prepare(self) -> None:
        """See `ObjectStore.prepare`."""
        with self._translated():
            self._bucket.make()

    def keys(self, prefix: str) -> Sequence[str]:
        """See `ObjectStore.keys`."""
        with self._translated():
            found = self._bucket.keys(self._prefix + prefix, MAX_KEYS)
        if len(found) == MAX_KEYS:
            problem = f"{self} holds {MAX_KEYS} objects or more"
            raise RepositoryError("", problem, "give models a bucket or a prefix of their own")
        return [key.removeprefix(self._prefix) for key in found if key.startswith(self._prefix)]

    def read(self, key: str, sink: Callable[[bytes], object]) -> None:
        """See `ObjectStore.read`."""
        with self._translated(key):
            self._bucket.read(self._prefix + key, sink)

    def write(self, key: str, data: bytes) -> None:
        """See `ObjectStore.write`."""
        media_type = mimetypes.guess_type(key)[0] or UNKNOWN_TYPE
        with self._translated(key):
            self._bucket.put(self._prefix + key, data, media_type)

    @contextlib.contextmanager
    def _translated(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except KeyframeMissing:
            raise ObjectMissingError(key, str(self)) from None
        except StoreUnavailable as error:
            remedy = "check that it runs at this address and that the network leads there"
            raise RepositoryError("", str(error), remedy, again=True) from None
        except StoreError as error:
            problem, _, remedy = str(error).partition(": ")
            raise RepositoryError("", problem, remedy) from None
