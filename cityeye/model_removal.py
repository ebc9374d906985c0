"""`remove_version`: a version goes from a folder of packages, unless a city needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cityeye.access import note_about
from cityeye.city_client import CityClient
from cityeye.config import ConfigurationError, load_config
from cityeye.errors import CommandError
from models import BUILTIN_ROOT, ModelRepository, Repository
from serving.rollout import load_rollouts


def remove_version(
    repository: Repository,
    name: str,
    version: str,
    config: Path,
    api: str,
    environment: Mapping[str, str],
) -> None:
    """Removes a version.

    Args:
        repository: From where.
        name: Of the model.
        version: Which one.
        config: The city that must not need it, where there is such a file.
        api: Where a city may run on this machine that must not need it.
        environment: Variables of the configuration, and where notes about cities are.

    Raises:
        CommandError: A city needs it, or it does not lie in a folder that may be changed.
        UnknownModelError: There is no such version.
    """
    if not isinstance(repository, ModelRepository):
        raise CommandError(f"{repository} holds published packages; what is published stays")
    if repository.root.resolve() == BUILTIN_ROOT.resolve():
        raise CommandError("the built-in packages stay; name another folder with --path")
    repository.directory_of(name, version)
    users = [
        *_of_file(name, version, config, environment),
        *_of_city(name, version, api, environment),
    ]
    if users:
        raise CommandError(f"{name}/{version} stays: {'; '.join(users)}")
    try:
        repository.remove(name, version)
    except OSError as error:
        reason = (error.strerror or "it is refused").lower()
        raise CommandError(f"{name}/{version} cannot be removed: {reason}") from None


def _of_file(
    name: str, version: str, config: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """Why the city of a file needs it, as far as that is known."""
    if not config.is_file():
        return
    try:
        loaded = load_config(config, environment)
    except ConfigurationError:
        raise CommandError(
            f"{config} has mistakes, so whether its city needs {name}/{version} is not known; "
            f"`cityeye check {config}` names them"
        ) from None
    for plan in loaded.plans:
        for task in plan.tasks:
            if task.pinned and task.model.key == f"{name}/{version}":
                yield f"camera {plan.camera.id} of {config} names this version"
    table = load_rollouts(loaded.settings.state).get(name)
    if table is not None and version in (*table.versions, table.previous):
        role = table.role(version) or "the version to go back to"
        yield f"it is {role} in the city of {config}"


def _of_city(name: str, version: str, api: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Why the city that runs on this machine needs it."""
    if note_about(api, environment) is None:
        return
    client = CityClient.of(api, None, environment)
    for model in client.get("/models"):
        if (model["name"], model["version"]) == (name, version):
            yield f"the city at {api} serves it as {model['role']}"
