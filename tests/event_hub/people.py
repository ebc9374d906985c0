"""Users of a hub for its tests: made over the API, logged in as a browser would be."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from event_hub.access import COOKIE
from tests.event_hub.conftest import Client

PASSWORD = "correct horse battery"


@dataclass
class Answer:
    status: int
    headers: Any
    data: bytes

    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Browser:
    """Holds a cookie, and says where its requests come from."""

    url: str
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, form: bool = False, **headers: str
    ) -> Answer:
        given = {"Origin": self.url} if method != "GET" else {}
        given |= {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        data = None
        if form:
            data, given["Content-Type"] = urlencode(body), "application/x-www-form-urlencoded"
        elif body is not None:
            data, given["Content-Type"] = json.dumps(body), "application/json"
        given |= self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        quoted = quote(path, safe="/?=&%:,.-_~+")
        connection.request(method, quoted, data, {k: v for k, v in given.items() if v})
        answer = connection.getresponse()
        # A stream would go on for as long as somebody reads.
        endless = answer.headers.get_content_type() == "text/event-stream"
        found = Answer(answer.status, answer.headers, b"" if endless else answer.read())
        answer.close()
        connection.close()
        return found

    def follow(self, path: str, pieces: int, quiet_s: float = 0.7) -> str:
        """What a stream says until it has so many events, and some time longer for others."""
        given = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        connection.request("GET", path, headers=given | self.headers)
        answer = connection.getresponse()
        assert answer.status == 200
        said = b""
        try:
            while piece := answer.read1():
                said += piece
                if said.count(b"event: ") >= pieces and connection.sock:
                    connection.sock.settimeout(quiet_s)
        except TimeoutError:
            pass
        finally:
            connection.close()
        return said.decode()

    def log_in(self, name: str, password: str = PASSWORD, **headers: str) -> Answer:
        """Logs in with the form, and keeps the cookie."""
        fields = {"name": name, "password": password}
        answer = self.ask("POST", "/login", fields, form=True, **headers)
        if answer.status == 303:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
        return answer


def send(client: Client, method: str, path: str, body: Any = None) -> Answer:
    """A request with the first token, as scripts send it."""
    auth = {"Authorization": client.auth["Authorization"]}
    return Browser(client.url, headers=auth).ask(method, path, body, Origin="")


def add_user(client: Client, name: str, role: str = "viewer", *groups: str) -> None:
    body = {"name": name, "password": PASSWORD, "role": role, "groups": groups}
    answer = send(client, "POST", "/api/users", body)
    assert answer.status == 200, answer.data


def put_group(client: Client, name: str, *members: dict[str, str]) -> None:
    answer = send(client, "PUT", f"/api/groups/{name}", {"members": members})
    assert answer.status == 200, answer.data


def logged_in(client: Client, name: str, password: str = PASSWORD) -> Browser:
    browser = Browser(client.url)
    assert browser.log_in(name, password).status == 303
    return browser


def remove_everybody(client: Client) -> None:
    """For a hub that tests share."""
    for user in client.json("/api/users")["users"]:
        answer = send(client, "DELETE", f"/api/users/{user['name']}")
        assert answer.status == 204, answer.data
