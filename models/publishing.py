"""`publish`: puts a version where others find it, once and for all.

The manifest goes last, so that a version that is on its way is not seen by anybody. What was
written is read back. A published version never changes; publishing it again completes it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.errors import RepositoryError
from models.object_store import ObjectStore, stored_digest
from models.package import MANIFEST_FILE, ModelPackage, sha256_of
from models.package_files import files_of, is_report


def publish(package: ModelPackage, store: ObjectStore) -> tuple[str, ...]:
    """Stores a package under its name and version.

    Reports are brought up to date; everything else is only ever added.

    Returns:
        The files that were written; none where all were there already.

    Raises:
        RepositoryError: The version is published with other bytes, or the store does not keep
            what it is given.
    """
    try:
        return _publish(package, store)
    except RepositoryError as error:
        raise error.about(str(package)) from None


def _publish(package: ModelPackage, store: ObjectStore) -> tuple[str, ...]:
    store.prepare()
    base = f"{package.name}/{package.version}/"
    stale = _stale(package.directory, store, base)
    for file in stale:
        data = (package.directory / file).read_bytes()
        store.write(base + file, data)
        if stored_digest(store, base + file) != hashlib.sha256(data).hexdigest():
            problem = f"{base}{file} in {store} is not what was written"
            raise RepositoryError("", problem, "publish it again", again=True)
    return stale


def _stale(directory: Path, store: ObjectStore, base: str) -> tuple[str, ...]:
    """The files that are yet to be written, the manifest last."""
    there = {key.removeprefix(base) for key in store.keys(base)}
    stale = []
    for file in files_of(directory):
        found = stored_digest(store, base + file) if file in there else None
        if found == sha256_of(directory / file):
            continue
        if found is not None and MANIFEST_FILE in there and not is_report(file):
            raise RepositoryError(
                "",
                f"{base}{file} is published in {store} with other bytes",
                "publish under a new version: a published one never changes",
            )
        stale.append(file)
    return tuple(stale)
