"""From the section `models` to where models come from."""

from __future__ import annotations

from cityeye.config.schema import ModelsSection
from serving.model_source import FolderModels, ModelSource, RemoteModels


def model_source(section: ModelsSection) -> ModelSource:
    """The folder, or the store with its keys, that a checked section names."""
    if section.url is None:
        return FolderModels(path=section.path)
    return RemoteModels(
        url=section.url,
        endpoint=section.endpoint or "",
        access_key=section.access_key,
        secret_key=section.secret_key,
        region=section.region,
        cache=section.cache,
    )
