"""What can go wrong in the hub, and what to do about it."""

from __future__ import annotations


class HubError(Exception):
    """Anything the hub reports on purpose."""


class MalformedEventError(HubError):
    """An event breaks the contract, and its producer must change it.

    `attribute` says where, empty when it is not even JSON.
    """

    def __init__(self, attribute: str, problem: str) -> None:
        self.attribute = attribute
        self.problem = problem
        super().__init__(f"attribute {attribute!r} {problem}" if attribute else problem)


class SignatureError(HubError):
    """A delivery is not signed with a known secret: check both ends."""


class DatabaseUrlError(HubError):
    """The database URL cannot be used: change the settings."""


class PasswordInUrlError(HubError):
    """A database URL that everybody may see holds a password: give it in another way."""


class DatabaseVersionError(HubError):
    """A newer program wrote the database: run that one, or give another."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            f"the hub's database has schema version {found}, this program knows {known}: run the "
            "program that wrote it, or give this one its own database"
        )


class DatabaseInUseError(HubError):
    """Another hub holds the database file: stop it or use another file."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"another hub uses {path}: stop it, or give this one its own file")


class StoreUnavailableError(HubError):
    """The database refused a read or a write; the same request may work later."""


class DatabaseDamagedError(StoreUnavailableError):
    """The database file is damaged, or is no database; the hub sets it aside."""


class HubStartError(HubError):
    """The hub's server ended or hung before it listened."""


class BackupError(HubError):
    """A backup cannot be made or restored; says why."""
