"""The conversation with an RTSP camera: from DESCRIBE to PLAY, keep-alive, and TEARDOWN.

Guarantees that the login goes to the configured scheme, host and port and nowhere else, that no
wish of a camera for a weaker login is met, and that everything it says is bounded.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from camera_adapters.login_memory import RECHECK_S, LoginKey, LoginMemory
from camera_adapters.rtsp_connection import ConnectionEndedError, RtspConnection
from camera_adapters.rtsp_login import Authorizer, Challenge, challenges_of
from camera_adapters.rtsp_message import (
    RtspAnswer,
    RtspViolationError,
    format_request,
    parameters_of,
)
from camera_adapters.sdp import SessionDescription, parse_sdp, resolve_control
from camera_adapters.spec import Credentials

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
DEFAULT_TIMEOUT_S = 60.0
SHORTEST_KEEP_ALIVE_S = 0.5
LONGEST_KEEP_ALIVE_S = 60.0
KEEP_ALIVE_SHARE = 0.5
TEARDOWN_S = 0.3
CLAIM_EVERY_S = 0.1

OK, UNAUTHORIZED, FORBIDDEN = 200, 401, 403
REDIRECTS = range(300, 400)
NOT_KNOWN = (405, 501, 551)
NO_SESSION = 454


class RequestRefusedError(Exception):
    """The camera answered a request with an error.

    Attributes:
        status: The status code.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LoginRefusedError(Exception):
    """The camera did not take the login.

    Attributes:
        certain: Whether the login is wrong beyond doubt.
    """

    def __init__(self, *, certain: bool) -> None:
        super().__init__(certain)
        self.certain = certain


