"""Keyframes in anything that speaks S3; every call ends within about twenty seconds.

Uses the portable subset only: PUT, GET, HEAD of objects and buckets, path-style keys, signature 4.
The client library would wait five minutes and try five times; here timeouts and retries are ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.util import Retry, Timeout

from pipelines.errors import KeyframeMissing, StoreError, StoreRefused, StoreUnavailable
from pipelines.stores.store import check_digest

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
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


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How to reach a store. Its `repr` does not show the secret key.

    Attributes:
        endpoint: `host:port`, or a URL whose scheme then decides about TLS.
        bucket: Where keyframes are kept.
        access_key: Who we are.
        secret_key: Proof of it.
        region: Part of every signature; the store must agree.
        secure: TLS, where the endpoint has no scheme.
        ca_certs: File of certificate authorities, instead of the system's.
        create_bucket: Whether to create the bucket when it is missing.
        connect_timeout_s: Seconds.
        read_timeout_s: Seconds without a byte of the answer.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    secure: bool = True
    ca_certs: str | None = None
    create_bucket: bool = True
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 10.0


class S3Store:
    """A `KeyframeStore` in a bucket. Connects on first use; safe for use from several threads.

    Needs the rights to put, get and head objects; making the bucket only where it is missing.
    """

    def __init__(self, settings: S3Settings) -> None:
        """Prepares the client.

        Raises:
            ValueError: The endpoint is neither `host:port` nor a URL of them, or no bucket can
                have this name.
        """
        if not BUCKET.fullmatch(settings.bucket):
            raise ValueError(
                f"{settings.bucket!r} is no bucket name: 3 to 63 of a-z, 0-9, '-' and '.'"
            )
        scheme, _, rest = settings.endpoint.rpartition("://")
        if scheme not in {"", "http", "https"}:
            raise ValueError(f"an S3 endpoint is http or https, not {scheme}")
        address = urlsplit(f"//{rest.rstrip('/')}").netloc
        if not address or address != rest.rstrip("/") or "@" in address:
            raise ValueError("an S3 endpoint is host:port, without a path and credentials")
        self._settings = settings
        self._name = f"bucket {settings.bucket} at {address}"
        self._bucket_checked = False
        self._bucket_lock = threading.Lock()
        self._client = Minio(
            address,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            region=settings.region,
            secure=scheme == "https" if scheme else settings.secure,
            http_client=_pool(settings),
        )

    def __repr__(self) -> str:
        return f"S3Store({self._name})"

    def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
        """See `KeyframeStore.put`."""
        check_digest(key, data, sha256)
        with self._translated(key):
            self._ensure_bucket()
            self._client.put_object(
                self._settings.bucket,
                key,
                io.BytesIO(data),
                len(data),
                content_type=media_type,
                num_parallel_uploads=1,
            )
            found = self._client.stat_object(self._settings.bucket, key)
        etag = (found.etag or "").strip('"').lower()
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found.size != len(data) or (PLAIN_MD5.fullmatch(etag) and etag != digest):
            raise StoreUnavailable(f"{key} in {self._name} is not what was sent: send it again")

    def get(self, key: str) -> bytes:
        """See `KeyframeStore.get`."""
        with self._translated(key):
            response = self._client.get_object(self._settings.bucket, key)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def exists(self, key: str) -> bool:
        """See `KeyframeStore.exists`."""
        try:
            with self._translated(key):
                self._client.stat_object(self._settings.bucket, key)
        except KeyframeMissing:
            return False
        return True

    def _ensure_bucket(self) -> None:
        with self._bucket_lock:
            if self._bucket_checked or not self._settings.create_bucket:
                return
            try:
                if not self._client.bucket_exists(self._settings.bucket):
                    self._client.make_bucket(self._settings.bucket, self._settings.region)
            except S3Error as error:
                # Another worker was faster, or our rights end at objects: the put will tell.
                if error.code not in BUCKET_THERE_CODES:
                    raise
            self._bucket_checked = True

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
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
            return KeyframeMissing(f"no keyframe {key} in {self._name}")
        answered = f"{self._name} answered {error.code}"
        if error.code in TRANSIENT_CODES or error.response.status >= STATUS_SERVER_ERROR:
            return StoreUnavailable(answered)
        if error.code == "NoSuchBucket":
            # It may be created again at the next attempt.
            self._bucket_checked = False
        return StoreRefused(f"{answered}: check bucket, region, keys, rights and clock")


def _pool(settings: S3Settings) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        timeout=Timeout(connect=settings.connect_timeout_s, read=settings.read_timeout_s),
        retries=Retry(total=1, redirect=0, backoff_factor=0.2, raise_on_redirect=False),
        maxsize=4,
        cert_reqs="CERT_REQUIRED",
        ca_certs=settings.ca_certs,
    )
