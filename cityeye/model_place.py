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


DEFAULT_HELP = (
    "Without it: CITYEYE_MODELS, else what `models:` of city.yaml in this folder names, else the "
    "folder packages, else the built-in ones."
)
VARIABLE = "CITYEYE_MODELS"
CONFIG, FOLDER = Path("city.yaml"), Path("packages")


def models_repository(place: str | None, environment: Mapping[str, str]) -> Repository:
    """The repository of all `models` commands: where `place` says, else see `DEFAULT_HELP`.

    Raises:
        CommandError: There is no such folder, or an address is incomplete.
        ModelError: The environment lacks a key.
    """
    from models import ModelRepository

    place = place or environment.get(VARIABLE) or None
    if place is not None:
        return repository_at(place, environment)
    configured = _configured(environment)
    if configured is not None:
        return configured
    return ModelRepository(FOLDER) if FOLDER.is_dir() else repository_at(None, environment)


def models_folder(folder: Path | None, environment: Mapping[str, str]) -> Path:
    """Where imports go: where `folder` says, else the folder of `models_repository`.

    Raises:
        CommandError: That is a store; imports go into a folder, and are pushed from there.
    """
    from models import BUILTIN_ROOT, ModelRepository

    if folder is not None:
        return folder
    place = environment.get(VARIABLE)
    if place and "://" not in place:
        return Path(place)
    found = models_repository(None, environment)
    if not isinstance(found, ModelRepository):
        raise CommandError(f"{found} holds published packages; name a folder to import into")
    return FOLDER if found.root.resolve() == BUILTIN_ROOT.resolve() else found.root


def _configured(environment: Mapping[str, str]) -> Repository | None:
    """What the configuration in this folder names; None where it names nothing."""
    from cityeye.config import configured_models
    from models import BUILTIN_ROOT, ModelRepository

    found = configured_models(CONFIG, environment) if CONFIG.is_file() else None
    if isinstance(found, ModelRepository) and found.root.resolve() == BUILTIN_ROOT.resolve():
        return None
    return found


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
