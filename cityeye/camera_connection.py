"""How a camera is reached, as people see and change it: name, address, login and transport.

The password is never shown. It is kept where a change does not give another one, but only for the
host that it was given for: who may change an address must not have a password sent elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from cityeye.camera_edits import PasswordFiles, camera_in, camera_path
from cityeye.config import YamlText, holds_password, lifted_login, without_variables
from cityeye.config.schema import CameraSection
from cityeye.config.streams import SOURCE_KEYS
from cityeye.errors import CommandError

LOGIN: Final = ("username", "password", "password_file")
SHOWN: Final = ("name", *SOURCE_KEYS, "username", "transport", "verify_tls")
DEFAULTS: Final = {key: CameraSection.model_fields[key].default for key in SHOWN}
VARIABLE: Final = "${"


def connection_of(text: YamlText, camera: str) -> dict[str, Any]:
    """What stands in the configuration, with the defaults of what does not.

    An address is empty where its path holds a password; `has_password` says whether there is one
    anywhere.

    Raises:
        CommandError: There is no such camera.
    """
    written = lifted_login(camera_in(text, camera))
    shown = {key: written.get(key, DEFAULTS[key]) for key in SHOWN}
    hidden = [key for key in SOURCE_KEYS if holds_password(str(written.get(key, "")))]
    shown |= {key: "" if key in hidden else shown[key] or "" for key in SOURCE_KEYS}
    shown["username"] = written.get("username") or ""
    return {**shown, "has_password": bool(hidden) or any(map(written.get, LOGIN[1:]))}


def tried_connection(
    section: CameraSection, text: YamlText, given: Mapping[str, Any]
) -> dict[str, Any]:
    """What to open for a trial: what is given, and what it leaves out as the camera has it.

    Args:
        section: The camera as it runs, with its password.
        text: The configuration.
        given: As in `ConnectionChange`.

    Raises:
        CommandError: The password was given for another address.
    """
    given = lifted_login({key: one for key, one in given.items() if one is not None})
    written = lifted_login(camera_in(text, section.id))
    _check_host(section.id, written, given)
    known = {key: getattr(section, key) for key in (*SOURCE_KEYS, "transport", "verify_tls")}
    tried = {
        **known,
        **{key: one for key, one in given.items() if key in known},
    }
    for key in SOURCE_KEYS:
        if given.get(key) in (None, written.get(key)) or _is_kept(key, written, given):
            # As it stands in the file it may hold variables.
            tried[key] = known[key]
    tried = {key: one for key, one in tried.items() if one not in (None, "")}
    username = section.username if given.get("username") is None else given["username"]
    if not username:
        return tried
    password = given.get("password")
    if password is None and section.password is not None:
        password = section.password.get_secret_value()
    return {**tried, "username": username, "password": password or ""}


class ConnectionChange:
    """Another name, address or login for a camera; see `TextChange`.

    None is for what stays. An empty name goes, and an empty user name takes the password along.
    """

    def __init__(self, camera: str, given: Mapping[str, Any], files: PasswordFiles) -> None:
        """`files` keeps a password that is given.

        Raises:
            CommandError: The login in an address cannot be told from the rest of it.
        """
        self._camera = camera
        # An address may be given with a login in it, as elsewhere.
        self._given = lifted_login({key: one for key, one in given.items() if one is not None})
        self._files = files

    def __call__(self, text: YamlText) -> None:
        """Changes the text.

        Raises:
            CommandError: There is no such camera, or its password was given for another host.
        """
        path = camera_path(text, self._camera)
        raw = camera_in(text, self._camera)
        before = lifted_login(raw)
        _check_host(self._camera, before, self._given)
        changed = {
            key: without_variables(one)
            for key, one in self._given.items()
            if key in SHOWN
            and one != before.get(key, DEFAULTS[key])
            and not _is_kept(key, before, self._given)
        }
        after = {**before, **changed}
        if password := self._given.get("password"):
            after.pop("password", None)
            after["password_file"] = self._files.keep(self._camera, password)
        elif "password" in before and "password" not in raw and VARIABLE not in before["password"]:
            # It stood in the address, which is written anew without it.
            after["password_file"] = self._files.keep(self._camera, after.pop("password"))
        for key in ("name", "username", "inference_source"):
            if not after.get(key):
                after.pop(key, None)
        if self._given.get("username") == "" and not self._given.get("password"):
            after = {key: one for key, one in after.items() if key not in LOGIN}
        for key in (*SHOWN, *LOGIN[1:]):
            if key in raw and key not in after:
                text.remove((*path, key))
            elif key in after and raw.get(key) != after[key]:
                text.set((*path, key), after[key])


def _check_host(camera: str, before: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuses an address of another host for which a password would be kept."""
    if given.get("password") or given.get("username") == "":
        return
    has_password, known = any(map(before.get, LOGIN[1:])), _host(str(before["source"]))
    if has_password and any(_host(one) != known for one in map(given.get, SOURCE_KEYS) if one):
        raise CommandError(
            f"camera {camera}: its password was given for another address; give it again together "
            "with this one"
        )


def _is_kept(key: str, before: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether an empty address means that it stays.

    A camera cannot be without `source`; and what holds a password is shown as empty.
    """
    if key not in SOURCE_KEYS or given.get(key) != "":
        return False
    return key == "source" or holds_password(str(before.get(key, "")))


def _host(source: str) -> tuple[str, str]:
    parts = urlsplit(source)
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()
