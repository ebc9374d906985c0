"""Sections about the machines that a city runs on, and the processes there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, PlainValidator

from cityeye.config.addresses import ray_address
from cityeye.config.section import Section
from cityeye.config.values import count_or_auto, memory_or_auto
from serving import OWN_RAY

MIB = 1024 * 1024

CountOrAuto = Annotated[
    int | Literal["auto"], PlainValidator(count_or_auto, json_schema_input_type=int | str)
]
MemoryOrAuto = Annotated[
    int | Literal["auto"], PlainValidator(memory_or_auto, json_schema_input_type=int | str)
]
RayAddress = Annotated[str, AfterValidator(ray_address)]


class WorkersSection(Section):
    """How cameras are spread over processes."""

    cameras_per_worker: CountOrAuto = "auto"
    """cameras that share one process, or `auto`, for example `8`"""
    memory_mib: MemoryOrAuto = "auto"
    """MiB of memory above which such a process is replaced, or `auto`, for example `4096`"""
    nodes: Literal["here", "all"] = "here"
    """which machines of a Ray cluster watch cameras, this one or `all`, for example `here`"""

    @property
    def memory_bytes(self) -> int | Literal["auto"]:
        """The same in bytes."""
        return "auto" if self.memory_mib == "auto" else self.memory_mib * MIB


class RaySection(Section):
    """Which Ray the city runs on."""

    address: RayAddress = OWN_RAY
    """`local` for a Ray of this machine alone, `auto` for the cluster that this machine has
    joined, or HOST:PORT of that cluster, for example `local`"""
