"""Files and folders that exist otherwise than they are needed: found before the city starts.

Nothing is created here, and nothing is read but certificates.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cityeye.config.document import Document
from cityeye.config.problem import Key
from cityeye.config.schema import Settings

SQLITE: Final = "sqlite"
ANOTHER: Final = "Name another one."


def report_unusable_places(document: Document, settings: Settings) -> None:
    """Reports folders that are files or lie below one, databases that are folders, and bad PEM."""
    for key, folder in _folders(settings):
        blocking = _file_in_the_way(folder)
        if blocking is not None:
            document.report(key, f"{blocking} is a file, and no folder", ANOTHER)
    if settings.hub is not None:
        _check_database(document, settings.hub.database.get_secret_value())
    for name, section in (("api", settings.api), ("hub", settings.hub)):
        if section is not None and section.certificate is not None and section.key is not None:
            fault = _certificate_fault(section.certificate, section.key)
            if fault:
                remedy = "Give the PEM files of a certificate and its private key, not encrypted."
                document.report((name, "certificate"), fault, remedy)
    for key, file in _authorities(settings):
        fault = _authorities_fault(file)
        if fault:
            document.report(key, fault, "Give a PEM file of certificates.")


def _folders(settings: Settings) -> Iterator[tuple[Key, Path]]:
    yield ("state",), settings.state
    if settings.keyframes.folder is not None:
        yield ("keyframes", "folder"), settings.keyframes.folder.root
    if settings.models.url is not None:
        yield ("models", "cache"), settings.models.cache


def _authorities(settings: Settings) -> Iterator[tuple[Key, Path]]:
    for index, sink in enumerate(settings.sinks):
        # A kind of sink may have none.
        file = getattr(sink, "ca_certs", None)
        if file is not None:
            yield ("sinks", index, "ca_certs"), file
    store = settings.keyframes.s3
    if store is not None and store.ca_certs is not None:
        yield ("keyframes", "s3", "ca_certs"), store.ca_certs


def _file_in_the_way(folder: Path) -> Path | None:
    """The first of a folder and those above it that exists, where that is no folder."""
    try:
        there = next(one for one in (folder, *folder.parents) if one.exists())
    except OSError:
        return None  # Who runs the city may be allowed to see it.
    return None if there.is_dir() else there


def _check_database(document: Document, url: str) -> None:
    scheme, _, rest = url.partition(":///")
    if scheme.partition("+")[0] != SQLITE:
        return
    path = Path(rest)
    blocking = _file_in_the_way(path.parent)
    if path.is_dir():
        document.report(("hub", "database"), "the SQLite file is a folder", ANOTHER)
    elif blocking is not None:
        what = "the SQLite file would lie below a file"
        document.report(("hub", "database"), what, ANOTHER)


def _certificate_fault(certificate: Path, key: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # With a word for it, an encrypted key is refused and nobody is asked at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "none")
    except (OSError, ValueError) as error:
        return f"the certificate and its key cannot be used ({_reason(error)})"
    return ""


def _authorities_fault(file: Path) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except (OSError, ValueError) as error:
        return f"the certificates cannot be read ({_reason(error)})"
    return ""


def _reason(error: OSError | ValueError) -> str:
    """OpenSSL's word for it, or the system's."""
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "no PEM file").lower().replace("_", " ")
    return str(getattr(error, "strerror", None) or "unreadable").lower()
