"""Secrets that are easy to find again, and the search for them in all spellings."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

TOKEN = re.compile(rb"cye_[0-9a-f]{12}_[A-Za-z0-9_-]{43}")
"""Any token of ours, whoever it was made for."""

Places = Mapping[str, bytes]
"""What may hold a secret, by name."""


def canary(name: str, end: str = "\u00fc") -> str:
    """A secret with characters that addresses, shells, JSON and Base64 encode."""
    return f"canary-{name}/{secrets.token_hex(8)}#%@{end}"


def webhook_canary() -> str:
    """One that signs deliveries."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(30)).decode()


def spellings(secret: str) -> set[bytes]:
    """A secret as it is, and as addresses, headers, files and logs encode it."""
    raw = secret.encode()
    found = {
        raw,
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        json.dumps(secret)[1:-1].encode(),
        repr(secret)[1:-1].encode(),
        repr(raw)[2:-1].encode(),
        raw.hex().encode(),
    }
    for before in range(3):
        # Whatever stands before it, such as a user's name, shifts what Base64 makes of it.
        encoded = base64.b64encode(b"\0" * before + raw)
        whole = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return found


@dataclass(frozen=True)
class Search:
    """Looks for secrets, which it knows by name."""

    secrets: Mapping[str, str]

    def leaks(self, places: Places) -> list[str]:
        """Every secret and where it was found."""
        wanted = [(name, one) for name, text in self.secrets.items() for one in spellings(text)]
        leaks = {
            f"{name} in {place}"
            for place, content in places.items()
            for name, one in wanted
            if one in content
        }
        tokens = {
            f"a token in {place}" for place, content in places.items() if TOKEN.search(content)
        }
        return sorted(leaks | tokens)


def files_below(folder: Path, own: frozenset[Path] = frozenset()) -> dict[str, bytes]:
    """What is in files, without those whose own the secrets are."""
    return dict(_files(folder, own))


def _files(folder: Path, own: frozenset[Path]) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path not in own and path.is_file() and not path.is_symlink():
            try:
                yield str(path), path.read_bytes()
            except FileNotFoundError:
                continue
