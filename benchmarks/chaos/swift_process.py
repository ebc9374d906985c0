"""OpenStack Swift in one process: account, container, object and proxy servers with the S3 API.

Run as a script with a folder, the access key and the secret key. Prints the port of the S3 API once
it answers, and ends when its standard input does, so that it never outlives the test run.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
from __future__ import annotations

import sys
from pathlib import Path

SWIFT = """
[swift-hash]
swift_hash_path_prefix = cityeye
swift_hash_path_suffix = tests
[storage-policy:0]
name = only
default = yes
"""

DEFAULT = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
log_address = {folder}/no-syslog
"""

BACKEND = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
recon_cache_path = {folder}/recon
"""

PROXY = """
[pipeline:main]
pipeline = catch_errors s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
"""

BACKENDS = ("account", "container", "object")
PART_POWER = 2
REPLICAS = 1
MIN_PART_HOURS = 0


def write_ring(path: Path, port: int) -> None:
    """Writes the ring of a kind of server: one device on this machine."""
    from swift.common.ring import RingBuilder

    builder = RingBuilder(PART_POWER, REPLICAS, MIN_PART_HOURS)
    place = {"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port}
    builder.add_dev({**place, "device": "disk", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(str(path))


def main(folder: Path, access_key: str, secret: str) -> None:
    """Serves below a folder until standard input ends."""
    from swift.common.utils import monkey_patch

    monkey_patch()
    import eventlet
    import eventlet.tpool
    import eventlet.wsgi
    from swift.common import utils, wsgi
    from swift.common.storage_policy import reload_storage_policies

    (folder / "devices" / "disk").mkdir(parents=True)
    (folder / "recon").mkdir()
    (folder / "swift.conf").write_text(SWIFT)
    utils.set_swift_dir(str(folder))
    reload_storage_policies()
    user = access_key.replace(":", "_")
    listeners = {}
    for kind in (*BACKENDS, "proxy"):
        listeners[kind] = eventlet.listen(("127.0.0.1", 0))
        if kind in BACKENDS:
            write_ring(folder / f"{kind}.ring.gz", listeners[kind].getsockname()[1])
        text = DEFAULT + (PROXY if kind == "proxy" else BACKEND)
        path = folder / f"{kind}.conf"
        path.write_text(text.format(folder=folder, kind=kind, user=user, secret=secret))
        app = wsgi.loadapp(str(path), global_conf={"log_name": kind})
        eventlet.spawn(
            eventlet.wsgi.server,
            listeners[kind],
            app,
            log=utils.NullLogger(),
            protocol=wsgi.SwiftHttpProtocol,
            capitalize_response_headers=False,
        )
    sys.stdout.write(f"{listeners['proxy'].getsockname()[1]}\n")
    sys.stdout.flush()
    eventlet.tpool.execute(sys.stdin.read)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
