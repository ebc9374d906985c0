"""Calls of one device over SOAP 1.2 and HTTP, with its login.

The login is sent as a digest alone: as WS-UsernameToken (OASIS Web Services Security, Username
Token Profile 1.0), or as HTTP Digest where the device asks for that. Basic is never answered:
whoever answers a probe could have the password by it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from camera_adapters.dialling import ForbiddenAddressError, UntrustedCertificateError, dial
from camera_adapters.network import CameraNetwork
from camera_adapters.onvif.discovery import ServiceAddress
from camera_adapters.onvif.errors import OnvifFault, RefusedCallError
from camera_adapters.onvif.safe_xml import UnreadableXmlError, parse_xml, printable, text_of
from camera_adapters.rtsp_login import Authorizer, challenges_of
from camera_adapters.spec import Credentials

CALL_S: Final = 6.0
MOST_BYTES: Final = 4_000_000
UNAUTHORIZED, ERRORS = 401, 400
SECURITY: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"

_ENVELOPE: Final = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>{header}</s:Header>'
    '<s:Body><{action} xmlns="{namespace}">{content}</{action}></s:Body></s:Envelope>'
)
_SECURITY_HEADER: Final = (
    '<w:Security s:mustUnderstand="1" xmlns:w="{base}wssecurity-secext-1.0.xsd"'
    ' xmlns:u="{base}wssecurity-utility-1.0.xsd"><w:UsernameToken><w:Username>{name}</w:Username>'
    '<w:Password Type="{base}username-token-profile-1.0#PasswordDigest">{digest}</w:Password>'
    '<w:Nonce EncodingType="{base}soap-message-security-1.0#Base64Binary">{nonce}</w:Nonce>'
    "<u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of a service.

    Attributes:
        namespace: Of the service.
        action: The operation.
        content: XML inside it.
        open: Whether it is meant for who has not logged in; no login is sent then.
    """

    namespace: str
    action: str
    content: str = ""
    open: bool = False


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    challenges: tuple[str, ...]
    body: bytes


