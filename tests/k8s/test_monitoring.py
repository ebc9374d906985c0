"""The overlay `monitored`: what Prometheus asks is there, under names that the servers accept."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from pipelines.access import known_hosts
from tests.k8s.prometheus import ALERTS, FOLDER, ROOT, installed

FIELDS = {"port", "path", "interval", "scrapeTimeout", "authorization", "relabelings"}
IN_PROMETHEUS = {
    "sourceLabels": "source_labels",
    "targetLabel": "target_label",
    "separator": "separator",
    "regex": "regex",
    "replacement": "replacement",
}
"""Fields of a relabelling, and what the operator makes of them."""


@pytest.fixture(scope="module")
def objects() -> dict[tuple[str, str], Any]:
    """Everything that the overlay makes, by kind and name."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which builds the overlays, is not installed here")
    folder = ROOT / "k8s" / "overlays" / "monitored"
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load_all(done.stdout)
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def endpoints(objects: dict[tuple[str, str], Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = objects["ServiceMonitor", "cityeye"]["spec"]["endpoints"]
    return found


def test_the_monitor_finds_the_ports_of_the_service(objects) -> None:
    service = objects["Service", "cityeye"]
    selector = objects["ServiceMonitor", "cityeye"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    for one in endpoints(objects):
        assert one.keys() == FIELDS
        assert one["authorization"]["credentials"] == {"name": "cityeye-metrics", "key": "token"}
        (address,) = [r["replacement"] for r in one["relabelings"] if "sourceLabels" in r]
        assert address == f"$1.$2.svc:{ports[one['port']]}"


def test_the_servers_accept_the_name_that_they_are_asked_by(objects) -> None:
    service = objects["Service", "cityeye"]["metadata"]
    name = f"{service['name']}.{service['namespace']}.svc"
    maps = [found for (kind, _), found in objects.items() if kind == "ConfigMap"]
    (city,) = [one for one in maps if "city.yaml" in one["data"]]
    settings = yaml.safe_load(city["data"]["city.yaml"])
    for part in ("api", "hub"):
        assert name in known_hosts(settings[part]["host"], settings[part]["hosts"])


def test_its_jobs_are_those_of_the_alerts(objects) -> None:
    jobs = [
        r["replacement"]
        for one in endpoints(objects)
        for r in one["relabelings"]
        if r["targetLabel"] == "job"
    ]
    assert set(jobs) == set(re.findall(r'job="([\w-]+)"', ALERTS.read_text("utf-8")))


def test_prometheus_takes_the_relabelling(objects, tmp_path) -> None:
    page = {
        "scrape_configs": [
            {
                "job_name": one["port"],
                "scrape_interval": one["interval"],
                "scrape_timeout": one["scrapeTimeout"],
                "relabel_configs": [
                    {IN_PROMETHEUS[field]: value for field, value in rule.items()}
                    for rule in one["relabelings"]
                ],
            }
            for one in endpoints(objects)
        ]
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(page), "utf-8")
    done = subprocess.run(
        [installed("promtool"), "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_and_the_operator_get_what_lies_in_the_folder(objects) -> None:
    boards = objects["ConfigMap", "cityeye-dashboards"]
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = {path.name: path.read_text("utf-8") for path in (FOLDER / "dashboards").iterdir()}
    assert boards["data"] == files
    assert all(json.loads(text)["uid"] for text in files.values())
    rule = objects["PrometheusRule", "cityeye"]["spec"]
    assert rule == yaml.safe_load(ALERTS.read_text("utf-8"))
