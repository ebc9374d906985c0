"""From the section `models` to where models come from."""

from __future__ import annotations

from cityeye.config.schema import ModelsSection
from serving.model_source import FolderModels, ModelSource, RemoteModels


def model_source(section: ModelsSection) -> ModelSource:
    """The folder, or the store with its keys, that a checked section names."""
    if section.url is None:
        return FolderModels(path=section.path)
    given = dict(section)
    return RemoteModels(**{name: given[name] for name in RemoteModels.model_fields})
