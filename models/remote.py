"""`RemoteRepository`: model packages in an object store, with a verified copy on this machine.

Whatever a node finds has the bytes that were published: every file is checked while and after it
is fetched, and again each time it is asked for. Once fetched, a package needs the store for being
compared only; while the store does not answer, the copy is used and the log says so.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from models.errors import ObjectMissingError, PackageError, RepositoryError
from models.object_store import ObjectStore, write_whole
from models.package import (
    ADMISSION_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    ONNX_FILE,
    ModelPackage,
    read_manifest,
)
from models.package_cache import PackageCache
from models.package_files import capped, is_report, limit_bytes
from models.publishing import publish
from models.repository import ModelRepository, is_model, unknown
from models.version import newest, version_order

log = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_S = 1.0
SILENCE_S = 10.0
"""Time in which a store that did not answer is not asked again for a list that the cache has."""

PUBLISH_AGAIN = "publish the version again from where it was made"


class RemoteRepository:
    """A `Repository` over an object store. Safe for use from several threads and processes."""

    def __init__(
        self, store: ObjectStore, cache: Path, attempts: int = ATTEMPTS, pause_s: float = PAUSE_S
    ) -> None:
        """Connects to nothing yet.

        Args:
            store: Where packages are published.
            cache: Folder of this machine for packages of this store alone, made if missing.
            attempts: How often a file that arrives altered, or not at all, is asked for.
            pause_s: Seconds before the second attempt, twice as many before the third.
        """
        self._store = store
        self._cache = PackageCache(cache)
        self._cached = ModelRepository(cache)
        self._attempts = attempts
        self._pause_s = pause_s
        self._silence: tuple[float, RepositoryError] | None = None
        self._logged: RepositoryError | None = None

    def __str__(self) -> str:
        return str(self._store)

    def names(self) -> tuple[str, ...]:
        """See `Repository.names`."""
        try:
            return tuple(sorted({name for name, _ in _models(self._keys(""))}))
        except RepositoryError as error:
            return self._from_cache(self._cached.names(), error)

    def versions(self, name: str) -> tuple[str, ...]:
        """See `Repository.versions`."""
        if not is_model(name):
            return ()
        try:
            found = {version for _, version in _models(self._keys(f"{name}/"))}
        except RepositoryError as error:
            return self._from_cache(self._cached.versions(name), error)
        return tuple(sorted(found, key=version_order))

    def find(self, name: str, version: str | None = None) -> ModelPackage:
        """See `Repository.find`; fetches the package unless this machine has it.

        Raises:
            UnknownModelError: There is no such package; the message lists what there is.
            RepositoryError: It cannot be fetched, or is not what was published.
        """
        if version is None:
            version = self._newest(name)
        if version is None or not is_model(name, version):
            raise unknown(self, name, version)
        model = f"{name}/{version}"
        with self._cache.locked(model):
            package = self._find(model)
        if package is None:
            raise unknown(self, name, version)
        return package

    def publish(self, package: ModelPackage) -> tuple[str, ...]:
        """See `Repository.publish`."""
        return publish(package, self._store)

    def _newest(self, name: str) -> str | None:
        try:
            return newest(self.versions(name))
        except RepositoryError as error:
            raise error.about(name) from None

    def _find(self, model: str) -> ModelPackage | None:
        """The package, from the cache if it is the published one; None if none is published."""
        cached = self._cache.find(model)
        try:
            files = self._files(model)
            if MANIFEST_FILE not in files:
                return None
            manifest = self._bytes(model, MANIFEST_FILE)
            if cached is not None and self._is_same(cached, manifest):
                self._update_reports(cached, files)
                return cached
        except RepositoryError as error:
            if cached is None:
                raise error.about(model) from None
            log.warning("models.used_from_cache", extra={"model": model, "error": str(error)})
            return cached
        return self._fetch(model, files, manifest)

    def _is_same(self, cached: ModelPackage, manifest: bytes) -> bool:
        if (cached.directory / MANIFEST_FILE).read_bytes() == manifest:
            return True
        log.warning("models.version_replaced", extra={"model": str(cached), "store": str(self)})
        return False

    def _fetch(self, model: str, files: frozenset[str], manifest: bytes) -> ModelPackage:
        attempt = 1
        while True:
            try:
                return self._fetch_once(model, files, manifest)
            except RepositoryError as error:
                if not error.again or attempt >= self._attempts:
                    raise error.about(model) from None
                facts = {"model": model, "attempt": attempt, "error": str(error)}
                log.warning("models.fetch_failed", extra=facts)
            time.sleep(self._pause_s * attempt)
            attempt += 1

    def _fetch_once(self, model: str, files: frozenset[str], manifest: bytes) -> ModelPackage:
        directory = self._cache.staging(model)
        try:
            write_whole(directory / MANIFEST_FILE, manifest)
            listed = read_manifest(model, directory)
            digests = {ONNX_FILE: listed.sha256, GOLDEN_FILE: listed.golden}
            for file in sorted(files - {MANIFEST_FILE}):
                if digests.get(file) != "":  # images that the manifest does not stand for
                    self._download(model, file, directory / file, digests.get(file))
            return self._cache.install(model)
        except PackageError as error:
            # What it says is true of the copy that nobody will ever see.
            sentence = str(error).removeprefix(f"model {model}: ")
            problem, _, _ = sentence.replace(str(directory), self._place(model)).rpartition("; ")
            raise RepositoryError(model, problem, PUBLISH_AGAIN) from None

    def _download(self, model: str, file: str, path: Path, sha256: str | None) -> None:
        """One file, with the bytes that the manifest stands for.

        Raises:
            RepositoryError: It does not arrive, is too large, or has other bytes.
        """
        digest = hashlib.sha256()
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:

            def take(piece: bytes) -> None:
                digest.update(piece)
                stream.write(piece)

            self._read(model, file, take)
            stream.flush()
            os.fsync(stream.fileno())
        found = digest.hexdigest()
        if sha256 is not None and found != sha256:
            problem = (
                f"{self._place(model)}/{file} arrived with sha256 {found[:12]}…, the manifest says "
                f"{sha256[:12]}…"
            )
            raise RepositoryError(model, problem, PUBLISH_AGAIN, again=True)

    def _update_reports(self, cached: ModelPackage, files: Iterable[str]) -> None:
        """Takes over reports that were published since."""
        model = str(cached)
        for file in filter(is_report, files):
            path = cached.directory / file
            if file == ADMISSION_FILE or not path.exists():
                write_whole(path, self._bytes(model, file))

    def _files(self, model: str) -> frozenset[str]:
        """What is published of a version; names that no file of a package has are passed over."""
        keys = self._keys(f"{model}/")
        files = {key.removeprefix(f"{model}/") for key in keys if key.startswith(f"{model}/")}
        return frozenset(file for file in files if limit_bytes(file) is not None)

    def _bytes(self, model: str, file: str) -> bytes:
        pieces: list[bytes] = []
        self._read(model, file, pieces.append)
        return b"".join(pieces)

    def _read(self, model: str, file: str, sink: Callable[[bytes], object]) -> None:
        try:
            self._store.read(f"{model}/{file}", capped(file, sink))
        except ObjectMissingError:
            problem = f"{self._place(model)}/{file} was there and is gone"
            raise RepositoryError(model, problem, PUBLISH_AGAIN, again=True) from None
        except ValueError as error:
            problem = f"{self._place(model)}/{file} {error}"
            raise RepositoryError(model, problem, "publish a smaller file") from None

    def _keys(self, prefix: str) -> Sequence[str]:
        if self._silence is not None and time.monotonic() < self._silence[0]:
            raise self._silence[1]
        try:
            return self._store.keys(prefix)
        except RepositoryError as error:
            if error.again:
                self._silence = (time.monotonic() + SILENCE_S, error)
            raise

    def _from_cache(self, found: tuple[str, ...], error: RepositoryError) -> tuple[str, ...]:
        """A list from the cache, where it has one and the store only does not answer."""
        if not (error.again and found):
            raise error
        if error is not self._logged:
            log.warning("models.listed_from_cache", extra={"store": str(self), "error": str(error)})
            self._logged = error
        return found

    def _place(self, model: str) -> str:
        return f"{self._store}: {model}"


def _models(keys: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Name and version of every complete version among keys."""
    for key in keys:
        name, _, rest = key.partition("/")
        version, _, file = rest.partition("/")
        if file == MANIFEST_FILE and is_model(name, version):
            yield name, version
