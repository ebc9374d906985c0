"""Where the tokens of a city are, and how commands on its machine find the one they need.

A city that runs leaves a note for each of its servers under the user's cache: the place of its
tokens, never a token. Whoever may read the tokens themselves may use them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cityeye.errors import CommandError
from cityeye.model_place import cache_folder
from pipelines.access import Scope, TokenFile, TokenFileError, create_owned_folder

FOLDER = "access"
CITIES = "cities"
TOKEN = "CITYEYE_TOKEN"  # noqa: S105 - the name of a variable
RELAY_NAME = "relay"
LINK_NAME = "console link"
LINK_LASTS = timedelta(hours=1)
LOOPBACK = "127.0.0.1"
MAX_TOKEN_BYTES = 1024


def tokens_of(state: Path) -> TokenFile:
    """The tokens of the city whose state is in a folder."""
    return TokenFile(state / FOLDER)


def relay_token(tokens: TokenFile) -> str:
    """A token for this run's relay to the embedded hub; the one of the run before ends."""
    return tokens.issue(RELAY_NAME, Scope.SENDER, replace=True)


def console_link(tokens: TokenFile) -> str:
    """What to put after the hub's address so that it opens the console once, within an hour."""
    token = tokens.issue(LINK_NAME, Scope.OPERATOR, LINK_LASTS, once=True, replace=True)
    return f"/enter?token={token}"


def fingerprint_of(certificate: Path | None) -> str | None:
    """SHA-256 of the first certificate of a PEM file; None where there is no file.

    Raises:
        CommandError: It holds no certificate.
    """
    if certificate is None:
        return None
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    text = certificate.read_text(encoding="ascii", errors="replace")
    pem = f"{begin}{text.partition(begin)[2].partition(end)[0]}{end}"
    try:
        der = ssl.PEM_cert_to_DER_cert(pem)
    except ValueError:
        der = b""
    if not der:
        raise CommandError(f"{certificate} holds no certificate; give a PEM file with one")
    return hashlib.sha256(der).hexdigest()


@dataclass(frozen=True, slots=True)
class CityNote:
    """What a running city notes down about one of its servers.

    Attributes:
        tokens: Folder of the tokens.
        fingerprint: SHA-256 of its certificate, None without TLS.
    """

    tokens: str
    fingerprint: str | None = None


@contextlib.contextmanager
def noted(url: str, note: CityNote, environment: Mapping[str, str]) -> Iterator[None]:
    """Leaves a note about the server at `url` for as long as the block lasts."""
    path = _note(url, environment)
    # Without a note, commands have to be told where the token is; the city runs all the same.
    with contextlib.suppress(OSError):
        create_owned_folder(path.parent)
        path.write_text(json.dumps(asdict(note)), encoding="utf-8")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def note_about(url: str, environment: Mapping[str, str]) -> CityNote | None:
    """The note of the city that runs on this machine and answers at `url`; None without one."""
    try:
        return CityNote(**json.loads(_note(url, environment).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def token_for(url: str, file: Path | None, environment: Mapping[str, str]) -> str:
    """The token for the server at `url`: from a file, the environment, or its city's note.

    Raises:
        CommandError: There is none to be found, or it cannot be read.
    """
    if file is not None:
        try:
            with file.open(encoding="utf-8") as stream:
                return _one_word(stream.read(MAX_TOKEN_BYTES), f"--token-file {file}")
        except (OSError, ValueError):
            raise CommandError(
                f"--token-file {file} cannot be read; write the token there"
            ) from None
    if environment.get(TOKEN):
        return _one_word(environment[TOKEN], TOKEN)
    note = note_about(url, environment)
    if note is None:
        raise CommandError(
            f"no city of this user answers at {url}; start it with `cityeye run`, or, for one on "
            f"another machine, give --token-file or {TOKEN} a token from `cityeye token new` there"
        )
    try:
        return TokenFile(Path(note.tokens)).first()
    except TokenFileError as error:
        raise CommandError(f"{error}; or give --token-file or {TOKEN}") from None


def _one_word(text: str, source: str) -> str:
    """A token as it may stand in a header; whatever else it is, no message repeats it."""
    word = text.strip()
    if not word.isascii() or not word.isprintable() or " " in word or not word:
        raise CommandError(f"{source} holds no token; write there what `cityeye token` printed")
    return word


def _note(url: str, environment: Mapping[str, str]) -> Path:
    parts = urlsplit(url)
    host = LOOPBACK if parts.hostname in (None, "localhost") else parts.hostname
    name = f"{host}-{parts.port or 0}".replace("/", "").replace(":", "_")
    return cache_folder(CITIES, environment) / f"{name}.json"
