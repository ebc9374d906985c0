"""A hub with a stand-in for the control API of its city, in processes and threads of their own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

from tests.event_hub.conftest import Client, http_of
from tests.event_hub.process import Process
from tests.event_hub.samples import picture

HUB = """
import sys
from pathlib import Path
from typing import TypeVar
from pydantic import SecretStr
from event_hub import FolderKeyframes, Hub, HubSettings
from event_hub.city_control import ControlSettings
folder, url, city, token, limit_s = Path(sys.argv[1]), *sys.argv[2:]
control = ControlSettings(url=url, token=SecretStr(token), city=city)
settings = HubSettings(
    database=f"sqlite:///{folder}/hub.db", access=folder / "access", control=control,
    silence_limit_s=float(limit_s),
)
Hub(settings, FolderKeyframes(folder / "kf"), lambda url: print(url, flush=True)).run()
"""


Answered = tuple[int, str, bytes]
"""Status, media type and body."""


class ControlApi(ThreadingHTTPServer):
    """Gives a frame of each camera but those that are away; notes who asked for which."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.away: set[str] = set()
        self.asked: list[str] = []

    def answered(self, method: str, path: str, body: bytes, behalf: str) -> Answered:
        self.asked.append(path)
        if path.split("/")[2] in self.away:
            return 503, "application/problem+json", b'{"detail": "no frame"}'
        return 200, "image/jpeg", picture()


class _Answer(BaseHTTPRequestHandler):
    server: ControlApi

    def do_GET(self) -> None:
        given = self.rfile.read(int(self.headers["Content-Length"] or 0))
        behalf = self.headers["CityEye-Behalf"] or ""
        status, kind, body = self.server.answered(self.command, self.path, given, behalf)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Says nothing."""


Api = TypeVar("Api", bound=ControlApi)


@contextmanager
def live_city(folder: Path, city: str, api: Api) -> Iterator[tuple[Process, Api]]:
    thread = threading.Thread(target=api.serve_forever, daemon=True)
    thread.start()
    try:
        with hub_of(folder, f"http://127.0.0.1:{api.server_port}", city, "own", 12.0) as hub:
            yield hub, api
    finally:
        api.shutdown()
        api.server_close()
        thread.join()


@contextmanager
def hub_of(
    folder: Path, url: str, city: str, token: str, silence_limit_s: float = 3600.0
) -> Iterator[Process]:
    """A hub in a process of its own, with a control API at an address."""
    given = [str(folder), url, city, token, str(silence_limit_s)]
    with (folder / "hub.log").open("w") as log:
        popen = subprocess.Popen(
            [sys.executable, "-c", HUB, *given], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert popen.stdout is not None
        address = popen.stdout.readline().strip()
        assert address, (folder / "hub.log").read_text()
        with http_of(folder) as http:
            yield Process(popen, Client(address, http))
    finally:
        popen.kill()
        popen.wait()
        popen.stdout.close() if popen.stdout else None
