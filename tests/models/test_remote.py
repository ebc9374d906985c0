"""A node's copy of a remote package: whole or absent, whatever store, network or disk do."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest
import yaml

from models.errors import RepositoryError, UnknownModelError
from models.object_store import FolderObjects
from models.package import ModelPackage
from models.package_cache import CacheUse, PackageCache
from models.remote import ATTEMPTS, RemoteRepository
from models.repository import ModelRepository
from tests.models.stores import MemoryObjects, SlowFolder
from tests.models.tiny import tiny_package

ONNX = "tiny/1/model.onnx"
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> ModelPackage:
    """tiny/1 with golden images."""
    directory = tiny_package(tmp_path_factory.mktemp("made")).directory
    (directory / "golden.npz").write_bytes(b"golden images")
    rewrite(directory, golden=hashlib.sha256(b"golden images").hexdigest())
    return ModelPackage.load(directory)


@pytest.fixture
def store(package) -> MemoryObjects:
    store = MemoryObjects()
    RemoteRepository(store, Path("nowhere")).publish(package)
    store.asked.clear()
    return store


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def remote(store, cache) -> RemoteRepository:
    return RemoteRepository(store, cache, pause_s=0.0)


def rewrite(directory: Path, **changes: object) -> None:
    path = directory / "model.yaml"
    manifest = yaml.safe_load(path.read_text("utf-8")) | changes
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")


def truncated(key: str, data: bytes) -> bytes:
    return data[: len(data) // 2] if key.endswith((".onnx", ".npz")) else data


def holds(cache: Path) -> bool:
    return bool(ModelRepository(cache).names())


def test_a_second_find_compares_and_fetches_nothing(remote, store, cache):
    first = remote.find("tiny", "1")
    store.asked.clear()
    assert RemoteRepository(store, cache).find("tiny", "1") == first
    assert store.asked == ["keys tiny/1/", "read tiny/1/model.yaml"]


@pytest.mark.parametrize("file", ["model.onnx", "golden.npz"])
@pytest.mark.parametrize("fault", ["tampered", "truncated"])
def test_an_altered_file_is_refused_after_some_attempts_and_not_kept(
    remote, store, cache, file, fault
):
    data = store.objects[f"tiny/1/{file}"]
    altered = data[:-1] + b"!" if fault == "tampered" else data[:-1]
    store.objects[f"tiny/1/{file}"] = altered
    sentence = rf"model tiny/1: bucket models at memory: tiny/1/{file} arrived with.*; publish the"
    with pytest.raises(RepositoryError, match=sentence):
        remote.find("tiny")
    assert store.asked.count(f"read tiny/1/{file}") == ATTEMPTS
    assert not holds(cache)


def test_a_file_that_arrives_whole_the_second_time_is_taken(remote, store, cache, caplog):
    store.alter = lambda key, data: (
        truncated(key, data) if store.asked.count(f"read {key}") == 1 else data
    )
    assert remote.find("tiny").directory == cache / "tiny" / "1"
    assert "models.fetch_failed" in caplog.messages


@pytest.mark.parametrize("file", ["model.onnx", "labels.txt", "CARD.md", "golden.npz"])
def test_a_missing_file_is_named(remote, store, cache, file):
    del store.objects[f"tiny/1/{file}"]
    sentence = rf"model tiny/1: bucket models at memory: tiny/1/{file}: is missing.*; publish"
    with pytest.raises(RepositoryError, match=sentence):
        remote.find("tiny")
    assert not holds(cache)


@pytest.mark.parametrize("file", ["model.yaml", "labels.txt"])
def test_a_file_that_never_ends_is_given_up_at_its_limit(remote, store, cache, file):
    whole = store.objects[f"tiny/1/{file}"]
    store.objects[f"tiny/1/{file}"] = whole + b"#" * 256 * 1024
    with pytest.raises(RepositoryError, match=rf"{file} is larger than 262144 bytes"):
        remote.find("tiny")
    assert store.asked.count(f"read tiny/1/{file}") == 1
    assert not holds(cache)


def test_a_manifest_of_another_model_is_refused(remote, store):
    store.objects = {key.replace("tiny/1", "street/3"): d for key, d in store.objects.items()}
    with pytest.raises(RepositoryError, match="describes tiny/1 but lies in street/3"):
        remote.find("street")


def test_images_that_the_manifest_does_not_stand_for_are_left_where_they_are(
    tmp_path, remote, store
):
    remote.publish(tiny_package(tmp_path, version="2"))
    store.objects["tiny/2/golden.npz"] = b"of an upload that was broken off"
    assert not (remote.find("tiny", "2").directory / "golden.npz").exists()


def test_keys_that_lead_astray_are_passed_over(remote, store, cache, tmp_path):
    astray = (
        "tiny/1/../../../evil",
        "tiny/1/evaluations/../../../../evil.json",
        "tiny/1/evaluations/.hidden.json",
        "tiny/1/evaluations/a/b.json",
        "tiny/1/evaluations/report.json\n",
        "tiny/1//etc/passwd",
        "tiny/1/run.sh",
        "tiny/1/",
        "../tiny/2/model.yaml",
        "/tiny/3/model.yaml",
        "tiny/../model.yaml",
        "tiny/4\n/model.yaml",
        "TINY/1/model.yaml",
        ".incoming/1/model.yaml",
    )
    store.objects |= dict.fromkeys(astray, b"evil")
    assert remote.names() == ("tiny",)
    assert remote.versions("tiny") == ("1",)
    remote.find("tiny")
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {*("model.yaml", "model.onnx", "labels.txt", "CARD.md", "golden.npz", "tiny-1")}


def test_a_store_that_is_down_is_reported_with_what_to_do(remote, store):
    store.down = True
    for call in (remote.names, lambda: remote.versions("tiny")):
        with pytest.raises(RepositoryError, match=r"^bucket models at memory does not answer; st"):
            call()
    for version in (None, "1"):
        with pytest.raises(RepositoryError, match=r"^model tiny.*does not answer; start it"):
            remote.find("tiny", version)


def test_a_warm_cache_does_without_the_store_and_says_so(remote, store, cache, caplog):
    first = remote.find("tiny")
    store.down = True
    store.asked.clear()
    assert remote.names() == ("tiny",)
    assert remote.versions("tiny") == ("1",)
    assert remote.find("tiny") == remote.find("tiny", "1") == first
    assert store.asked == ["keys "], "a store that is down is not waited for again and again"
    assert "models.used_from_cache" in caplog.messages
    assert caplog.messages.count("models.listed_from_cache") == 1
    with pytest.raises(RepositoryError, match="does not answer"):
        remote.find("tiny", "2")


def test_a_store_that_breaks_off_leaves_the_cache_as_it_was(remote, store, cache):
    def broken(key: str, data: bytes) -> bytes:
        if key == ONNX:
            raise RepositoryError("", f"{store} does not answer", "start it", again=True)
        return data

    store.alter = broken
    with pytest.raises(RepositoryError, match=r"model tiny/1: .*does not answer"):
        remote.find("tiny")
    assert store.asked.count(f"read {ONNX}") == ATTEMPTS
    assert not holds(cache)


def test_keys_that_are_refused_stop_no_replica_but_are_reported_by_every_list(remote, store):
    first = remote.find("tiny", "1")
    store.refuses = True
    assert remote.find("tiny", "1") == first
    with pytest.raises(RepositoryError, match="AccessDenied"):
        remote.names()


@pytest.mark.parametrize("file", ["model.onnx", "golden.npz", "labels.txt", "model.yaml"])
@pytest.mark.parametrize("damage", ["altered", "emptied", "removed"])
def test_a_damaged_copy_is_noticed_and_fetched_again(
    remote, store, cache, package, file, damage, caplog
):
    path = remote.find("tiny").directory / file
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "emptied" else b"\n- " + path.read_bytes()[3:])
    if (file, damage) == ("labels.txt", "altered"):
        path.write_bytes(b"\xff")
    found = remote.find("tiny")
    assert (found.directory / file).read_bytes() == (package.directory / file).read_bytes()
    assert "models.cache_damaged" in caplog.messages
    path.write_bytes(b"")
    store.down = True
    with pytest.raises(RepositoryError, match="does not answer"):
        remote.find("tiny", "1")


def test_a_version_that_was_replaced_in_the_store_is_followed(
    remote, store, package, tmp_path, caplog
):
    remote.find("tiny", "1")
    directory = tmp_path / "tiny" / "1"
    shutil.copytree(package.directory, directory)
    rewrite(directory, thresholds={"default": 0.5})
    store.objects["tiny/1/model.yaml"] = (directory / "model.yaml").read_bytes()
    assert remote.find("tiny", "1").manifest.thresholds.default == 0.5
    assert "models.version_replaced" in caplog.messages


def test_a_version_that_was_withdrawn_is_not_found(remote, store):
    remote.find("tiny", "1")
    del store.objects["tiny/1/model.yaml"]
    with pytest.raises(UnknownModelError):
        remote.find("tiny", "1")


def test_a_version_on_its_way_is_not_seen(store, cache, package, remote):
    store.objects.clear()
    seen = []

    def look(key: str, data: bytes) -> bytes:
        seen.append((key, remote.versions("tiny")))
        return data

    store.alter = look
    remote.publish(package)
    assert seen[-1] == ("tiny/1/model.yaml", ("1",))
    assert {versions for _, versions in seen[:-1]} == {()}
    assert len(seen) == 5


def test_an_upload_that_was_broken_off_is_completed(store, package, remote):
    whole = dict(store.objects)
    store.objects = {ONNX: b"half", "tiny/1/CARD.md": whole["tiny/1/CARD.md"]}
    assert set(remote.publish(package)) == {"model.onnx", "golden.npz", "labels.txt", "model.yaml"}
    assert store.objects == whole
    del store.objects["tiny/1/labels.txt"]
    assert remote.publish(package) == ("labels.txt",)


def test_a_store_that_keeps_something_else_is_not_believed(store, package, remote):
    store.objects.clear()
    store.alter = truncated
    with pytest.raises(RepositoryError, match=r"tiny/1: tiny/1/model.onnx in .* is not what was"):
        remote.publish(package)
    assert remote.names() == ()


def test_a_cache_that_cannot_be_written_is_a_clear_error(store, tmp_path):
    (tmp_path / "cache").write_bytes(b"in the way")
    with pytest.raises(
        RepositoryError, match=r"model tiny/1: the cache .* cannot be used: .*right"
    ):
        RemoteRepository(store, tmp_path / "cache").find("tiny")


def find_in_process(store: SlowFolder, cache: Path) -> None:
    assert RemoteRepository(store, cache).find("tiny").directory == cache / "tiny" / "1"


@pytest.fixture
def slow(tmp_path, package) -> SlowFolder:
    ModelRepository(tmp_path / "store").publish(package)
    return SlowFolder(tmp_path / "store", tmp_path / "log", pause_s=0.2)


def test_two_processes_at_once_fetch_once(slow, cache):
    both = [SPAWN.Process(target=find_in_process, args=(slow, cache)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert slow.log.read_text().splitlines().count(ONNX) == 1


def test_a_process_that_dies_while_it_fetches_is_in_nobodys_way(slow, cache):
    process = SPAWN.Process(target=find_in_process, args=(slow, cache))
    process.start()
    while not (cache / ".incoming" / "tiny" / "1" / "golden.npz").exists():
        time.sleep(0.01)
    process.kill()
    process.join(20)
    assert not holds(cache)
    find_in_process(SlowFolder(slow.root, slow.log), cache)


def test_a_folder_gives_keys_below_a_prefix_only(tmp_path, package):
    ModelRepository(tmp_path).publish(package)
    assert FolderObjects(tmp_path).keys("tiny/1/mod") != []
    assert FolderObjects(tmp_path).keys("tin/") == []


def test_copies_that_nobody_asks_for_any_more_are_deleted(remote, cache):
    copy = remote.find("tiny", "1").directory
    copies, now_s = PackageCache(cache), time.time()
    size = sum(file.stat().st_size for file in copy.iterdir())
    use = copies.prune((), 3600.0, size, now_s)
    assert (use.bytes, use.deleted) == (size, 0)
    use = copies.prune({"tiny/1"}, 0.0, 0, now_s + 7200)
    assert (use.bytes, use.deleted) == (size, 0), "it is in use"
    os.utime(copy, (now_s - 7200,) * 2)
    assert remote.find("tiny", "1")
    assert copies.prune((), 3600.0, size, now_s).deleted == 0, "it was asked for just now"
    os.utime(copy, (now_s - 7200,) * 2)
    assert copies.prune((), 3600.0, size, now_s) == CacheUse(0, None, 1)
    assert not holds(cache)
    assert remote.find("tiny", "1").directory == copy


def test_beyond_its_bytes_the_copy_that_was_unused_the_longest_goes(remote, store, package, cache):
    for version in ("2", "3"):
        for name in list(store.objects):
            if name.startswith("tiny/1/"):
                store.objects[name.replace("tiny/1/", f"tiny/{version}/")] = store.objects[name]
        manifest = store.objects["tiny/1/model.yaml"].decode()
        changed = manifest.replace("version: '1'", f"version: '{version}'")
        store.objects[f"tiny/{version}/model.yaml"] = changed.encode()
    now_s = time.time()
    for age, version in enumerate(("2", "3", "1")):
        os.utime(remote.find("tiny", version).directory, (now_s - age * 60,) * 2)
    size = sum(file.stat().st_size for file in (cache / "tiny" / "1").iterdir())
    use = PackageCache(cache).prune({"tiny/1"}, float("inf"), 2.5 * size, now_s)
    assert use.deleted == 1
    assert ModelRepository(cache).versions("tiny") == ("1", "2")
