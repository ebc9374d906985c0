"""A headless Chromium, driven over its debugging port: just enough to look at a page."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import urllib3
from websockets.sync.client import ClientConnection, connect

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
WAIT_S = 30.0


class TabError(Exception):
    """The browser did not do what it was told."""


class Tab:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=WAIT_S))
            if message.get("id") == self._number:
                if "error" in message:
                    raise TabError(message["error"]["message"])
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif message["method"] == "Page.javascriptDialogOpening":
            self.complaints.append("dialog: " + params["message"])
        elif message["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])

    def js(self, expression: str) -> Any:
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = WAIT_S) -> None:
        """Return as soon as the condition holds in the page; it is looked at after each frame."""
        look = (
            f"new Promise(done => {{ const end = performance.now() + {seconds * 1000};"
            f"const look = () => ({condition}) ? done(true) : performance.now() > end ? done(false)"
            ": setTimeout(look, 20); look(); })"
        )
        end_s = time.monotonic() + seconds
        while True:
            try:
                held = self.js(look)
                break
            except TabError:
                # The document that was looked at has just been replaced by the next one.
                if time.monotonic() > end_s:
                    raise
        assert held, f"{condition} did not come to hold; the page says: {self.text()}"

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.querySelector('.cy-tile') && document.readyState == 'complete'")

    def text(self) -> str:
        return str(self.js("document.body.innerText"))

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def scheme(self, name: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def chromium(timezone: str = "Asia/Shanghai") -> Iterator[Tab]:
    """A fresh browser with one empty tab; it ends with the block."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"TZ": timezone, "HOME": profile, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )  # fmt: skip
        try:
            with connect(_debugger(process, Path(profile)), max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _debugger(process: subprocess.Popen[bytes], profile: Path) -> str:
    port_file = profile / "DevToolsActivePort"
    end_s = time.monotonic() + WAIT_S
    while not (port_file.exists() and len(port_file.read_text().split()) == 2):
        assert process.poll() is None, "the browser ended"
        assert time.monotonic() < end_s, "the browser opened no debugging port"
        time.sleep(0.02)
    port = port_file.read_text().split()[0]
    with urllib3.PoolManager(timeout=WAIT_S, retries=False) as http:
        targets = http.request("GET", f"http://127.0.0.1:{port}/json/list").json()
    return next(str(t["webSocketDebuggerUrl"]) for t in targets if t["type"] == "page")


def is_installed() -> bool:
    return shutil.which(CHROMIUM) is not None
