"""The manifests name what exists: the builder, its arguments, the locked Ray, the applications."""

from __future__ import annotations

import importlib
import inspect
import tomllib
from pathlib import Path

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from camera_adapters.geometry import Size
from models.package import ModelPackage
from pipelines.plan import ModelRef
from serving.model_source import ENVIRONMENT_PREFIX, RemotePackage
from serving.serve_detector import application_name
from serving.served_models import DetectorArgs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service():
    return yaml.safe_load((ROOT / "k8s" / "rayservice.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def applications(service):
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    applications = ServeDeploySchema.model_validate(config).applications
    assert applications
    return applications


@pytest.fixture(scope="module")
def pods(service):
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"]["containers"] for group in groups]


def test_it_is_a_ray_service(service):
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")


def test_ray_is_the_locked_one(service):
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    (ray,) = [package for package in lock["package"] if package["name"] == "ray"]
    assert service["spec"]["rayClusterConfig"]["rayVersion"] == ray["version"]


def test_the_image_is_of_this_version(pods):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    images = {container["image"] for containers in pods for container in containers}
    assert images == {f"cityeye:{project['version']}"}


def test_every_application_is_built_by_a_function_that_takes_its_arguments(applications):
    for application in applications:
        module, _, function = application.import_path.partition(":")
        builder = getattr(importlib.import_module(module), function)
        (parameter,) = inspect.signature(builder).parameters.values()
        parameter.annotation.model_validate(application.args)
        assert application.route_prefix is None, "detectors are called by handle, not over HTTP"


def test_every_model_ships_with_the_image(applications):
    for application in applications:
        package = ModelPackage.load(ROOT / application.args["package"])
        assert str(package) == "/".join(Path(application.args["package"]).parts[-2:])


def test_camera_workers_find_every_application_by_its_name(applications):
    for application in applications:
        name, version = Path(application.args["package"]).parts[-2:]
        ref = ModelRef(name, version, Size(1, 1), (), 0.5)
        assert application.name == application_name(ref)


def test_a_model_from_a_store_may_be_added_as_the_manifest_says(service, pods):
    text = (ROOT / "k8s" / "rayservice.yaml").read_text(encoding="utf-8")
    lines = text.split("like this one:\n#\n")[1].split("\n#\n")[0].splitlines()
    (application,) = yaml.safe_load("\n".join(line.removeprefix("#") for line in lines))
    package = DetectorArgs.model_validate(application["args"]).package
    assert isinstance(package, RemotePackage)
    assert application["name"] == f"detector-{package.name}-{package.version}"
    (worker,) = pods[1]
    names = {variable["name"] for variable in worker["env"]}
    assert {f"{ENVIRONMENT_PREFIX}ACCESS_KEY", f"{ENVIRONMENT_PREFIX}SECRET_KEY"} <= names
    mounts = {mount["mountPath"]: mount["name"] for mount in worker["volumeMounts"]}
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    volumes = [volume["name"] for volume in group["template"]["spec"]["volumes"]]
    assert mounts[str(package.cache)] in volumes


def test_no_key_stands_in_the_manifest(pods):
    keys = [v for pod in pods for one in pod for v in one["env"] if v["name"].endswith("_KEY")]
    assert keys
    assert all("value" not in key and key["valueFrom"]["secretKeyRef"] for key in keys)


def test_the_head_places_work_and_does_none(service):
    head = service["spec"]["rayClusterConfig"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"


def test_replicas_fit_on_the_workers(service, applications):
    (workers,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = workers["template"]["spec"]["containers"]
    there = int(container["resources"]["limits"]["cpu"]) * workers["replicas"]
    wanted = sum(app.args["replicas"] * app.args["cpus"] for app in applications)
    assert wanted <= there


def test_every_container_has_probes_limits_and_named_ports(pods):
    for containers in pods:
        for container in containers:
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert all(port["name"] for port in container["ports"])
            for probe in ("readinessProbe", "livenessProbe"):
                command = container[probe]["exec"]["command"]
                compile(command[-1], probe, "exec")
                assert container[probe]["timeoutSeconds"] >= 5
