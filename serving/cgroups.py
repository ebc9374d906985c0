"""The cgroups of this process, of either version; Linux only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from serving.process_tree import PROC

CGROUP: Final = Path("/sys/fs/cgroup")


def cgroup_levels(controller: str) -> Iterator[tuple[int, Path]]:
    """The folders that may limit this process, from its own cgroup up to the root.

    Args:
        controller: As version 1 calls it, `cpu` or `memory`.

    Returns:
        Version, 1 or 2, and folder of each; in a container some of them may not exist.
    """
    with suppress(OSError):
        for line in (PROC / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                version, root = 2, CGROUP
            elif controller in controllers.split(","):
                version, root = 1, CGROUP / controller
            else:
                continue
            folder = root / path.lstrip("/")
            for level in (folder, *folder.parents):
                if level.is_relative_to(root):
                    yield version, level
