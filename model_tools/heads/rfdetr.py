"""RF-DETR: `dets` (N, Q, 4) from 0 to 1 and `labels` (N, Q, C + 1), a sigmoid per class.

The last column is "no object", which nothing uses. The weights published for COCO have 91 columns,
one for each of COCO's category numbers. Decoding is that of DETR's logits.
"""

from __future__ import annotations

from dataclasses import replace

from model_tools.graph.exported import Exported
from model_tools.graph.preprocessing import Preprocessing
from model_tools.heads import detr
from model_tools.heads.task import ScoreKind

OUTPUTS = {"dets", "labels"}


def _preprocessing(network: Exported) -> Preprocessing:
    # Its DINOv2 backbone was trained so; a graph without attention has another one.
    if not network.has("Softmax"):
        return Preprocessing()
    return Preprocessing(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))


def _scores(network: Exported, _: int) -> ScoreKind:
    return "none" if network.activation(detr.logits_and_boxes(network)[0]) else "sigmoid"


HEADS = (
    replace(
        detr.LOGITS_HEAD,
        name="rf-detr",
        choose_for="outputs dets from 0 to 1 and labels",
        recognise=lambda network: set(network.outputs) >= OUTPUTS,
        preprocessing=_preprocessing,
        scores=_scores,
    ),
)
