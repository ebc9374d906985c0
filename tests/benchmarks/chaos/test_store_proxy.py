"""The way to a store fails as it is told to, and nothing is wrong once it does not any more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from benchmarks.chaos.store_proxy import StoreFault, StoreProxy
from benchmarks.chaos.swift_server import SwiftServer
from pipelines import StoreError
from pipelines.delivery import S3Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IMAGE = os.urandom(100_000)
DIGEST = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture(scope="module")
def proxy(s3_server: SwiftServer) -> Iterator[StoreProxy]:
    with StoreProxy(s3_server.endpoint) as one:
        yield one


def settings(proxy: StoreProxy, server: SwiftServer) -> S3Settings:
    short = {"read_timeout_s": 1.0, "transfer_timeout_s": 3.0}
    return server.settings("chaos", endpoint=proxy.endpoint).model_copy(update=short)


def test_a_healthy_proxy_passes_everything_on(proxy, s3_server):
    store = settings(proxy, s3_server).open()
    store.put("kf/healthy.jpg", IMAGE, DIGEST, "image/jpeg")
    assert s3_server.settings("chaos").open().get("kf/healthy.jpg") == IMAGE


@pytest.mark.parametrize("fault", [one for one in StoreFault if one is not StoreFault.NONE])
def test_a_store_behind_a_faulty_proxy_stores_nothing_until_it_is_healed(proxy, s3_server, fault):
    store, key = settings(proxy, s3_server).open(), f"kf/{fault.value}.jpg"
    store.put("kf/before.jpg", IMAGE, DIGEST, "image/jpeg")
    proxy.set_fault(fault)
    try:
        with pytest.raises(StoreError) as raised:
            store.put(key, IMAGE, DIGEST, "image/jpeg")
    finally:
        proxy.set_fault(StoreFault.NONE)
    assert ("AccessDenied" in str(raised.value)) is (fault is StoreFault.DENY)
    store.put(key, IMAGE, DIGEST, "image/jpeg")
    assert store.get(key) == IMAGE