class LoginPausedError(Exception):
    """The login was refused too often to be tried now.

    Attributes:
        wait_s: Seconds until it may be tried.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class NoLoginError(Exception):
    """The camera asks for a login and there is none."""


class WeakLoginError(Exception):
    """The camera asks for Basic where Digest was offered before."""


class UnknownLoginError(Exception):
    """The camera asks for a login in a way that cannot be answered."""


class RedirectedError(Exception):
    """The camera points to another place.

    Attributes:
        location: Where to, as it says.
    """

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


@dataclass(frozen=True, slots=True)
class CameraOrigin:
    """The only place that a login may go to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> CameraOrigin:
        """That of a URL.

        Raises:
            ValueError: The URL has no valid scheme, host or port.
        """
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        if scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
            raise ValueError("not the URL of a camera")
        port = DEFAULT_PORTS[scheme] if parts.port is None else parts.port
        if not port:
            raise ValueError("port 0 leads nowhere")
        return cls(scheme, parts.hostname.lower(), port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class RtspClient:
    """Speaks with one camera over one connection. Belongs to one thread."""

    def __init__(
        self,
        connection: RtspConnection,
        url: str,
        credentials: Credentials | None,
        memory: LoginMemory,
        deadline_s: float,
    ) -> None:
        """Prepares; `deadline_s` is the monotonic time until which everything up to PLAY counts."""
        self._connection = connection
        self._url = urlunsplit(urlsplit(url)._replace(fragment=""))
        self._base = self._url
        self._credentials = credentials
        self._memory = memory
        self._deadline_s = deadline_s
        self._authorizer: Authorizer | None = None
        self._key: LoginKey | None = None
        if credentials is not None:
            origin = str(CameraOrigin.of(url))
            self._key = LoginKey(origin, credentials.username, credentials.password)
        self._cseq = 0
        self._session = ""
        self._keep_alive_s = DEFAULT_TIMEOUT_S * KEEP_ALIVE_SHARE
        self._keep_alive = "OPTIONS"
        self._asked: tuple[int, bool] = (0, False)
        self.keep_alive_due_s = 0.0

    def describe(self) -> SessionDescription:
        """Asks for the description and finds the video track in it.

        Raises:
            NoVideoTrackError: There is none.
            RequestRefusedError, LoginRefusedError, and the other errors of this module: See there.
        """
        public = self._request("OPTIONS", self._url, may_fail=True).all("public")
        if any("GET_PARAMETER" in one.upper() for one in public):
            self._keep_alive = "GET_PARAMETER"
        answer = self._request("DESCRIBE", self._url, {"Accept": "application/sdp"})
        if answer.status in REDIRECTS:
            answer = self._follow(answer)
        description = parse_sdp(answer.body)
        given = answer.header("content-base") or answer.header("content-location")
        if given.lower().startswith(("rtsp://", "rtsps://")) and _is_one_word(given):
            self._base = given
        return description

    def set_up(self, description: SessionDescription, transport: str) -> dict[str, str]:
        """Sets up the track; what the camera says of the transport, by name in small letters.

        Raises:
            RequestRefusedError: The camera does not offer the transport, or anything else.
        """
        base = resolve_control(self._base, description.control)
        url = resolve_control(base, description.video.control)
        answer = self._request("SETUP", url, {"Transport": transport})
        session = answer.header("session")
        self._session = session.partition(";")[0].strip()
        timeout = parameters_of(session).get("timeout", "")
        timeout_s = float(timeout) if timeout.isascii() and timeout.isdigit() else DEFAULT_TIMEOUT_S
        wanted_s = timeout_s * KEEP_ALIVE_SHARE
        self._keep_alive_s = min(max(wanted_s, SHORTEST_KEEP_ALIVE_S), LONGEST_KEEP_ALIVE_S)
        self._base = base
        return parameters_of(answer.header("transport"))

    def play(self) -> None:
        """Starts the stream."""
        self._request("PLAY", self._base, {"Range": "npt=0.000-"})
        self.keep_alive_due_s = time.monotonic() + self._keep_alive_s

    def keep_alive(self) -> None:
        """Tells the camera that somebody is there; does not wait for its answer.

        Raises:
            OSError: The connection is lost.
        """
        self.keep_alive_due_s = time.monotonic() + self._keep_alive_s
        self._ask_to_stay(again=False)

    def handle_answers(self) -> None:
        """Reads what the camera says while it plays.

        Raises:
            RequestRefusedError: It does not know the session any more.
            OSError: The connection is lost.
        """
        while (answer := self._connection.answer()) is not None:
            cseq, again = self._asked
            if answer.cseq not in (cseq, -1):
                continue
            if answer.status == NO_SESSION:
                raise RequestRefusedError(answer.status)
            if answer.status in NOT_KNOWN:
                self._keep_alive = "OPTIONS"
            elif answer.status == UNAUTHORIZED and not again and self._credentials is not None:
                # The nonce is too old: a new one, for the same login, which was good.
                offered = challenges_of(answer.all("www-authenticate"))
                if offered and offered[0].digest:
                    self._authorizer = Authorizer(self._credentials, offered[0])
                    self._ask_to_stay(again=True)

    def tear_down(self) -> None:
        """Ends the session, as far as the camera still answers; never raises."""
        if not self._session:
            return
        deadline_s = time.monotonic() + TEARDOWN_S
        try:
            self._connection.set_wait(TEARDOWN_S)
            self._connection.send(self._message("TEARDOWN", self._base, {}))
            # Closing over unread data resets the connection, and the request may be lost by it.
            self._connection.wait_for_answer(self._cseq, deadline_s)
        except (OSError, ConnectionEndedError, RtspViolationError):
            return

    def _ask_to_stay(self, *, again: bool) -> None:
        self._connection.send(self._message(self._keep_alive, self._base, {}))
        self._asked = self._cseq, again

    def _follow(self, answer: RtspAnswer) -> RtspAnswer:
        """Asks once more, where a redirection stays with the same scheme, host and port."""
        location = answer.header("location")
        try:
            same = CameraOrigin.of(location) == CameraOrigin.of(self._url)
        except ValueError:
            same = False
        if not same or not _is_one_word(location):
            raise RedirectedError(location)
        self._url = self._base = urlunsplit(urlsplit(location)._replace(fragment=""))
        again = self._request("DESCRIBE", self._url, {"Accept": "application/sdp"})
        if again.status in REDIRECTS:
            raise RedirectedError(again.header("location"))
        return again

    def _request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        *,
        may_fail: bool = False,
    ) -> RtspAnswer:
        """Asks, logs in where that is wanted, and gives what is answered in the end."""
        headers = headers or {}
        answer = self._ask(method, url, headers)
        if answer.status == UNAUTHORIZED and not may_fail:
            answer = self._log_in(method, url, headers, answer)
        good = answer.status == OK or (answer.status in REDIRECTS and method == "DESCRIBE")
        if answer.status in REDIRECTS and not good and not may_fail:
            raise RedirectedError(answer.header("location"))
        if not good and not may_fail:
            raise RequestRefusedError(answer.status)
        return answer

    def _log_in(
        self, method: str, url: str, headers: dict[str, str], answer: RtspAnswer
    ) -> RtspAnswer:
        if self._credentials is None or self._key is None:
            raise NoLoginError
        fresh = self._authorizer is None
        challenge = self._choose(answer, self._key)
        if fresh:
            self._claim(self._key)
        self._authorizer = Authorizer(self._credentials, challenge)
        answer = self._ask(method, url, headers)
        offered = challenges_of(answer.all("www-authenticate"))
        if answer.status == UNAUTHORIZED and offered and offered[0].stale:
            self._authorizer = Authorizer(self._credentials, offered[0])
            answer = self._ask(method, url, headers)
        if answer.status == UNAUTHORIZED:
            certain = self._memory.refused(self._key)
            # Another realm than before: one of the two answers was damaged.
            same = bool(offered) and offered[0].realm == challenge.realm
            raise LoginRefusedError(certain=certain and same)
        if answer.status == FORBIDDEN:
            self._memory.refused(self._key)
        elif fresh:
            self._memory.accepted(self._key)
        return answer

    def _claim(self, key: LoginKey) -> None:
        """Waits while others try the same login, so that it is not tried too often."""
        while (wait_s := self._memory.claim(key)) > 0:
            if wait_s > RECHECK_S or time.monotonic() + CLAIM_EVERY_S > self._deadline_s:
                raise LoginPausedError(wait_s)
            time.sleep(CLAIM_EVERY_S)

    def _choose(self, answer: RtspAnswer, key: LoginKey) -> Challenge:
        offered = challenges_of(answer.all("www-authenticate"))
        if not offered:
            raise UnknownLoginError
        if offered[0].digest:
            self._memory.note_digest(key)
        elif self._memory.digest_was_offered(key):
            raise WeakLoginError
        return offered[0]

    def _ask(self, method: str, url: str, headers: dict[str, str]) -> RtspAnswer:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.set_wait(left_s)
        self._connection.send(self._message(method, url, headers))
        return self._connection.wait_for_answer(self._cseq, self._deadline_s)

    def _message(self, method: str, url: str, headers: dict[str, str]) -> bytes:
        self._cseq += 1
        if self._session:
            headers = {"Session": self._session, **headers}
        if self._authorizer is not None:
            headers = {**headers, "Authorization": self._authorizer.header(method, url)}
        return format_request(method, url, self._cseq, headers)


def _is_one_word(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
