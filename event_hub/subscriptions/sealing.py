"""`Sealing`: addresses and secrets of subscriptions are encrypted where the database keeps them.

The key is a file beside the hub's tokens, so that a copy of the database alone, a backup or what a
database server's administrator sees, sends nothing in the hub's name. Who reads the files of the
hub's own user reads the key too. The cipher is Fernet: AES-128 in CBC mode, with HMAC-SHA256.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection, select, update

from event_hub.errors import HubError
from event_hub.subscription_tables import SUBSCRIPTIONS
from pipelines.access import create_owned_folder, write_owned_file

KEY_FILE: Final = "subscriptions-key"
MARK: Final = "fernet:"
"""Before what is encrypted; an address begins with its scheme, and no secret with this."""


class SealingError(HubError):
    """What is encrypted cannot be read, or nothing can be encrypted; the text says what to do."""


class Sealing:
    """Encrypts and decrypts with the key of one hub; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or made before it is needed; `folder` is that of the hub's tokens."""
        self._path = folder / KEY_FILE
        self._cipher: Fernet | None = None

    def seal(self, connection: Connection, text: str) -> str:
        """The text, encrypted; an empty one stays empty. Makes the key where there was never one.

        Raises:
            SealingError: The key cannot be read or made.
        """
        if not text:
            return ""
        if self._cipher is None and not self._path.exists():
            self._make_key(connection)
        return MARK + self._key().encrypt(text.encode()).decode()

    def open(self, kept: str) -> str:
        """The text that was sealed; one that never was is given as it is.

        Raises:
            SealingError: The key is missing, or another one.
        """
        if not kept.startswith(MARK):
            return kept
        try:
            return self._key().decrypt(kept.removeprefix(MARK)).decode()
        except InvalidToken:
            raise SealingError(
                f"{self._path} is not the key that the subscription was kept with; put that one in "
                "its place, from the other hub or a backup, or make the subscription anew"
            ) from None

    def _key(self) -> Fernet:
        if self._cipher is None:
            try:
                self._cipher = Fernet(self._path.read_bytes().strip())
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "it holds no key"
                raise SealingError(
                    f"{self._path}, the key of the subscriptions, cannot be read ({why}); bring it "
                    "back from a backup, or end the subscriptions and make them anew"
                ) from None
        return self._cipher

    def _make_key(self, connection: Connection) -> None:
        """Makes the key, unless something is kept that needs the one which is missing."""
        sealed = SUBSCRIPTIONS.c.url.startswith(MARK, autoescape=True)
        if connection.scalar(select(SUBSCRIPTIONS.c.url).where(sealed).limit(1)):
            return
        folder = self._path.parent
        own = folder / f"{KEY_FILE}-{secrets.token_hex(8)}"
        try:
            create_owned_folder(folder)
            write_owned_file(own, Fernet.generate_key())
            try:
                # Two hubs that start at once end up with one key.
                os.link(own, self._path)
            except FileExistsError:
                pass
            finally:
                own.unlink()
        except OSError as error:
            raise SealingError(
                f"{self._path}, the key of the subscriptions, cannot be made ({error.strerror})"
            ) from None


def seal_all(connection: Connection, sealing: Sealing) -> int:
    """Encrypts what an earlier program kept in plain text; says of how many subscriptions.

    Raises:
        SealingError: See `Sealing.seal`.
    """
    columns = SUBSCRIPTIONS.c
    query = select(columns.subscription_id, columns.url, columns.secret)
    plain = [row for row in connection.execute(query) if not row.url.startswith(MARK)]
    is_file = connection.dialect.name == "sqlite"
    if plain and is_file:
        # What is replaced is overwritten in the file, and not only marked as free.
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    for row in plain:
        sealed = {name: sealing.seal(connection, getattr(row, name)) for name in ("url", "secret")}
        same = columns.subscription_id == row.subscription_id
        connection.execute(update(SUBSCRIPTIONS).where(same).values(sealed))
    if plain and is_file:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")
    return len(plain)
