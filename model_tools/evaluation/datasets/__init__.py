"""Datasets: labelled pictures on disk, told in the class numbering of a package.

Labels are read and checked as a whole, so that a mistake in them is said before a model runs;
pictures are opened one by one by whoever judges. File names inside a dataset are not trusted: what
they lead to lies inside its folder.
"""

from model_tools.evaluation.datasets.classes import MatchedClasses
from model_tools.evaluation.datasets.labelled import Dataset, LabelledPicture
from model_tools.evaluation.datasets.reading import read_dataset

__all__ = ["Dataset", "LabelledPicture", "MatchedClasses", "read_dataset"]
