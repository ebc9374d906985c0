"""What can go wrong with users, groups and logins; each text says what to do."""

from __future__ import annotations

from event_hub.errors import HubError


class PeopleError(HubError):
    """Anything about people that is refused on purpose."""


class UnknownPersonError(PeopleError):
    """There is no user or camera group of this name."""


class NameInUseError(PeopleError):
    """A user has the name, or a camera group is still used."""


class UnfitValueError(PeopleError):
    """A name, password or list of groups cannot be taken."""


class WrongPasswordError(PeopleError):
    """Name and password do not fit; nothing says which of them."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong")


class LoginWaitError(PeopleError):
    """There were too many failed logins; the next may come after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, round(seconds))
        super().__init__(
            f"too many logins failed: wait {self.seconds} s, then try again; an administrator can"
            " set a new password meanwhile"
        )


class LoginBusyError(PeopleError):
    """Too many passwords are being checked at once: try again."""
