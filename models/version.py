"""Versions of a package: a number that counts up, and the same network in another precision.

`2+int8` is version 2 in 8-bit arithmetic. Whoever names no version means the newest number as it
was made; which precision of it serves is chosen where it is to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Precision = Literal["fp32", "fp16", "int8"]
"""Number format of the network's arithmetic; input and output stay uint8 and float32."""

VERSION_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}(\+(int8|fp16))?$"


def plain_version(version: str) -> str:
    """The version that `2+int8` is another precision of: `2`, as that of `2` itself."""
    return version.partition("+")[0]


def in_precision(version: str, precision: Precision) -> str:
    """What the same version in another precision is called."""
    plain = plain_version(version)
    return plain if precision == "fp32" else f"{plain}+{precision}"


def version_order(version: str) -> tuple[tuple[int, ...], str]:
    """Sort key of a version: numeric by part, so that 10 comes after 9."""
    number, _, precision = version.partition("+")
    return tuple(int(part) for part in number.split(".")), precision


def newest(versions: Sequence[str]) -> str | None:
    """The newest of some versions, those in another precision left out; None where none is left."""
    plain = [one for one in versions if one == plain_version(one)]
    return max(plain, key=version_order, default=None)
