"""Anything that speaks S3: a bucket, and keyframes in it; every wait has an end.

Uses the portable subset only: PUT, GET, HEAD, DELETE and LIST of objects, HEAD and PUT of buckets,
path-style keys, signature 4. The client library would wait five minutes and try five times; here
timeouts and retries are ours. The library is loaded where a bucket is used, not where settings are
read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import ipaddress
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any
from xml.etree.ElementTree import ParseError

import urllib3
from pydantic import AfterValidator, Field, SecretStr
from urllib3.util import Retry, Timeout

from pipelines.delivery.durable import check_digest
from pipelines.delivery.settings import (
    CaCerts,
    ConnectTimeout,
    DeliverySettings,
    ReadTimeout,
    Seconds,
)
from pipelines.delivery.stores.store import day_of, prefix_of
from pipelines.errors import KeyframeMissing, StoreError, StoreRefused, StoreUnavailable
from pipelines.keyframe_key import KEY_PREFIX

if TYPE_CHECKING:
    from minio.error import S3Error

ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
MAX_PORT = 65_535
NUMERIC = re.compile(r"[0-9.]+")
NOT_IN_BUCKETS = ("..", ".-", "-.")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")
"""An ETag that is the object's MD5: neither multipart nor encrypted by the store."""

MISSING_CODES = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "TooManyRequests",
        "XMinioServerNotInitialized",
    }
)
BUCKET_THERE_CODES = frozenset({"AccessDenied", "BucketAlreadyExists", "BucketAlreadyOwnedByYou"})
STATUS_SERVER_ERROR = 500
MIN_PART_BYTES = 5 * 1024 * 1024
CHUNK_BYTES = 256 * 1024


def _check_endpoint(endpoint: str) -> str:
    scheme, mark, rest = endpoint.rpartition("://")
    address = rest.removesuffix("/")
    parsed = ADDRESS.fullmatch(address)
    fault = ""
    if mark and scheme not in {"http", "https"}:
        fault = "the address of the store begins with neither http:// nor https://"
    elif "@" in address:
        fault = "the address of the store holds a login"
    elif "/" in address:
        fault = "the address of the store has a path"
    elif parsed is None or not _is_host(parsed["host"]):
        fault = "the address of the store has no valid host"
    elif parsed["port"] and not 1 <= int(parsed["port"]) <= MAX_PORT:
        fault = f"the port of the store is not one from 1 to {MAX_PORT}"
    if fault:
        # The scheme is not repeated: a login may stand in front of it.
        remedy = "write https://HOST:PORT, and keys under `access_key:` and `secret_key:`"
        raise ValueError(f"{fault}; {remedy}")
    return endpoint


