"""Datasets: labelled images on disk, in the class numbering of a package.

Labels are read and checked as a whole, so that a mistake in them is said before a model runs;
images are opened one by one by the evaluation. File names inside a dataset are not trusted: what
they lead to lies inside its folder.
"""

from model_tools.evaluation.datasets.classes import MatchedClasses
from model_tools.evaluation.datasets.labelled import Dataset, EvaluationImage
from model_tools.evaluation.datasets.reading import read_dataset

__all__ = ["Dataset", "EvaluationImage", "MatchedClasses", "read_dataset"]
