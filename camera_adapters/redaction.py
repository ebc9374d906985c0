"""Redaction: what may be said about a camera's address, with everything that could be a secret out.

Cameras take logins not only in front of the host but also in the path and in the query
(`/user=admin&password=…/`), so only scheme, host and port are ever shown.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def shown_address(source: str) -> str:
    """Scheme, host and port of a camera URL; nothing else of it is fit to be shown."""
    try:
        parts = urlsplit(source)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an address that cannot be parsed"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"
