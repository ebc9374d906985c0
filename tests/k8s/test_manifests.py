"""The overlays build, fit the schemas of Kubernetes and KubeRay, and keep the house's policies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import kubernetes_validate
import pytest
import yaml

from cityeye.config import load_config
from serving.control_service import RECONNECT, RECONNECT_S

ROOT = Path(__file__).parents[2]
OVERLAYS = ("cpu-demo", "demo-services", "gpu", "production", "monitored")
OPERATOR = "monitoring.coreos.com/v1"
SCHEMAS = Path(os.environ.get("CITYEYE_SCHEMAS", ROOT.parent / "shared" / "schemas")) / "kuberay"
KUBERNETES = "1.36"
SECRETS = {
    "CROSSROAD_PASSWORD": "a",
    "S3_ACCESS_KEY": "a",
    "S3_SECRET_KEY": "a",
    "HUB_DATABASE": "postgresql+psycopg://cityeye:a@db.example/hub",
    "KAFKA_PASSWORD": "a",
    "POSTGRES_PASSWORD": "a",
}


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl, which builds the overlays, is not installed here")
    folder = ROOT / "k8s" / "overlays" / request.param
    built = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    if "unknown field" in built.stderr or "unknown command" in built.stderr:
        pytest.skip("the kubectl that is installed here is too old for these overlays")
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in manifests:
        if one["kind"] in {"StatefulSet", "Job"}:
            yield one["spec"]["template"]["spec"]
        elif one["kind"] == "RayCluster":
            groups = [one["spec"]["headGroupSpec"], *one["spec"]["workerGroupSpecs"]]
            yield from (group["template"]["spec"] for group in groups)


def pod_of_the_city(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    sets = [one for one in manifests if one["kind"] == "StatefulSet"]
    (found,) = [one for one in sets if one["metadata"]["name"] == "cityeye"]
    return found["spec"]["template"]["spec"]


def containers(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for pod in pods(manifests):
        yield from (*pod.get("initContainers", ()), *pod["containers"])


def test_objects_of_kubernetes_fit_their_schemas(manifests):
    # Of the operator of Prometheus there are no schemas here; see tests/k8s/test_monitoring.py.
    foreign = {"ray.io/v1", OPERATOR}
    checked = [one for one in manifests if one["apiVersion"] not in foreign]
    assert len(checked) >= 6
    for one in checked:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_ray_clusters_fit_the_schema_of_kuberay(manifests):
    if not SCHEMAS.is_dir():
        pytest.skip(f"the definitions of KubeRay are not in {SCHEMAS}; CITYEYE_SCHEMAS names them")
    definition = yaml.safe_load((SCHEMAS / "ray.io_rayclusters.yaml").read_text("utf-8"))
    (schema,) = [v["schema"] for v in definition["spec"]["versions"] if v["name"] == "v1"]
    (cluster,) = [one for one in manifests if one["kind"] == "RayCluster"]
    jsonschema.validate(cluster["spec"], closed(schema["openAPIV3Schema"]["properties"]["spec"]))


def closed(schema: Any) -> Any:
    """The schema as an API server with strict validation reads it: no unknown field."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(one) for name, one in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema and schema.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner


def test_nobody_is_root_and_nothing_is_writable(manifests):
    for pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert pod["automountServiceAccountToken"] is False
    for container in containers(manifests):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_every_container_has_limits_and_what_runs_on_has_probes(manifests):
    for container in containers(manifests):
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        if container["name"] != "benchmark":
            assert {"livenessProbe", "readinessProbe"} <= container.keys()


def test_the_image_is_of_this_version_and_ray_the_locked_one(manifests):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    images = {container["image"] for container in containers(manifests)}
    ours = {image for image in images if image.startswith("cityeye:")}
    assert ours in ({f"cityeye:{version}"}, {f"cityeye:{version}-gpu"})
    # Of others a version is named that will not become another one.
    for image in images - ours:
        assert re.search(r":(RELEASE\.\d{4}-|\d+\.\d+)", image), image
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    (ray,) = [package for package in lock["package"] if package["name"] == "ray"]
    (cluster,) = [one for one in manifests if one["kind"] == "RayCluster"]
    assert cluster["spec"]["rayVersion"] == ray["version"]
    assert cluster["spec"]["authOptions"]["mode"] == "token"
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_configuration_is_one_that_the_city_takes(manifests, tmp_path):
    maps = [one for one in manifests if one["kind"] == "ConfigMap"]
    (found,) = [one for one in maps if "city.yaml" in one["data"]]
    text = found["data"]["city.yaml"].replace("/var/lib/cityeye", str(tmp_path))
    (tmp_path / "city.yaml").write_text(text, encoding="utf-8")
    settings = load_config(tmp_path / "city.yaml", SECRETS).settings
    assert settings.ray.address == "cityeye-head-svc:6379"
    assert {settings.api.port, settings.hub.port} == {8500, 8600}


def test_no_secret_stands_in_a_manifest(manifests):
    assert not [one for one in manifests if one["kind"] == "Secret"]
    for container in containers(manifests):
        for variable in container.get("env", ()):
            if re.search("TOKEN|KEY|PASSWORD", variable["name"]):
                assert "value" not in variable, variable


def test_the_dockerfile_passes_hadolint():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, ROOT / "k8s" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_driver_sees_the_raylet_of_its_pod(manifests):
    pod = pod_of_the_city(manifests)
    assert pod["shareProcessNamespace"] is True


def test_the_raylet_of_the_city_waits_for_a_head_that_comes_back(manifests):
    (cluster,) = [one for one in manifests if one["kind"] == "RayCluster"]
    pod = pod_of_the_city(manifests)
    (raylet,) = pod["initContainers"]
    waits = {one["name"]: one.get("value") for one in raylet["env"]}
    comes_back = "gcsFaultToleranceOptions" in cluster["spec"]
    assert waits.get(RECONNECT) == (str(RECONNECT_S) if comes_back else None)


def test_what_the_city_depends_on_in_the_demo_is_there_and_reached_by_the_city_alone(tmp_path):
    folder = ROOT / "k8s" / "overlays" / "demo-services"
    manifests = [one for path in folder.glob("*.yaml") for one in documents(path)]
    services = {
        one["metadata"]["name"]: one["spec"] for one in manifests if one.get("kind") == "Service"
    }
    load_from = (folder / "city.yaml").read_text("utf-8").replace("/var/lib/cityeye", str(tmp_path))
    (tmp_path / "city.yaml").write_text(load_from, encoding="utf-8")
    settings = load_config(tmp_path / "city.yaml", SECRETS).settings
    addresses = {
        settings.keyframes.s3.endpoint,
        *(sink.url for sink in settings.sinks),
        settings.hub.database.get_secret_value(),
    }
    wanted = {urlsplit(address).hostname: urlsplit(address).port for address in addresses}
    assert wanted == {name: one["ports"][0]["port"] for name, one in services.items()}
    pods_of = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in manifests
        if one.get("kind") == "StatefulSet" and one["metadata"]["name"] in services
    }
    assert pods_of == {name: one["selector"] for name, one in services.items()}
    (policy,) = [one["spec"] for one in manifests if one.get("kind") == "NetworkPolicy"]
    (chosen,) = policy["podSelector"]["matchExpressions"]
    assert [{chosen["key"]: name} for name in chosen["values"]] == [
        services[name]["selector"] for name in chosen["values"]
    ]
    assert set(chosen["values"]) == services.keys()
    ((rule,),) = (policy["ingress"],)
    assert rule["from"] == [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "city"}}}
    ]
    assert {one["port"] for one in rule["ports"]} == set(wanted.values())


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))
