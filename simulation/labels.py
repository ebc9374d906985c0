"""The label order and the seed spaces that every rendered image keeps to.

Training, evaluation and demo draw from disjoint ranges of one seed axis, so that no detector is
ever evaluated on an image, or on a scene, that it was trained on.
"""

from typing import Final

LABELS: Final = (
    "person",
    "car",
    "bus",
    "truck",
    "motorcycle",
    "bicycle",
    "bag",
    "bottle",
    "bin_bag",
)
CLASS_ID: Final[dict[str, int]] = {label: index for index, label in enumerate(LABELS)}

# One axis, three ranges. A scripted scene uses its seed for everything random in it.
TRAINING_SEEDS: Final = range(0, 1_000_000)
EVALUATION_SEEDS: Final = range(1_000_000, 2_000_000)
SCENE_SEEDS: Final = range(2_000_000, 3_000_000)
