"""Where a hub keeps what it has: as a configuration says, or as options of `cityeye hub` do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityeye.errors import CommandError
from pipelines import KeyframeMissing, StoreError

if TYPE_CHECKING:
    from event_hub import EvidenceStore, HubParts
    from pipelines.delivery import KeyframeStore

PASSWORD_VARIABLE: Final = "CITYEYE_HUB_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable


class StoredEvidence:
    """A keyframe store as the hub and its backup use it."""

    def __init__(self, store: KeyframeStore) -> None:
        self._store = store

    def fetch(self, key: str) -> bytes:
        """See `event_hub.EvidenceStore`."""
        try:
            return self._store.get(key)
        except KeyframeMissing as error:
            raise KeyError(key) from error
        except StoreError as error:
            raise OSError(str(error)) from error

    def put(self, key: str, data: bytes, media_type: str) -> None:
        """See `event_hub.EvidenceStore`."""
        try:
            self._store.put(key, data, hashlib.sha256(data).hexdigest(), media_type)
        except StoreError as error:
            raise OSError(str(error)) from error


def configured_parts(path: Path, environment: Mapping[str, str], with_evidence: bool) -> HubParts:
    """What the hub of a configuration keeps, and where.

    Raises:
        ConfigurationError: The configuration has problems.
        CommandError: It has no hub.
    """
    from cityeye.config import hub_sections
    from event_hub import HubParts

    settings = hub_sections(path, environment)
    if settings.hub is None:
        raise CommandError(f"{path} has no section `hub`: its events go to another hub")
    store: EvidenceStore | None = None
    if with_evidence:
        store = StoredEvidence(settings.keyframes.open())
    return HubParts(settings.hub.database.get_secret_value(), settings.state, store)


def named_parts(
    database: str, state: Path, keyframes: Path | None, environment: Mapping[str, str]
) -> HubParts:
    """What a hub keeps that runs alone.

    Args:
        database: URL without a password.
        state: Folder of its tokens.
        keyframes: Folder of its images; None leaves them out.
        environment: Has the password of a database server.

    Raises:
        CommandError: The URL cannot be used.
    """
    from event_hub import HubError, HubParts, with_password
    from pipelines.delivery import FolderStore

    try:
        url = with_password(database, environment.get(PASSWORD_VARIABLE, ""))
    except HubError as error:
        raise CommandError(f"--database: {error}; put one into {PASSWORD_VARIABLE}") from None
    store = None if keyframes is None else StoredEvidence(FolderStore(keyframes.absolute()))
    return HubParts(url.get_secret_value(), state, store)