def _is_host(host: str) -> bool:
    """Whether text is an IP address, IPv6 in brackets, or a host name."""
    if host.startswith("[") or NUMERIC.fullmatch(host):
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True
    return all(LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def check_bucket(name: str) -> str:
    """The name of a bucket as every S3-compatible store takes it.

    Raises:
        ValueError: It is none; the text says what is wrong and what to write.
    """
    fault = ""
    if not BUCKET.fullmatch(name):
        fault = "the name of the bucket is not 3 to 63 of a-z, 0-9, `-` and `.`"
    elif any(pair in name for pair in NOT_IN_BUCKETS):
        fault = "the name of the bucket has a dot beside another dot or `-`"
    elif NUMERIC.fullmatch(name) and _is_host(name):
        fault = "the name of the bucket is an IP address"
    if fault:
        raise ValueError(f"{fault}; name a bucket such as `keyframes`")
    return name


Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
"""`host:port`, or a URL of them whose scheme then decides about TLS."""


class S3Settings(DeliverySettings):
    """How to reach a bucket of an S3-compatible store. Its `repr` shows no key.

    Attributes:
        region: Part of every signature; the store must agree.
        secure: TLS, where the endpoint has no scheme.
        connect_timeout_s: Seconds, also for each block that is sent.
        transfer_timeout_s: Seconds that one object may take on its way, however it trickles.
    """

    endpoint: Endpoint = Field(
        description="the store's address", examples=["https://minio.local:9000"]
    )
    bucket: Annotated[str, AfterValidator(check_bucket)] = Field(
        description="a bucket, 3 to 63 of a-z, 0-9, `-` and `.`", examples=["keyframes"]
    )
    access_key: SecretStr = Field(description="the access key", examples=["${S3_ACCESS_KEY}"])
    secret_key: SecretStr = Field(description="the secret key", examples=["${S3_SECRET_KEY}"])
    region: str = Field(default="us-east-1", description="the region", examples=["us-east-1"])
    secure: bool = Field(default=True, description="`true` for TLS", examples=["true"])
    ca_certs: CaCerts = None
    create_bucket: bool = Field(
        default=True, description="whether to create a missing bucket", examples=["true"]
    )
    connect_timeout_s: ConnectTimeout = 2.0
    read_timeout_s: ReadTimeout = 10.0
    transfer_timeout_s: Seconds = Field(
        default=20.0, description="seconds that one image may take on its way", examples=[20]
    )

    def open(self) -> S3Store:
        """The keyframe store; connects to nothing yet.

        Raises:
            StoreRefused: The client library does not take the address.
        """
        return S3Store(self)


class S3Bucket:
    """The objects of a bucket. Connects on first use; safe for use from several threads.

    Needs the rights to put, get, head and list objects; making the bucket only where it is missing.
    All methods raise `StoreUnavailable` where trying again later may help, and `StoreRefused` where
    a person has to change something first.
    """

    def __init__(self, settings: S3Settings) -> None:
        """Prepares the client.

        Raises:
            StoreRefused: The client library does not take the address.
        """
        from minio import Minio

        scheme, _, rest = settings.endpoint.rpartition("://")
        address = rest.rstrip("/")
        self._settings = settings
        self._name = f"bucket {settings.bucket} at {address}"
        self._bucket_checked = False
        self._bucket_lock = threading.Lock()
        try:
            self._client = Minio(
                address,
                access_key=settings.access_key.get_secret_value(),
                secret_key=settings.secret_key.get_secret_value(),
                region=settings.region,
                secure=scheme == "https" if scheme else settings.secure,
                http_client=_Pool(settings),
            )
        except ValueError as error:
            # It knows more of the addresses and regions of some stores than we do.
            raise StoreRefused(f"{self._name} cannot be used: {error}") from None

    def __str__(self) -> str:
        return self._name

    def put(self, key: str, data: bytes, media_type: str) -> None:
        """Stores an object in one request, and asks whether it arrived whole.

        Raises:
            StoreUnavailable: Also where the store keeps something else than was sent.
        """
        with self._translated(key):
            self._ensure_bucket()
            self._client.put_object(
                self._settings.bucket,
                key,
                io.BytesIO(data),
                len(data),
                content_type=media_type,
                part_size=max(MIN_PART_BYTES, len(data)),
                num_parallel_uploads=1,
            )
            found = self._client.stat_object(self._settings.bucket, key)
        etag = (found.etag or "").strip('"').lower()
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found.size != len(data) or (PLAIN_MD5.fullmatch(etag) and etag != digest):
            raise StoreUnavailable(f"{key} in {self._name} is not what was sent: send it again")

    def read(self, key: str, sink: Callable[[bytes], object]) -> None:
        """Hands an object to `sink`, piece by piece; what `sink` raises ends the transfer.

        Raises:
            KeyframeMissing: There is no such object.
        """
        deadline_s = time.monotonic() + self._settings.transfer_timeout_s
        with self._translated(key):
            response = self._client.get_object(self._settings.bucket, key)
            try:
                while piece := response.read1(CHUNK_BYTES):
                    sink(piece)
                    if time.monotonic() > deadline_s:
                        raise StoreUnavailable(f"{key} from {self._name} takes too long to arrive")
            finally:
                response.close()
                response.release_conn()

    def exists(self, key: str) -> bool:
        """Whether there is an object under this key."""
        try:
            with self._translated(key):
                self._client.stat_object(self._settings.bucket, key)
        except KeyframeMissing:
            return False
        return True

    def keys(self, prefix: str, limit: int) -> list[str]:
        """The keys that begin with `prefix`, in the order of the store, at most `limit`."""
        found = itertools.islice(self.sizes(prefix, deep=True), limit)
        return [key for key, _ in found]

    def sizes(self, prefix: str, *, deep: bool) -> Iterator[tuple[str, int]]:
        """Keys that begin with `prefix`, and sizes; a key up to its next `/` where not `deep`."""
        with self._translated(prefix):
            for one in self._client.list_objects(
                self._settings.bucket, prefix=prefix, recursive=deep
            ):
                yield one.object_name or "", one.size or 0

    def remove(self, key: str) -> None:
        """Deletes an object; one that is not there is no error."""
        with contextlib.suppress(KeyframeMissing), self._translated(key):
            self._client.remove_object(self._settings.bucket, key)

    def make(self) -> None:
        """Makes the bucket if it is missing and the settings allow it."""
        with self._translated(""):
            self._ensure_bucket()

    def _ensure_bucket(self) -> None:
        from minio.error import S3Error

        with self._bucket_lock:
            if self._bucket_checked or not self._settings.create_bucket:
                return
            try:
                if not self._client.bucket_exists(self._settings.bucket):
                    self._client.make_bucket(self._settings.bucket, self._settings.region)
            except S3Error as error:
                # Another worker was faster, or our rights end at objects: the put will show.
                if error.code not in BUCKET_THERE_CODES:
                    raise
            self._bucket_checked = True

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

        try:
            yield
        except S3Error as error:
            raise self._from_answer(key, error) from None
        except (ServerError, InvalidResponseError, ParseError, UnicodeDecodeError) as error:
            raise StoreUnavailable(f"{self._name}: {type(error).__name__}") from None
        except MinioException as error:
            raise StoreRefused(f"{self._name}: {type(error).__name__}") from None
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise StoreUnavailable(
                f"{self._name} does not answer: {type(reason).__name__}"
            ) from None

    def _from_answer(self, key: str, error: S3Error) -> StoreError:
        if error.code in MISSING_CODES:
            return KeyframeMissing(f"there is no {key} in {self._name}")
        # The answer is foreign text, and nobody knows what a store repeats in it.
        said = error.code if CODE.fullmatch(error.code or "") else error.response.status
        answered = f"{self._name} answered {said}"
        if error.code in TRANSIENT_CODES or error.response.status >= STATUS_SERVER_ERROR:
            return StoreUnavailable(answered)
        if error.code == "NoSuchBucket":
            # It may be created again at the next attempt.
            self._bucket_checked = False
        return StoreRefused(f"{answered}: check bucket, region, keys, rights and clock")


class S3Store:
    """A `KeyframeStore` in a bucket; only retention needs the rights to list and to delete."""

    def __init__(self, settings: S3Settings) -> None:
        """Prepares the client."""
        self._bucket = S3Bucket(settings)

    def __repr__(self) -> str:
        return f"S3Store({self._bucket})"

    def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
        """See `KeyframeStore.put`."""
        check_digest(key, data, sha256)
        self._bucket.put(key, data, media_type)

    def get(self, key: str) -> bytes:
        """See `KeyframeStore.get`."""
        pieces: list[bytes] = []
        self._bucket.read(key, pieces.append)
        return b"".join(pieces)

    def exists(self, key: str) -> bool:
        """See `KeyframeStore.exists`."""
        return self._bucket.exists(key)

    def days(self, prefix: str = KEY_PREFIX) -> list[date]:
        """See `KeyframeStore.days`."""
        # Before the first keyframe there may be no bucket, which is no fault.
        self._bucket.make()
        prefixes = [prefix]
        for _ in ("years", "months", "days"):
            levels = [self._bucket.sizes(one, deep=False) for one in prefixes]
            prefixes = [found for level in levels for found, _ in level if found.endswith("/")]
        return [day for one in prefixes if (day := day_of(one, prefix)) is not None]

    def of_day(self, day: date, prefix: str = KEY_PREFIX) -> Iterator[tuple[str, int]]:
        """See `KeyframeStore.of_day`."""
        return self._bucket.sizes(prefix_of(day, prefix), deep=True)

    def remove(self, key: str) -> None:
        """See `KeyframeStore.remove`."""
        self._bucket.remove(key)


class _TimedBody(io.BytesIO):
    """A body to be sent block by block, which runs dry with an error when its time is over."""

    def __init__(self, data: bytes, limit_s: float) -> None:
        super().__init__(data)
        self._deadline_s = time.monotonic() + limit_s

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline_s:
            raise TimeoutError("the store takes too long to receive")
        return super().read(size)


class _Pool(urllib3.PoolManager):
    """Sends large bodies in blocks: in one piece, a timeout would be a limit for all of it."""

    def __init__(self, settings: S3Settings) -> None:
        super().__init__(
            timeout=Timeout(connect=settings.connect_timeout_s, read=settings.read_timeout_s),
            retries=Retry(total=1, redirect=0, backoff_factor=0.2, raise_on_redirect=False),
            maxsize=4,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(settings.ca_certs) if settings.ca_certs else None,
        )
        self._limit_s = settings.transfer_timeout_s

    def urlopen(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as urllib3 has it
        if isinstance(options.get("body"), bytes):
            options["body"] = _TimedBody(options["body"], self._limit_s)
        return super().urlopen(*args, **options)
