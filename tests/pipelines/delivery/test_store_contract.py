"""What every keyframe store promises, held against a folder and two real S3 servers."""

from __future__ import annotations

import hashlib
import itertools
from datetime import date

import pytest

from pipelines.delivery.stores.folder import FolderStore
from pipelines.delivery.stores.s3 import S3Store
from pipelines.delivery.stores.store import KeyframeStore
from pipelines.errors import KeyframeAltered, KeyframeMissing, StoreRefused, StoreUnavailable

JPEG = "image/jpeg"
_numbers = itertools.count()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class KeyframeStoreContract:
    """Sub-classes give the store."""

    @pytest.fixture
    def store(self) -> KeyframeStore:
        raise NotImplementedError

    @pytest.fixture
    def key(self) -> str:
        return f"kf-30d/v1/2026/03/04/gate-1.north/05/e{next(_numbers)}-0-0123456789abcdef.jpg"

    @pytest.mark.parametrize("size", [1, 50_000, 2_000_000])
    def test_what_was_put_is_got(self, store, key, size):
        data = bytes(number % 251 for number in range(1000)) * (size // 1000) or b"x"
        store.put(key, data, digest(data), JPEG)
        assert store.get(key) == data
        assert store.exists(key)

    def test_what_was_never_put_is_missing(self, store, key):
        assert not store.exists(key)
        with pytest.raises(KeyframeMissing, match=key):
            store.get(key)

    def test_putting_twice_is_putting_once(self, store, key):
        store.put(key, b"image", digest(b"image"), JPEG)
        store.put(key, b"image", digest(b"image"), JPEG)
        assert store.get(key) == b"image"

    def test_data_that_is_not_what_was_announced_is_not_stored(self, store, key):
        with pytest.raises(KeyframeAltered, match=key):
            store.put(key, b"image", digest(b"other"), JPEG)
        assert not store.exists(key)

    def test_neighbours_do_not_disturb_each_other(self, store, key):
        store.put(key, b"one", digest(b"one"), JPEG)
        store.put(f"{key}.too", b"two", digest(b"two"), JPEG)
        assert (store.get(key), store.get(f"{key}.too")) == (b"one", b"two")
        assert not store.exists(key.rsplit("/", 1)[0])

    def test_what_is_there_is_found_by_its_day_and_removed(self, store, key):
        other = key.replace("2026/03/04", "2025/12/31")
        foreign = key.replace("kf-30d/v1/", "kf-30d/other/")
        for one in (key, other, foreign):
            store.put(one, b"image", digest(b"image"), JPEG)
        assert {date(2026, 3, 4), date(2025, 12, 31)} <= set(store.days())
        assert (key, 5) in set(store.of_day(date(2026, 3, 4)))
        assert other in {name for name, _ in store.of_day(date(2025, 12, 31))}
        for one, _ in list(store.of_day(date(2025, 12, 31))):
            store.remove(one)
        store.remove(other)
        assert date(2025, 12, 31) not in set(store.days())
        assert list(store.of_day(date(2025, 12, 31))) == []
        assert store.exists(key)
        assert store.exists(foreign)

    def test_what_is_restricted_is_found_by_itself(self, store, key):
        clip = key.replace("kf-30d/v1/2026/03/04", "ev-7d/v1/2026/03/05")
        for one in (key, clip):
            store.put(one, b"video", digest(b"video"), "video/mp4")
        day = date(2026, 3, 5)
        assert day in set(store.days("ev-7d/v1/"))
        assert day not in set(store.days())
        assert (clip, 5) in set(store.of_day(day, "ev-7d/v1/"))
        assert clip not in {name for name, _ in store.of_day(day)}
        store.remove(clip)
        assert day not in set(store.days("ev-7d/v1/"))


class TestFolderStore(KeyframeStoreContract):
    @pytest.fixture
    def store(self, tmp_path) -> KeyframeStore:
        return FolderStore(tmp_path / "keyframes")

    def test_another_store_over_the_same_folder_sees_it(self, tmp_path, key):
        FolderStore(tmp_path).put(key, b"image", digest(b"image"), JPEG)
        assert FolderStore(tmp_path).get(key) == b"image"

    def test_a_truncated_file_is_made_whole_by_putting_again(self, tmp_path, key):
        store = FolderStore(tmp_path)
        store.put(key, b"image", digest(b"image"), JPEG)
        (tmp_path / key).write_bytes(b"pic")
        store.put(key, b"image", digest(b"image"), JPEG)
        assert store.get(key) == b"image"

    def test_a_folder_that_cannot_be_written_is_a_clear_error(self, tmp_path, key):
        (tmp_path / "kf-30d").write_bytes(b"in the way")
        with pytest.raises(StoreUnavailable, match="check the disk"):
            FolderStore(tmp_path).put(key, b"image", digest(b"image"), JPEG)

    @pytest.mark.parametrize("bad", ["../out.jpg", "a/../../out.jpg", "/out.jpg", "", "a\0b"])
    @pytest.mark.parametrize("verb", ["put", "get", "exists"])
    def test_no_key_leads_out_of_the_folder(self, tmp_path, bad, verb):
        store = FolderStore(tmp_path / "keyframes")
        arguments = (bad, b"x", digest(b"x"), JPEG) if verb == "put" else (bad,)
        with pytest.raises(StoreRefused, match="relative path"):
            getattr(store, verb)(*arguments)
        assert not list(tmp_path.iterdir())


@pytest.mark.integration
def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "elsewhere.jpg").write_bytes(b"not for the hub")
    store = FolderStore(tmp_path / "keyframes")
    store.put("kf/a.jpg", b"image", digest(b"image"), JPEG)
    (tmp_path / "keyframes" / "kf" / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    assert store.get("kf/a.jpg") == b"image"
    with pytest.raises(KeyframeMissing):
        store.get("kf/link.jpg")


@pytest.mark.integration
class TestMotoStore(KeyframeStoreContract):
    """A second server of another family; it checks no signatures."""

    @pytest.fixture
    def store(self, moto_server) -> KeyframeStore:
        return S3Store(moto_server.settings("keyframes"))


class TestS3Store(KeyframeStoreContract):
    @pytest.fixture
    def store(self, s3_server) -> KeyframeStore:
        return S3Store(s3_server.settings("keyframes"))

    def test_another_client_sees_it(self, store, key, s3_server):
        store.put(key, b"image", digest(b"image"), JPEG)
        assert S3Store(s3_server.settings("keyframes")).get(key) == b"image"

    def test_a_wrong_secret_is_refused_and_not_repeated(self, store, key, s3_server):
        store.put(key, b"image", digest(b"image"), JPEG)
        impostor = S3Store(s3_server.settings("keyframes", secret_key="not-the-secret"))
        for attempt in (
            lambda: impostor.put(key, b"x", digest(b"x"), JPEG),
            lambda: impostor.get(key),
            lambda: impostor.exists(key),
        ):
            with pytest.raises(StoreRefused, match=r"AccessDenied|SignatureDoesNotMatch") as caught:
                attempt()
            assert "not-the-secret" not in f"{caught.value!r} {caught.value}"
        assert store.get(key) == b"image"

    def test_a_missing_bucket_is_made_on_first_use(self, key, s3_server):
        store = S3Store(s3_server.settings("made-on-first-use"))
        store.put(key, b"image", digest(b"image"), JPEG)
        assert store.get(key) == b"image"

    def test_before_the_first_image_there_is_nothing_to_look_through(self, s3_server):
        assert s3_server.settings("never-used").open().days() == []

    def test_a_missing_bucket_is_refused_where_none_may_be_made(self, key, s3_server):
        settings = s3_server.settings("never-made").model_copy(update={"create_bucket": False})
        with pytest.raises(StoreRefused, match="NoSuchBucket"):
            S3Store(settings).put(key, b"image", digest(b"image"), JPEG)
