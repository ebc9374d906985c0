"""A replica finds its package in a store, with the bytes that were meant and no key in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from pydantic import ValidationError
from ray import serve

from benchmarks.chaos.swift_server import ACCESS_KEY, SECRET_KEY, SwiftServer
from models.errors import PackageError, RepositoryError
from models.package import ModelPackage
from models.repository import ModelRepository
from serving.errors import ServingError
from serving.launch import RayServeDetectors
from serving.model_source import FolderModels, RemoteModels, package_from, parse_url
from serving.serve_detector import application_name
from serving.served_models import DetectorArgs, served_model
from tests.serving.packages import brightness_package

KEYS = {"CITYEYE_MODELS_ACCESS_KEY": ACCESS_KEY, "CITYEYE_MODELS_SECRET_KEY": SECRET_KEY}


@pytest.fixture
def made(tmp_path: Path) -> ModelPackage:
    return brightness_package(tmp_path / "made", name="stored")


def remote(server: SwiftServer, cache: Path, secret: str = SECRET_KEY) -> RemoteModels:
    return RemoteModels.model_validate(
        {
            "url": "s3://models/serving",
            "endpoint": f"http://{server.endpoint}",
            "access_key": ACCESS_KEY,
            "secret_key": secret,
            "cache": cache,
        }
    )


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://models", "models", ""),
        ("s3://models/", "models", ""),
        ("s3://models/city/xinjin/", "models", "city/xinjin"),
    ],
)
def test_an_address_has_a_bucket_and_a_prefix(url: str, bucket: str, prefix: str) -> None:
    assert parse_url(url) == (bucket, prefix)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://models/city", "`ftp` is not a kind of model repository; write s3://"),
        ("models/city", "it is no address; write s3://"),
        ("s3://", "cannot be read"),
        ("s3://Models/city", "cannot be read"),
        ("s3://models/../city", "cannot be read"),
        ("s3://models//city", "cannot be read"),
        ("s3://key:secret@models/city", "cannot be read"),
        ("s3://a..b/city", "a dot beside another dot"),
        ("s3://192.168.1.1/city", "is an IP address"),
    ],
)
def test_what_is_no_address_is_told_so(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_a_folder_is_where_its_packages_are(made: ModelPackage, tmp_path: Path) -> None:
    source = FolderModels(path=tmp_path / "made")
    assert package_from(source.place(source.open().find("stored")), {}) == made


def test_no_key_is_printed(tmp_path: Path) -> None:
    fields = {"url": "s3://models/city", "endpoint": "https://store", "cache": tmp_path}
    keys = {"access_key": "AKIA-hunter1", "secret_key": "hunter2-secret"}
    package = fields | keys | {"name": "street", "version": "3"}
    args = DetectorArgs.model_validate({"package": package})
    assert "hunter" not in f"{args!r} {args} {args.model_dump()} {args.model_dump_json()}"
    with pytest.raises(ValidationError) as caught:
        DetectorArgs.model_validate({"package": package | {"version": "x"}, "threads": 0})
    assert "hunter" not in str(caught.value)


def test_keys_that_are_left_out_come_from_where_it_is_opened(tmp_path: Path) -> None:
    source = RemoteModels(url="s3://models/city", endpoint="https://store:9000", cache=tmp_path)
    assert str(source.open(KEYS)) == "bucket models at store:9000, city/"
    with pytest.raises(RepositoryError, match=r"no key for s3://models/city.*_SECRET_KEY"):
        source.open({"CITYEYE_MODELS_ACCESS_KEY": "key"})


@pytest.mark.integration
def test_two_stores_never_share_a_copy(
    s3_server: SwiftServer, made: ModelPackage, tmp_path: Path
) -> None:
    first = remote(s3_server, tmp_path / "cache")
    second = first.model_copy(update={"url": "s3://models/another"})
    other = brightness_package(tmp_path / "other", name="stored", label="bag")
    first.open().publish(made)
    second.open().publish(other)
    assert first.open().find("stored").labels == ("person",)
    assert second.open().find("stored").labels == ("bag",)
    elsewhere = {"endpoint": first.endpoint.replace("127.0.0.1", "localhost")}
    assert first.model_copy(update=elsewhere).open().find("stored").labels == ("person",)
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.integration
def test_a_package_that_is_not_the_one_that_was_meant_is_refused(
    s3_server: SwiftServer, made: ModelPackage, tmp_path: Path
) -> None:
    source = remote(s3_server, tmp_path / "cache")
    source.open().publish(made)
    place = source.place(source.open().find("stored"))
    assert package_from(place, {}).manifest == made.manifest
    with pytest.raises(PackageError, match="not the one that the city was started with"):
        package_from(place.model_copy(update={"manifest": "0" * 64}), {})


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("running_cluster")
def test_a_replica_fetches_its_package_and_no_key_is_written_anywhere(
    s3_server: SwiftServer, made: ModelPackage, tmp_path: Path
) -> None:
    source = remote(s3_server, tmp_path / "cache of the director")
    source.open().publish(made)
    package = source.open().find("stored")
    replica = source.model_copy(update={"cache": tmp_path / "cache of the replica"})
    model = served_model(package, package=replica.place(package))
    RayServeDetectors().deploy([model])
    handle = serve.get_app_handle(application_name(model.ref))
    assert handle.provider.remote().result(timeout_s=20.0) == "cpu"
    (root,) = (tmp_path / "cache of the replica").iterdir()
    assert ModelRepository(root).find("stored").manifest == made.manifest

    wrong = remote(s3_server, tmp_path / "third cache", secret="hunter2-hunter2").place(package)
    broken = served_model(brightness_package(tmp_path / "made", "stored", "2"), package=wrong)
    with pytest.raises(ServingError, match=r"model stored 2 .*stored/1: bucket models at") as told:
        RayServeDetectors().deploy([broken])
    assert "hunter2" not in str(told.value)
    node: Any = ray._private.worker._global_node
    for secret in (SECRET_KEY, "hunter2-hunter2"):
        assert secret not in str(serve.status())
        assert not files_with(secret, Path(node.get_logs_dir_path()))
    for one in (model, broken):
        serve.delete(application_name(one.ref))


def files_with(text: str, folder: Path) -> list[Path]:
    found = [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]
    assert any(folder.rglob("*replica_detector-stored*")), "the replicas wrote their logs here"
    return found
