"""Where models come from, as plain values: they travel to any node, and are opened there.

`FolderModels` and `RemoteModels` say what a city's repository is; `RemotePackage` is what a replica
on another node needs to find one package of it, with the same bytes. Keys that are left out are
taken from the environment of the process that opens the repository, so that they need not travel.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from models import (
    MANIFEST_FILE,
    NAME_PATTERN,
    VERSION_PATTERN,
    ModelPackage,
    ModelRepository,
    PackageCache,
    PackageError,
    RemoteRepository,
    RepositoryError,
)

SCHEME = "s3"
ENVIRONMENT_PREFIX = "CITYEYE_MODELS_"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_PREFIX = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_URL = re.compile(rf"{SCHEME}://({_BUCKET})((?:/{_PREFIX})*)/?")
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0
TRANSFER_TIMEOUT_S = 900.0


def parse_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://BUCKET/PREFIX`; the prefix has no slash at its ends.

    Raises:
        ValueError: It is not such a URL; the text says what it is and what to write.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme != SCHEME:
        kind = f"`{scheme}` is not a kind of model repository" if separator else "it is no address"
        raise ValueError(f"{kind}; write s3://BUCKET/PREFIX, or a folder as `path`")
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("bucket and prefix cannot be read; write s3://BUCKET/PREFIX")
    from pipelines.delivery import check_bucket

    return check_bucket(match.group(1)), match.group(2).strip("/")


def _check_url(url: str) -> str:
    parse_url(url)
    return url


ModelsUrl = Annotated[str, AfterValidator(_check_url)]
"""`s3://BUCKET/PREFIX`."""


class _Value(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class FolderModels(_Value):
    """A folder of packages, at the same path on every node that runs one."""

    path: Path

    def open(self) -> ModelRepository:
        """The repository."""
        return ModelRepository(self.path)

    def place(self, package: ModelPackage) -> Path:
        """What `DetectorArgs.package` has to be for a package found here."""
        return package.directory.resolve()


class StoreKeys(_Value):
    """Who we are at a store of models; what is left out is taken from the environment."""

    access_key: SecretStr | None = Field(default=None, repr=False)
    """the access key, for example `${CITYEYE_MODELS_ACCESS_KEY}`"""
    secret_key: SecretStr | None = Field(default=None, repr=False)
    """the secret key, for example `${CITYEYE_MODELS_SECRET_KEY}`"""
    region: str = "us-east-1"
    """the region, for example `us-east-1`"""


class RemoteModels(StoreKeys):
    """A repository in an S3-compatible store. Its `repr` shows no key.

    Attributes:
        url: `s3://BUCKET/PREFIX`.
        endpoint: `https://HOST:PORT` of the store.
        cache: Folder for verified copies, on the disk of whichever node opens the repository.
    """

    url: ModelsUrl
    endpoint: str
    cache: Path

    def open(self, environment: Mapping[str, str] | None = None) -> RemoteRepository:
        """The repository; connects to nothing yet. Keys left out come from the environment.

        Raises:
            RepositoryError: A key is nowhere to be found, or the endpoint cannot be one.
        """
        from pipelines.delivery import S3Settings
        from serving.model_store import ModelObjects

        bucket, prefix = parse_url(self.url)
        access_key = self._key(self.access_key, "ACCESS_KEY", environment or {})
        secret_key = self._key(self.secret_key, "SECRET_KEY", environment or {})
        try:
            settings = S3Settings(
                endpoint=self.endpoint,
                bucket=bucket,
                access_key=SecretStr(access_key),
                secret_key=SecretStr(secret_key),
                region=self.region,
                connect_timeout_s=CONNECT_TIMEOUT_S,
                read_timeout_s=READ_TIMEOUT_S,
                transfer_timeout_s=TRANSFER_TIMEOUT_S,
            )
        except ValidationError:
            problem = f"{self.url}: its endpoint is not host:port of a store"
            raise RepositoryError("", problem, "write endpoint as https://HOST:PORT") from None
        return RemoteRepository(ModelObjects(settings, prefix), self._copies(bucket))

    def copies(self) -> PackageCache:
        """This machine's verified copies."""
        return PackageCache(self._copies(parse_url(self.url)[0]))

    def place(self, package: ModelPackage) -> RemotePackage:
        """What `DetectorArgs.package` has to be for a package found here."""
        return RemotePackage(
            **dict(self), name=package.name, version=package.version, manifest=digest_of(package)
        )

    def _copies(self, bucket: str) -> Path:
        """This repository's part of the cache: two stores never share a copy."""
        whole = f"{self.endpoint}\n{self.url.rstrip('/')}".encode()
        return self.cache / f"{bucket}-{hashlib.sha256(whole).hexdigest()[:12]}"

    def _key(self, given: SecretStr | None, name: str, environment: Mapping[str, str]) -> str:
        found = given.get_secret_value() if given else environment.get(ENVIRONMENT_PREFIX + name)
        if not found:
            problem = f"no key for {self.url} at {self.endpoint}"
            raise RepositoryError("", problem, f"set {ENVIRONMENT_PREFIX}{name}")
        return found


ModelSource = FolderModels | RemoteModels


class RemotePackage(RemoteModels):
    """One package of a remote repository.

    Attributes:
        name: Package name.
        version: Package version.
        manifest: The sha256 that `model.yaml` must have; not compared if empty.
    """

    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=VERSION_PATTERN)
    manifest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


def package_from(source: Path | RemotePackage, environment: Mapping[str, str]) -> ModelPackage:
    """The verified package that a replica is to run, fetched if this node does not have it.

    Raises:
        ModelError: It cannot be had, or is not the one that was meant.
    """
    if isinstance(source, Path):
        return ModelPackage.load(source)
    package = source.open(environment).find(source.name, source.version)
    if source.manifest and digest_of(package) != source.manifest:
        raise PackageError(
            str(package),
            package.directory / MANIFEST_FILE,
            "is not the one that the city was started with",
            "publish a changed model under a new version",
        )
    return package


def digest_of(package: ModelPackage) -> str:
    """The sha256 of a package's manifest, which stands for all that serves."""
    return hashlib.sha256((package.directory / MANIFEST_FILE).read_bytes()).hexdigest()
