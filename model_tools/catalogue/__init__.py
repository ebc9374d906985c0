"""The catalogue: public detectors that are fetched, checked and imported by their name."""

from model_tools.catalogue.download import Download
from model_tools.catalogue.entry import CatalogueEntry, catalogue

__all__ = ["CatalogueEntry", "Download", "catalogue"]
