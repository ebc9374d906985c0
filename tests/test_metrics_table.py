"""`docs/metrics.md` is what both servers export, and no camera makes more series than it says."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest

from serving.api.inference_totals import InferenceTotals
from serving.api.metrics import exposition
from tests.event_hub.conftest import running
from tests.event_hub.samples import incident
from tests.full_city import MODEL, full_city, inferences
from tests.k8s.prometheus import installed
from tests.metrics_table import PAGE, exported, series, table


@pytest.fixture(scope="module")
def hub_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    with running(tmp_path_factory.mktemp("hub")) as start:
        hub = start()
        hub.post(incident("a"))
        return hub.get("/metrics").data.decode()


@pytest.fixture(scope="module")
def city_page() -> str:
    return exposition(full_city("gate", "yard")).decode()


@pytest.mark.parametrize("job", ["cityeye", "cityeye-hub"])
def test_the_table_is_what_is_exported(job: str, city_page: str, hub_page: str) -> None:
    page = city_page if job == "cityeye" else hub_page
    assert exported(page) == table(job)


def stated(what: str) -> int:
    (count,) = re.findall(rf"^\| {re.escape(what)} \| (\d+)", PAGE, re.MULTILINE)
    return int(count)


def test_a_camera_makes_as_many_series_as_the_page_says() -> None:
    cameras = [f"camera-{number}" for number in range(12)]
    few, many = (series(exposition(full_city(*some)).decode()) for some in (cameras[:2], cameras))
    grown = {name: len(many[name]) - len(few[name]) for name in many}
    assert sum(grown.values()) == 10 * stated("camera")
    labelled = [one for labels in many.values() for one in labels if "camera" in one]
    assert len(labelled) == len(cameras) * stated("camera")


def test_a_version_in_service_makes_as_many_series_as_the_page_says() -> None:
    found = series(exposition(full_city("gate")).decode())
    of_version = [
        labels
        for family in found.values()
        for labels in family
        if labels.get("version") == MODEL.version and "worker" not in labels
    ]
    assert len(of_version) == stated("model version in service")


def test_a_version_out_of_service_has_no_series() -> None:
    left = replace(full_city("gate"), totals={}, models=(), rollouts=())
    found = series(exposition(left).decode())
    assert not found["cityeye_model_images"]
    assert not found["cityeye_model_queue_seconds"]


def test_a_worker_makes_as_many_series_as_the_page_says() -> None:
    found = series(exposition(full_city("gate")).decode())
    (stated,) = re.findall(
        r"^\| camera worker \| (\d+), and (\d+) for each sink, and (\d+) for each",
        PAGE,
        re.MULTILINE,
    )
    of_worker = [labels for family in found.values() for labels in family if "worker" in labels]
    shared = [sum(label in labels for labels in of_worker) for label in ("sink", "model")]
    assert [len(of_worker) - sum(shared), *shared] == [*map(int, stated)]


def test_no_histogram_is_of_a_worker_camera_or_route(city_page: str, hub_page: str) -> None:
    for page in (city_page, hub_page):
        rows = {name: row for name, row in exported(page).items() if row.type == "histogram"}
        assert rows
        for name, row in rows.items():
            assert row.labels <= {"model", "version"}, name


def test_promtool_finds_nothing_against_the_names(city_page: str, hub_page: str) -> None:
    promtool = installed("promtool")
    for page in (city_page, hub_page):
        done = subprocess.run(
            [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_replaced_worker_takes_nothing_from_the_totals() -> None:
    totals = InferenceTotals()
    totals.update("worker-0", 1, inferences(5))
    totals.update("worker-1", 1, inferences(2))
    totals.update("worker-0", 2, inferences(1))
    totals.update("worker-0", 2, inferences(3))
    (found,) = totals.by_model().values()
    assert (found.images, found.batch.count, found.run.count) == (10, 10, 10)
    assert found.run.total == pytest.approx(0.1)
