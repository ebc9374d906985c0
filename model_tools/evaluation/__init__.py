"""Evaluation: how well detections agree with the truth, in the way of COCO.

One engine matches detections to objects (`matching`) and computes average precision
from ranked matches (`curve`); training uses one IoU threshold, `cityeye models eval` all of COCO's.
After Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its reference evaluation.
"""

from model_tools.evaluation.average_precision import (
    evaluate,
    mean_average_precision,
    recall_by_size,
)
from model_tools.evaluation.truth import GroundTruth

__all__ = [
    "GroundTruth",
    "evaluate",
    "mean_average_precision",
    "recall_by_size",
]
