"""A real Prometheus scrapes a running demo: metrics, dashboards and alerts as they are shipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3
import yaml

from pipelines.access import TokenFile
from tests.e2e.command import free_ports
from tests.k8s.prometheus import ALERTS, FOLDER, installed
from tests.metrics_table import table
from tests.test_metrics_table import stated

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.proof, pytest.mark.timeout(900)]

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 420.0
SCRAPED_S: Final = 75.0
EVERY: Final = "5s"
PARTS: Final = {"histogram": "_count", "summary": "_count"}


@dataclass(frozen=True)
class Scraper:
    """A Prometheus that has scraped a demo for a while."""

    url: str

    def ask(self, path: str, **fields: str) -> Any:
        answer = urllib3.request("GET", f"{self.url}/api/v1/{path}", fields=fields)
        found = answer.json()
        assert found["status"] == "success", (fields, found)
        return found["data"]

    def query(self, text: str) -> list[Any]:
        result: list[Any] = self.ask("query", query=text)["result"]
        return result


@contextmanager
def started(folder: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(120)


def wait(holds: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end_s, f"not in time: {what}"
        time.sleep(1)


def settings(folder: Path) -> dict[str, Any]:
    """The configuration of Prometheus for the demo in a folder."""
    city = yaml.safe_load((folder / "var/demo/city.yaml").read_text("utf-8"))
    token = TokenFile(folder / "var/demo/state/access").first()
    (folder / "token").write_text(token, "utf-8")
    return {
        "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {
                "job_name": job,
                "authorization": {"credentials_file": str(folder / "token")},
                "static_configs": [{"targets": [f"127.0.0.1:{city[part]['port']}"]}],
            }
            for job, part in (("cityeye", "api"), ("cityeye-hub", "hub"))
        ],
    }


@pytest.fixture(scope="module")
def scraper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraper]:
    program, folder = installed("prometheus"), tmp_path_factory.mktemp("scraped")
    (port,) = free_ports(1)
    found = Scraper(f"http://127.0.0.1:{port}")
    demo = (sys.executable, "-m", "cityeye", "demo", "--duration", str(int(START_S)))
    with started(folder, *demo):
        wait((folder / "var/demo/city.yaml").is_file, "the configuration of the demo")
        wait((folder / "var/demo/state/access").is_dir, "its tokens")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings(folder)), "utf-8")
        options = (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        with started(folder, program, *options):
            wait(lambda: _is_up(found), "a scrape of both servers")
            time.sleep(SCRAPED_S)
            yield found


def _is_up(scraper: Scraper) -> bool:
    try:
        return len(scraper.query('up{job=~"cityeye.*"} == 1')) == len(("cityeye", "cityeye-hub"))
    except urllib3.exceptions.HTTPError:
        return False


@pytest.mark.parametrize("job", ["cityeye", "cityeye-hub"])
def test_every_metric_of_the_table_is_there(scraper: Scraper, job: str) -> None:
    missing = [
        name
        for name, row in table(job).items()
        if not scraper.query(f'{name}{PARTS.get(row.type, "")}{{job="{job}"}}')
    ]
    assert missing == []


def test_a_camera_has_as_many_series_as_the_page_says(scraper: Scraper) -> None:
    counts = scraper.query('count by (camera) ({job="cityeye",camera!=""})')
    assert {int(one["value"][1]) for one in counts} == {stated("camera")}


def test_every_query_of_a_dashboard_is_answered(scraper: Scraper) -> None:
    empty = []
    for path in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            answers = [scraper.query(target["expr"]) for target in panel["targets"]]
            empty += [panel["title"]] if not any(answers) else []
    # What is only there where something is wrong, or after an hour.
    assert set(empty) <= {"Cameras that are not online", "Coverage of the last hour, worst ten"}


def test_every_alert_is_evaluated(scraper: Scraper) -> None:
    rules = [rule for group in scraper.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 30
    assert {rule["health"] for rule in rules} == {"ok"}
