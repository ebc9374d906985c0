"""What goes wrong with an ONVIF device, said by its address and with what to do."""

from __future__ import annotations


class OnvifFault(Exception):
    """A device cannot be used as it answers. Carries no login and no text of more than a line.

    Attributes:
        address: Where it answered, as numbers.
        reason: What happened.
        remedy: What to do about it.
    """

    def __init__(self, address: str, reason: str, remedy: str) -> None:
        super().__init__(address, reason, remedy)
        self.address = address
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}; {self.remedy}"


class RefusedCallError(Exception):
    """A device answered a call with a SOAP fault or an HTTP status that is an error.

    Attributes:
        unauthorized: Whether it wants a login, or another one.
        text: What it says, one printable line.
    """

    def __init__(self, text: str, *, unauthorized: bool = False) -> None:
        super().__init__(text)
        self.unauthorized = unauthorized
        self.text = text
