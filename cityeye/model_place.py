"""Where `--path` leads: a folder of model packages, or a store with keys from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cityeye.errors import CommandError

if TYPE_CHECKING:
    from models import Repository

ENDPOINT, REGION = "CITYEYE_MODELS_ENDPOINT", "CITYEYE_MODELS_REGION"
HELP = (
    "Folder of packages, or s3://BUCKET/PREFIX with CITYEYE_MODELS_ENDPOINT, _ACCESS_KEY, "
    "_SECRET_KEY and _REGION from the environment."
)


def repository_at(place: str | None, environment: Mapping[str, str]) -> Repository:
    """The repository at a folder or an `s3://` address; the built-in packages for None.

    Raises:
        CommandError: There is no such folder, or the address is incomplete.
        ModelError: The environment lacks a key.
    """
    from models import BUILTIN_ROOT, ModelRepository

    if place is None:
        return ModelRepository(BUILTIN_ROOT)
    if "://" in place:
        return _remote(place, environment)
    if not Path(place).is_dir():
        raise CommandError(f"there is no folder {place}; give --path a folder of model packages")
    return ModelRepository(Path(place))


def _remote(url: str, environment: Mapping[str, str]) -> Repository:
    from serving import RemoteModels, parse_url

    try:
        parse_url(url)
    except ValueError as error:
        raise CommandError(f"{url}: {error}") from None
    endpoint = environment.get(ENDPOINT)
    if not endpoint:
        raise CommandError(f"{url} needs the address of a store; set {ENDPOINT}=https://HOST:PORT")
    models = RemoteModels(url=url, endpoint=endpoint, cache=cache_folder("models", environment))
    region = environment.get(REGION) or models.region
    return models.model_copy(update={"region": region}).open(environment)


def cache_folder(kind: str, environment: Mapping[str, str]) -> Path:
    """Where the program keeps files of a kind between runs."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cityeye" / kind