class SoapClient:
    """Calls the services of one device. Belongs to one thread.

    Attributes:
        clock_ahead: How far the device's clock is ahead of ours; a digest with a time that it
            takes for old is refused.
    """

    def __init__(
        self, address: str, credentials: Credentials | None, network: CameraNetwork
    ) -> None:
        """Prepares; nothing is sent before `call`."""
        self._address = address
        self._credentials = credentials
        self._network = network
        self._http_digest: Authorizer | None = None
        self.clock_ahead = timedelta()

    def call(self, service: ServiceAddress, call: Call) -> Element:
        """The body of the answer.

        Raises:
            RefusedCallError: The device answered with an error.
            OnvifFault: It cannot be reached, or what it answers is no SOAP.
        """
        login = self._credentials is not None and not call.open
        reply = self._send(service, call, login=login)
        if login and reply.status == UNAUTHORIZED and self._take_challenge(reply):
            reply = self._send(service, call, login=True)
        return self._body(reply)

    def _take_challenge(self, reply: _Reply) -> bool:
        """Whether the device asks for HTTP Digest and has not been given one for it yet."""
        offered = [one for one in challenges_of(reply.challenges) if one.digest]
        if not offered or self._credentials is None:
            return False
        if self._http_digest is not None and not offered[0].stale:
            return False
        self._http_digest = Authorizer(self._credentials, offered[0])
        return True

    def _body(self, reply: _Reply) -> Element:
        try:
            envelope = parse_xml(reply.body)
        except UnreadableXmlError:
            if reply.status >= ERRORS:
                raise _refusal(reply, "") from None
            raise self._nonsense() from None
        fault = envelope.find("{*}Body/{*}Fault")
        if fault is not None or reply.status >= ERRORS:
            codes = " ".join(one.text or "" for one in fault.iter()) if fault is not None else ""
            said = text_of(fault, "{*}Reason/{*}Text") or text_of(fault, "faultstring")
            raise _refusal(reply, codes, said)
        body = envelope.find("{*}Body")
        if body is None:
            raise self._nonsense()
        return body

    def _nonsense(self) -> OnvifFault:
        reason = "answers with something that is no SOAP"
        return OnvifFault(self._address, reason, "check that ONVIF is switched on at this port")

    def _send(self, service: ServiceAddress, call: Call, *, login: bool) -> _Reply:
        header, headers = "", {"Connection": "close"}
        if login and self._credentials is not None:
            if self._http_digest is not None:
                headers["Authorization"] = self._http_digest.header("POST", service.path)
            else:
                header = security_header(self._credentials, datetime.now(UTC) + self.clock_ahead)
        text = _ENVELOPE.format(
            header=header, action=call.action, namespace=call.namespace, content=call.content
        )
        action = f"{call.namespace}/{call.action}"
        headers["Content-Type"] = f'application/soap+xml; charset=utf-8; action="{action}"'
        try:
            with self._connected(service) as connection:
                connection.request("POST", service.path, text.encode(), headers)
                answer = connection.getresponse()
                body = answer.read(MOST_BYTES + 1)
        except ForbiddenAddressError as error:
            remedy = "give the device an address of the city's network"
            raise OnvifFault(self._address, f"is not asked: {error}", remedy) from None
        except UntrustedCertificateError:
            remedy = "switch plain HTTP on for ONVIF, or let this machine trust its certificate"
            raise OnvifFault(
                self._address, "has a certificate that is not trusted", remedy
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(service, error) from None
        if len(body) > MOST_BYTES:
            raise OnvifFault(self._address, "answers without an end", "restart the device")
        challenges = answer.headers.get_all("WWW-Authenticate") or ()
        return _Reply(answer.status, tuple(challenges), body)

    def _unreachable(self, service: ServiceAddress, error: Exception) -> OnvifFault:
        words = str(getattr(error, "strerror", None) or "").lower() or "no answer that is HTTP"
        if isinstance(error, TimeoutError):
            words = f"no answer within {CALL_S:g} s"
        reason = f"its ONVIF service at port {service.port} does not answer ({words})"
        return OnvifFault(self._address, reason, "check that ONVIF is switched on, and firewalls")

    @contextmanager
    def _connected(self, service: ServiceAddress) -> Iterator[http.client.HTTPConnection]:
        """A connection that is shut after some seconds, however slowly the device answers."""
        tls = ssl.create_default_context() if service.secure else None
        deadline_s = time.monotonic() + CALL_S
        dialled = dial(self._address, service.port, self._network, deadline_s=deadline_s, tls=tls)
        late = threading.Event()
        guard = threading.Timer(CALL_S, _shut, (dialled.sock, late))
        guard.daemon = True
        guard.start()
        connection = http.client.HTTPConnection(self._address, service.port)
        connection.sock = dialled.sock
        try:
            yield connection
        except (OSError, http.client.HTTPException):
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            guard.cancel()
            connection.close()
            dialled.sock.close()


def security_header(credentials: Credentials, at: datetime) -> str:
    """A UsernameToken for a moment: base64(SHA-1(nonce + created + password))."""
    created, nonce = at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), secrets.token_bytes(16)
    hashed = hashlib.sha1(
        nonce + created.encode() + credentials.password.encode(), usedforsecurity=False
    )
    return _SECURITY_HEADER.format(
        base=SECURITY,
        name=html.escape(credentials.username, quote=False),
        digest=base64.b64encode(hashed.digest()).decode(),
        nonce=base64.b64encode(nonce).decode(),
        created=created,
    )


def _shut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _refusal(reply: _Reply, codes: str, said: str = "") -> RefusedCallError:
    unauthorized = reply.status == UNAUTHORIZED or "NotAuthorized" in codes
    return RefusedCallError(
        printable(said) or f"HTTP status {reply.status}", unauthorized=unauthorized
    )
