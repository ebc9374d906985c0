"""What can go wrong in the hub, and what to do about it.

HubError
├── MalformedEventError    an event breaks the contract: the producer must change it
├── SignatureError         a delivery is not signed with a known secret: check both ends
├── DatabaseUrlError       the database URL cannot be used: change the settings
├── DatabaseVersionError   a newer program wrote the database: run that one, or give another
├── DatabaseInUseError     another hub holds the database file: stop it or use another file
├── StoreUnavailableError  the database does not take or give data now: try again later
└── HubStartError          the server did not come up
"""

from __future__ import annotations


class HubError(Exception):
    """Anything the hub reports on purpose."""


class MalformedEventError(HubError):
    """An event breaks the contract; `attribute` says where, empty when it is not even JSON."""

    def __init__(self, attribute: str, problem: str) -> None:
        self.attribute = attribute
        self.problem = problem
        super().__init__(f"attribute {attribute!r} {problem}" if attribute else problem)


class SignatureError(HubError):
    """A delivery whose signature does not hold."""


class DatabaseUrlError(HubError):
    """A database URL the hub cannot work with."""


class DatabaseVersionError(HubError):
    """A database that a newer program wrote."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the hub's database has schema version {found}, this program knows {known}: run the "
            "program that wrote it, or give this one its own database"
        )


class DatabaseInUseError(HubError):
    """Another process keeps this database file."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"another hub uses {path}: stop it, or give this one its own file")


class StoreUnavailableError(HubError):
    """The database refused a read or a write; the same request may work later."""


class HubStartError(HubError):
    """The hub's server ended or hung before it listened."""
