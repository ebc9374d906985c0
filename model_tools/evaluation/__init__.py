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
from model_tools.evaluation.coco import CocoMetrics, coco_metrics, mean_metrics
from model_tools.evaluation.curve import Curve
from model_tools.evaluation.datasets import Dataset, EvaluationImage, read_dataset
from model_tools.evaluation.datasets.yolo import IMAGE_ENDINGS
from model_tools.evaluation.report import EvaluationReport, file_name, read_evaluations
from model_tools.evaluation.suggestion import suggest_thresholds
from model_tools.evaluation.truth import GroundTruth

__all__ = [
    "IMAGE_ENDINGS",
    "CocoMetrics",
    "Curve",
    "Dataset",
    "EvaluationImage",
    "EvaluationReport",
    "GroundTruth",
    "coco_metrics",
    "evaluate",
    "file_name",
    "mean_average_precision",
    "mean_metrics",
    "read_dataset",
    "read_evaluations",
    "recall_by_size",
    "suggest_thresholds",
]
