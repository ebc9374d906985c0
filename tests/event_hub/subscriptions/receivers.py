"""Receivers to subscribe: a plain one, and stand-ins of the robots of three makers.

The robots are written from the public descriptions of their makers, and share no code with the
hub: they check signature and shape as those say, and answer with their codes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOUR_S = 3600


@dataclass
class Got:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


Answer = tuple[int, dict[str, Any]]


@dataclass
class Receiver:
    """Answers as `answer` says, and keeps what it got and what it accepted."""

    url: str = ""
    answer: Callable[[Got], Answer] = lambda got: (204, {})
    got: list[Got] = field(default_factory=list)
    accepted: list[Got] = field(default_factory=list)

    def handle(self, got: Got) -> Answer:
        self.got.append(got)
        status, body = self.answer(got)
        if status < 300:
            self.accepted.append(got)
        return status, body

    def wait_for(self, count: int, timeout_s: float = 20.0) -> list[Got]:
        """What was accepted, when there is so much of it."""
        end_s = time.monotonic() + timeout_s
        while len(self.accepted) < count:
            assert time.monotonic() < end_s, f"{len(self.accepted)} of {count} came"
            time.sleep(0.02)
        return self.accepted


@contextmanager
def receiver(answer: Callable[[Got], Answer] = lambda got: (204, {})) -> Iterator[Receiver]:
    made = Receiver(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            got = Got(self.path, dict(self.headers), self.rfile.read(size))
            status, body = made.handle(got)
            text = json.dumps(body).encode() if body else b""
            self.send_response(status)
            for name, value in body.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wecom(key: str) -> Callable[[Got], Answer]:
    """A group robot of WeCom: the key is in the address, Markdown has at most 4096 bytes."""

    def answer(got: Got) -> Answer:
        query, body = parse_qs(urlsplit(got.path).query), json.loads(got.body)
        if query.get("key") != [key]:
            return 200, {"errcode": 93000, "errmsg": "invalid webhook url"}
        content = body.get("markdown", {}).get("content", "")
        if body.get("msgtype") != "markdown" or not content:
            return 200, {"errcode": 40008, "errmsg": "invalid message type"}
        if len(content.encode()) > 4096:
            return 200, {"errcode": 40058, "errmsg": "markdown.content exceed max length 4096"}
        return 200, {"errcode": 0, "errmsg": "ok"}

    return answer


def dingtalk(token: str, secret: str) -> Callable[[Got], Answer]:
    """A custom robot of DingTalk with a signature: milliseconds, within the hour, in the query."""

    def answer(got: Got) -> Answer:
        query, body = parse_qs(urlsplit(got.path).query), json.loads(got.body)
        if query.get("access_token") != [token]:
            return 200, {"errcode": 300001, "errmsg": "token is not exist"}
        stamp, sign = query.get("timestamp", ["0"])[0], query.get("sign", [""])[0]
        if abs(time.time() * 1000 - int(stamp)) > HOUR_S * 1000:
            return 200, {"errcode": 310000, "errmsg": "invalid timestamp"}
        wanted = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        if base64.b64decode(sign) != wanted:
            return 200, {"errcode": 310000, "errmsg": "sign not match"}
        inner = body.get("markdown", {})
        if body.get("msgtype") != "markdown" or not (inner.get("title") and inner.get("text")):
            return 200, {"errcode": 40035, "errmsg": "missing parameter"}
        return 200, {"errcode": 0, "errmsg": "ok"}

    return answer


def feishu(secret: str) -> Callable[[Got], Answer]:
    """A custom robot of Feishu with a signature: seconds, within the hour, in the body."""

    def answer(got: Got) -> Answer:
        body = json.loads(got.body)
        stamp = body.get("timestamp", "0")
        wanted = hmac.new(f"{stamp}\n{secret}".encode(), digestmod=hashlib.sha256).digest()
        is_late = abs(time.time() - int(stamp)) > HOUR_S
        if is_late or body.get("sign") != base64.b64encode(wanted).decode():
            return 200, {
                "code": 19021,
                "msg": "sign match fail or timestamp is not within one hour",
            }
        card = body.get("card", {})
        if body.get("msg_type") != "interactive" or not card.get("elements"):
            return 200, {"code": 9499, "msg": "Bad Request"}
        return 200, {"code": 0, "msg": "success", "data": {}}

    return answer
