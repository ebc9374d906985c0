"""CityEye under measurement: `python -m cityeye.street_city SPEC` runs the real city on cameras.

Everything is at its default but what the spec gives, and that no load is refused. The city stops
when standard input ends.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.street_hook import camera_id, record_results
from benchmarks.street_spec import ContestantSpec, given_spec, wait_for_end
from cityeye.access import tokens_of
from cityeye.config import load_config
from cityeye.plan import city_plan
from models import ModelPackage
from pipelines.access import known_hosts
from serving import City, ClusterSettings, cluster
from serving.api import ApiAccess

DRAIN_S = 1.0
FILE = "city.yaml"
STAMP = [[0.0, 0.88], [0.34, 0.88], [0.34, 1.0], [0.0, 1.0]]
"""Where the stamp stands that says which frame it is: like a clock in the image, no motion."""


def document_of(spec: ContestantSpec) -> dict[str, Any]:
    """The configuration of a spec, as a person would write it."""
    package = ModelPackage.load(Path(spec.package))
    task = next(iter(package.manifest.tasks))
    tasks = {task: {"model": f"{package.name}/{package.version}", "fps": spec.fps}}
    addresses: list[dict[str, str]] = [{"source": url} for url in spec.cameras]
    if "main_sources" in spec.options:
        mains = spec.options["main_sources"].split()
        addresses = [
            {"source": main, "inference_source": url}
            for main, url in zip(mains, spec.cameras, strict=True)
        ]
    document: dict[str, Any] = {
        "cameras": [
            {"id": camera_id(number), **own, "tasks": tasks} for number, own in enumerate(addresses)
        ],
        "models": {"path": str(package.directory.resolve().parents[1])},
        "keyframes": {"folder": "keyframes"},
        "sinks": [{"url": spec.events}],
        "api": {"port": spec.api_port},
        # It is given what does not fit, too; and is measured here, not by itself.
        "capacity": "share",
        "state": "state",
    }
    if "motion_gate_s" in spec.options:
        gate = {"motion_gate_s": float(spec.options["motion_gate_s"]), "masks": {"stamp": STAMP}}
        document["cameras"] = [{**camera, **gate} for camera in document["cameras"]]
    if "cameras_per_worker" in spec.options:
        document["workers"] = {"cameras_per_worker": int(spec.options["cameras_per_worker"])}
    return document


def run(spec: ContestantSpec) -> None:
    """Runs the city until standard input ends.

    Raises:
        ConfigurationError: The package or the rate is not allowed.
        ServingError: Ray, the model or the director failed.
    """
    path = Path(spec.folder) / FILE
    path.write_text(yaml.safe_dump(document_of(spec), sort_keys=False), encoding="utf-8")
    config = load_config(path, os.environ)
    plan = replace(city_plan(config, None), log_to=record_results, drain_s=DRAIN_S)
    tokens = tokens_of(config.settings.state)
    tokens.prepare()
    access = ApiAccess(tokens=tokens.folder, hosts=known_hosts(config.settings.api.host))
    with cluster(ClusterSettings(api_port=spec.api_port, access=access)):
        city = City(plan)
        try:
            wait_for_end()
        finally:
            city.stop()


if __name__ == "__main__":
    run(given_spec())
