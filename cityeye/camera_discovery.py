"""Finds ONVIF cameras of the local network and writes the configuration lines for them.

What a device says of itself is quoted as data: it cannot name variables of the environment, end a
comment or bring keys of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import yaml

from camera_adapters import CameraNetwork, Credentials
from camera_adapters.onvif import (
    FoundDevice,
    NetworkProbe,
    OnvifDevice,
    OnvifFault,
    StreamNeeds,
    VideoProfile,
    by_source,
    examine_device,
    find_devices,
    main_profile,
    proposed_profile,
)
from cityeye.config import holds_password, without_variables

AT_ONCE: Final = 16
CLOCK_NOTICE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for, and how its lines are written.

    Attributes:
        wait_s: Seconds in which devices may answer.
        interface: The IPv4 address of ours whose network is asked; all without it.
        named: Devices that are asked without a probe.
        credentials: The login for devices.
        password: How the configuration gets the password: a key with its value.
        tasks: The tasks that are written for each camera, with their models.
        needs: What a stream must have to be proposed.
        network: Where cameras may be.
    """

    wait_s: float
    interface: str | None
    named: tuple[FoundDevice, ...]
    credentials: Credentials | None
    password: tuple[str, str]
    tasks: dict[str, str]
    needs: StreamNeeds
    network: CameraNetwork


@dataclass(frozen=True, slots=True)
class DiscoveredCamera:
    """One video source of a device.

    Attributes:
        device: Its device.
        number: Which camera of its address, from 1; 0 where there is one only.
        profiles: All streams of it.
        proposed: The stream for inference.
        main: The larger stream for evidence; None where that is the same, or none shows the same.
        enough: Whether that stream has the pixels and frames that are needed.
    """

    device: OnvifDevice
    number: int
    profiles: tuple[VideoProfile, ...]
    proposed: VideoProfile
    main: VideoProfile | None
    enough: bool

    @property
    def id(self) -> str:
        """An id for the configuration, of the address."""
        place = re.sub(r"[^0-9A-Za-z]+", "-", self.device.address).strip("-")
        return f"camera-{place}{f'-{self.number}' if self.number else ''}"

    @property
    def name(self) -> str:
        """What the device calls itself, with the number of the camera."""
        return f"{self.device.name} {self.number or ''}".strip()


@dataclass(slots=True)
class Discovery:
    """What was found.

    Attributes:
        cameras: Cameras with a stream that can be read.
        problems: One sentence for each device that cannot be used, by its address.
        notices: What to know of devices that can be used.
        devices: How many devices answered.
    """

    cameras: list[DiscoveredCamera] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    devices: int = 0


def discover_cameras(search: Search) -> Discovery:
    """Probes the network, asks who answered, and gathers their cameras."""
    probe = find_devices(search.wait_s, search.interface)
    devices = _each_once((*search.named, *probe.devices))
    found = Discovery(devices=len(devices))
    found.problems += _of_probe(probe, search)

    def ask(one: FoundDevice) -> OnvifDevice | OnvifFault:
        try:
            return examine_device(one, search.credentials, search.network)
        except OnvifFault as fault:
            return fault

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for answer in pool.map(ask, devices):
            if isinstance(answer, OnvifFault):
                found.problems.append(str(answer))
            else:
                _add(answer, search.needs, found)
    found.cameras = _numbered(found.cameras)
    return found


def configuration_lines(found: Discovery, search: Search) -> Iterator[str]:
    """Lines to be pasted under `cameras:`, with what is known of each camera as comments."""
    for camera in found.cameras:
        device = camera.device
        facts = (device.maker, device.model, f"firmware {device.firmware or 'unknown'}")
        yield f"# {device.address}: {' '.join(filter(None, facts))}, serial {device.serial or '?'}"
        for profile in camera.profiles:
            mark = _mark(camera, profile)
            mark = f" ({mark})" if mark else ""
            yield f"#   {profile.name}: {profile}{mark}"
        yield from _section(camera, search)


def as_document(found: Discovery, search: Search) -> dict[str, Any]:
    """The same for programs."""
    return {
        "cameras": [
            {
                "configuration": _keys(one, search),
                "device": {
                    key: value for key, value in asdict(one.device).items() if key != "profiles"
                },
                "profiles": [
                    {
                        **asdict(profile),
                        "proposed": profile is one.proposed,
                        "main": profile is one.main,
                    }
                    for profile in one.profiles
                ],
                "enough": one.enough,
            }
            for one in found.cameras
        ],
        "problems": found.problems,
        "notices": found.notices,
    }


