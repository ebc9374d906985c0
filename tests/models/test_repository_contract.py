"""What every model repository promises: a folder, an object store, and a real S3 server."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

from models.errors import RepositoryError, UnknownModelError
from models.object_store import FolderObjects
from models.package import ModelPackage
from models.package_files import files_of
from models.remote import RemoteRepository
from models.repository import ModelRepository, Repository
from serving.model_store import ModelObjects
from tests.models.stores import MemoryObjects
from tests.models.tiny import tiny_package

_numbers = itertools.count()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, ModelPackage]:
    """Versions 1, 2 and 10 of a model, and another version 2 of the same name."""
    root = tmp_path_factory.mktemp("made")
    versions = {one: tiny_package(root, version=one) for one in ("1", "2", "10")}
    return versions | {"other 2": tiny_package(root / "other", version="2", seed=9)}


class RepositoryContract:
    """Sub-classes give an empty repository."""

    @pytest.fixture
    def repository(self, tmp_path) -> Repository:
        raise NotImplementedError

    def test_an_empty_one_holds_nothing(self, repository):
        assert repository.names() == ()
        assert repository.versions("tiny") == ()
        with pytest.raises(UnknownModelError, match="which holds nothing"):
            repository.find("tiny")

    def test_what_was_published_is_found_byte_by_byte(self, repository, made):
        for version in ("10", "1", "2"):
            assert repository.publish(made[version])[-1] == "model.yaml"
        assert repository.names() == ("tiny",)
        assert repository.versions("tiny") == ("1", "2", "10")
        assert repository.find("tiny").version == "10"
        found = repository.find("tiny", "2")
        assert found.directory != made["2"].directory
        assert (found.manifest, found.labels) == (made["2"].manifest, made["2"].labels)
        for file in files_of(made["2"].directory):
            assert (found.directory / file).read_bytes() == (
                made["2"].directory / file
            ).read_bytes()

    @pytest.mark.parametrize(
        ("name", "version"),
        [("street", None), ("tiny", "7"), ("../tiny", None), ("tiny", "../1"), ("tiny", "1\n")],
    )
    def test_what_is_not_there_is_answered_with_what_is(self, repository, made, name, version):
        repository.publish(made["1"])
        with pytest.raises(UnknownModelError, match="which holds tiny/1"):
            repository.find(name, version)

    def test_publishing_twice_is_publishing_once(self, repository, made):
        assert repository.publish(made["1"])
        assert repository.publish(made["1"]) == ()

    def test_a_published_version_never_changes(self, repository, made):
        repository.publish(made["2"])
        with pytest.raises(RepositoryError, match=r"model tiny/2: .*with other bytes; publish un"):
            repository.publish(made["other 2"])
        assert repository.find("tiny", "2").manifest == made["2"].manifest

    def test_reports_follow_later_and_may_change(self, repository, made, tmp_path):
        shutil.copytree(made["1"].directory, tmp_path / "tiny" / "1")
        package = ModelPackage.load(tmp_path / "tiny" / "1")
        repository.publish(package)
        assert not (repository.find("tiny").directory / "admission.json").exists()
        for admission in (b'{"admitted": false}', b'{"admitted": true}'):
            (package.directory / "admission.json").write_bytes(admission)
            assert repository.publish(package) == ("admission.json",)
            found = repository.find("tiny").directory
            assert (found / "admission.json").read_bytes() == admission
        (package.directory / "evaluations").mkdir()
        (package.directory / "evaluations" / "square.json").write_bytes(b"{}")
        assert repository.publish(package) == ("evaluations/square.json",)
        assert (repository.find("tiny").directory / "evaluations" / "square.json").exists()


class TestFolder(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path) -> Repository:
        return ModelRepository(tmp_path / "packages")

    def test_a_folder_that_cannot_be_written_is_a_clear_error(self, tmp_path, made):
        (tmp_path / "tiny").write_bytes(b"in the way")
        with pytest.raises(RepositoryError, match=r"model tiny/1: .*cannot be written.*rights"):
            ModelRepository(tmp_path).publish(made["1"])


class TestObjectsInMemory(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path) -> Repository:
        return RemoteRepository(MemoryObjects(), tmp_path / "cache")


class TestObjectsInAFolder(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path) -> Repository:
        return RemoteRepository(FolderObjects(tmp_path / "store"), tmp_path / "cache")


@pytest.mark.integration
class TestS3(RepositoryContract):
    @pytest.fixture
    def prefix(self) -> str:
        return f"districts/xinjin-{next(_numbers)}"

    @pytest.fixture
    def store(self, s3_server, prefix) -> ModelObjects:
        store = ModelObjects(s3_server.settings("models"), prefix)
        # Reading never makes a bucket.
        ModelObjects(s3_server.settings("models"), "elsewhere").write("tiny/9/model.yaml", b"other")
        return store

    @pytest.fixture
    def repository(self, tmp_path, store) -> Repository:
        return RemoteRepository(store, tmp_path / "cache", pause_s=0.0)

    def test_another_node_finds_the_same_bytes(self, repository, store, made, tmp_path):
        repository.publish(made["1"])
        there = RemoteRepository(store, tmp_path / "another").find("tiny").directory
        for file in files_of(made["1"].directory):
            assert (there / file).read_bytes() == (made["1"].directory / file).read_bytes()

    def test_a_prefix_is_a_world_of_its_own(self, store, prefix):
        store.write("tiny/1/model.yaml", b"x")
        assert store.keys("") == ["tiny/1/model.yaml"]
        assert str(store).endswith(f", {prefix}/")

    def test_a_large_object_goes_in_one_request(self, store):
        data = np.random.default_rng(0).bytes(6 * 2**20)
        pieces: list[bytes] = []
        store.write("tiny/1/model.onnx", data)
        store.read("tiny/1/model.onnx", pieces.append)
        assert b"".join(pieces) == data
        assert len(pieces) > 1

    def test_an_altered_object_is_refused_and_not_kept(self, repository, store, made, tmp_path):
        repository.publish(made["1"])
        store.write("tiny/1/model.onnx", b"another model")
        with pytest.raises(
            RepositoryError, match=r"model tiny/1: bucket models at 127.*sha256.*publish the"
        ):
            repository.find("tiny")
        assert ModelRepository(tmp_path / "cache").names() == ()

    def test_a_missing_object_is_named(self, store):
        with pytest.raises(RepositoryError, match=r"there is no tiny/1/CARD.md in bucket models"):
            store.read("tiny/1/CARD.md", bytes)

    def test_a_wrong_secret_is_refused_without_being_shown(self, s3_server, tmp_path):
        settings = s3_server.settings("models", secret_key="not-the-secret")
        with pytest.raises(RepositoryError, match=r"AccessDenied|Signature") as caught:
            RemoteRepository(ModelObjects(settings), tmp_path).find("tiny")
        assert "not-the-secret" not in f"{caught.value!r} {caught.value}"
        assert not caught.value.again

    def test_a_store_that_does_not_run_is_named_with_what_to_do(self, s3_server, tmp_path):
        settings = s3_server.settings("models").model_copy(
            update={"endpoint": "http://127.0.0.1:9"}
        )
        with pytest.raises(RepositoryError, match=r"model tiny: .*127.0.0.1:9.*check that it runs"):
            RemoteRepository(ModelObjects(settings), tmp_path).find("tiny")
