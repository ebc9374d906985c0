"""The 80 classes of COCO detection, with names as COCO spells them."""

from __future__ import annotations

COCO_CLASSES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, "
    "fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, "
    "bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, "
    "sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, "
    "bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, "
    "carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, "
    "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
)
COCO_LABELS = tuple(name.strip() for name in COCO_CLASSES.split(","))
"""In the usual order."""
_WITHOUT_CLASS = frozenset({0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
COCO_CATEGORIES = tuple(
    ""
    if number in _WITHOUT_CLASS
    else COCO_LABELS[number - sum(n < number for n in _WITHOUT_CLASS)]
    for number in range(91)
)
"""By COCO's own category number, as DETR and RF-DETR count them; some numbers name no class."""
