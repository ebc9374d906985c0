"""Redaction: what may be said about a camera's address, with everything that could be a secret out.

Cameras take logins not only in front of the host but also in the path and in the query
(`/user=admin&password=…/`), so only scheme, host and port are ever shown.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from camera_adapters.spec import CameraSpec

_SHELL_OF_A_LOGIN = "!$'()*,;-._~"
"""Characters that mean nothing in front of the host of a URL; all others are percent-encoded."""


def shown_address(source: str) -> str:
    """Scheme, host and port of a camera URL; nothing else of it is fit to be shown."""
    try:
        parts = urlsplit(source)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an address that cannot be parsed"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def encoded_login(spec: CameraSpec) -> str:
    """`user:password` percent-encoded for a URL, empty without credentials."""
    if spec.credentials is None:
        return ""
    user = quote(spec.credentials.username, safe=_SHELL_OF_A_LOGIN)
    password = quote(spec.credentials.password, safe=_SHELL_OF_A_LOGIN)
    return f"{user}:{password}"


def url_with_login(spec: CameraSpec) -> str:
    """The source with the login in it; to be handed to the opening call and kept nowhere."""
    login = encoded_login(spec)
    if not login:
        return spec.source
    parts = urlsplit(spec.source)
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