def _mark(camera: DiscoveredCamera, profile: VideoProfile) -> str:
    """What a stream is proposed for."""
    if profile is camera.main:
        return "proposed for evidence"
    if profile is camera.proposed:
        return "proposed for inference" if camera.main else "proposed"
    return ""


def _largest(profiles: Sequence[VideoProfile]) -> VideoProfile:
    return max(profiles, key=lambda one: one.pixels)


def _each_once(devices: Sequence[FoundDevice]) -> list[FoundDevice]:
    """A device that was named and answered too is asked where it says."""
    found = {(one.address, one.service.port): one for one in devices}
    return list(found.values())


def _of_probe(probe: NetworkProbe, search: Search) -> Iterator[str]:
    for address in probe.unreadable:
        yield (
            f"{address}: answers the probe with something that is not ONVIF; "
            "check what is there, or update its firmware"
        )
    # A machine has interfaces that know no multicast; they matter only where one was asked for.
    for name, reason in probe.unreachable.items() if search.interface else ():
        yield f"{name}: the probe cannot be sent there ({reason.lower()}); give an address of ours"


def _add(device: OnvifDevice, needs: StreamNeeds, found: Discovery) -> None:
    sources = by_source(device.profiles)
    for number, profiles in enumerate(sources.values(), 1):
        shown = [one for one in profiles if not holds_password(one.address)]
        where = device.address if len(sources) == 1 else f"{device.address}, source {number}"
        if len(shown) < len(profiles):
            found.notices.append(
                f"{where}: {len(profiles) - len(shown)} stream addresses hold a password and are "
                "left out; take them from the device's own page"
            )
        proposed, enough = proposed_profile(shown, needs)
        if proposed is None:
            offered = ", ".join(sorted({one.encoding or "unknown" for one in profiles}))
            found.problems.append(
                f"{where}: no stream that can be read ({offered}); set one to H.264 or H.265"
            )
            continue
        if not enough:
            found.notices.append(
                f"{where}: no stream has {needs.width}x{needs.height} at {needs.fps:g}/s; the "
                f"largest is proposed, {proposed}: change the profiles at the device"
            )
        main = main_profile(shown, proposed)
        if main is None and (larger := _largest(shown)).pixels > proposed.pixels:
            found.notices.append(
                f"{where}: {larger} cannot be the main stream beside {proposed}: that needs H.264 "
                "or H.265, the same ratio of width to height, and the same host and port"
            )
        found.cameras.append(DiscoveredCamera(device, 0, tuple(shown), proposed, main, enough))
    found.notices += _notices(device)


def _numbered(cameras: list[DiscoveredCamera]) -> list[DiscoveredCamera]:
    """Gives numbers to cameras of one address: lenses of a device, or devices behind one router."""
    count = Counter(one.device.address for one in cameras)
    seen: Counter[str] = Counter()
    numbered = []
    for one in cameras:
        address = one.device.address
        seen[address] += 1
        numbered.append(replace(one, number=seen[address] if count[address] > 1 else 0))
    return numbered


def _notices(device: OnvifDevice) -> Iterator[str]:
    if abs(device.clock_ahead_s) > CLOCK_NOTICE_S:
        way = "ahead" if device.clock_ahead_s > 0 else "behind"
        yield (
            f"{device.address}: its clock is {abs(device.clock_ahead_s):.0f} s {way}; "
            "set its time server"
        )
    if device.foreign_hosts:
        yield (
            f"{device.address}: its stream addresses name {', '.join(device.foreign_hosts)}; check "
            "that this is the same device before a password goes there"
        )


def _keys(camera: DiscoveredCamera, search: Search) -> dict[str, Any]:
    section: dict[str, Any] = {
        "id": camera.id,
        "name": without_variables(camera.name),
        "source": without_variables((camera.main or camera.proposed).address),
    }
    if camera.main is not None:
        section["inference_source"] = without_variables(camera.proposed.address)
    if search.credentials is not None:
        section["username"] = without_variables(search.credentials.username)
        key, value = search.password
        section[key] = value
    section["tasks"] = {task: {"model": model} for task, model in search.tasks.items()}
    return section


def _section(camera: DiscoveredCamera, search: Search) -> list[str]:
    text = yaml.safe_dump([_keys(camera, search)], sort_keys=False, allow_unicode=True, width=1000)
    return text.rstrip("\n").split("\n")
