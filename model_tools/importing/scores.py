"""Scores: whether a network's class columns become scores by a sigmoid or a softmax.

Where neither the graph nor a person says so, the network is asked about images without objects. A
softmax network puts nearly all of its queries into its last column, "no object"; a sigmoid network
was never trained to use that column.
"""

from __future__ import annotations

import numpy as np

from model_tools.heads.task import ScoreKind
from model_tools.importing.plan import Plan
from model_tools.importing.reference import network_outputs
from models import GraphError, open_session

SOFTMAX_FROM, SIGMOID_UP_TO = 0.6, 0.4
"""Shares of queries whose last column is the largest; between them nothing is certain."""
BLANKS = (0, 127, 255)
"""Values of the uniform images that are asked about."""


def measured_scores(model: str, network: bytes, plan: Plan) -> tuple[ScoreKind, str]:
    """What makes scores of bare logits, and a notice that says how that is known.

    Args:
        model: Who it is, for errors.
        network: The file as it was given.
        plan: How it is to be read; its `scores` are unknown.

    Raises:
        GraphError: The network does not show it.
        SessionError: ONNX Runtime refuses the network.
    """
    session = open_session(model, network)
    width, height = plan.package
    name = plan.head.class_output(plan.exported)
    wins = []
    for value in BLANKS:
        images = np.full((plan.batch or 1, height, width, 3), value, np.uint8)
        logits = network_outputs(session, plan, images)[name]
        wins.append(float((logits.argmax(-1) == logits.shape[-1] - 1).mean()))
    share = sum(wins) / len(wins)
    seen = f"its last class column is the largest in {share:.0%} of the queries of blank images"
    if SIGMOID_UP_TO < share < SOFTMAX_FROM:
        raise GraphError(
            model,
            f"has one class column more than names, and nothing shows what makes scores of them "
            f"({seen}); give --scores softmax if it was trained with a softmax and a class for "
            "no object, as DETR was, or --scores sigmoid, as RF-DETR was",
        )
    kind: ScoreKind = "softmax" if share >= SOFTMAX_FROM else "sigmoid"
    return kind, f"{seen}, so scores are made by a {kind}; --scores says otherwise"


def scores_text(plan: Plan) -> str:
    """How scores are made, in one line for output, manifest and card."""
    name, last = plan.head.class_output(plan.exported), plan.head.classes_last
    inside = plan.exported.activation(name, last=last)
    if plan.scores != "none":
        made = f"{plan.scores}, added at import"
    else:
        made = f"{inside} inside the network" if inside else "as the network gives them"
    if plan.head.class_counts(plan.exported)[:1] == (len(plan.classes) + 1,):
        made += "; the last class column is no object"
    return made
