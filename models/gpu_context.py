"""The GPU context that a process shares: how its threads wait for the GPU."""

from __future__ import annotations

import ctypes
from typing import Final

DRIVER: Final = "libcuda.so.1"
SCHED_BLOCKING_SYNC: Final = 4
"""`CU_CTX_SCHED_BLOCKING_SYNC` of the driver's interface."""


def wait_asleep() -> None:
    """Makes threads sleep while they wait for the GPU; for the first GPU, before anything uses it.

    By default they spin, and each micro-batch costs a core for as long as it runs. FFmpeg shares a
    context of this kind only, so decoding in the same process depends on it too. Without a driver
    nothing happens: whoever uses the GPU next says what is wrong.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return
    device = ctypes.c_int()
    if driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0:
        driver.cuDevicePrimaryCtxSetFlags_v2(device, ctypes.c_uint(SCHED_BLOCKING_SYNC))
