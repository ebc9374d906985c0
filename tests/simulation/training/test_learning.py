"""Assignment, loss and export; only where PyTorch is installed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")

from model_tools.graph.selection import Selection  # noqa: E402
from model_tools.importing.writing import write_package  # noqa: E402
from models.detector import Detector  # noqa: E402
from simulation.training.assignment import assign  # noqa: E402
from simulation.training.export import export  # noqa: E402
from simulation.training.loop import points_of  # noqa: E402
from simulation.training.loss import Labels, decode, detection_loss  # noqa: E402
from simulation.training.network import Network, Widths  # noqa: E402
from tests.models.tiny import LABELS, SIZE, facts, random_images  # noqa: E402

torch.set_num_threads(1)
SMALL = Widths(stem=(8, 8), stages=(8, 8, 8), depths=(1, 1, 1), neck=8)


def assigned(boxes, classes, ignored, predicted=None):
    points = points_of(SIZE)
    count = len(points.strides)
    if predicted is None:
        predicted = decode(torch.ones(1, count, 4), points)[0]
    return points, assign(
        points,
        torch.full((count, 3), 0.1),
        predicted,
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes, dtype=torch.long),
        torch.tensor(ignored, dtype=torch.bool),
    )


def test_even_an_object_smaller_than_a_cell_gets_points():
    _, result = assigned([(41, 25, 44, 29)], [2], [False])
    assert len(result.positive) > 0
    assert (result.scores[:, 2] > 0).sum() > 0
    assert result.scores[:, :2].sum() == 0


def test_points_of_an_object_are_near_it():
    points, result = assigned([(16, 16, 48, 48)], [0], [False])
    centres = points.centres[result.positive]
    assert (centres > 10).all()
    assert (centres < 54).all()
    assert len(result.positive) <= 10


def test_a_point_answers_for_one_object_only():
    _, result = assigned([(16, 16, 48, 48), (18, 18, 50, 50)], [0, 1], [False, False])
    assert len(set(result.positive.tolist())) == len(result.positive)
    assert ((result.scores > 0).sum(1) <= 1).all()


def test_an_ignored_object_is_neither_demanded_nor_punished():
    points, result = assigned([(16, 16, 48, 48)], [1], [True])
    assert len(result.positive) == 0
    inside = ((points.centres > 16) & (points.centres < 48)).all(1)
    assert (result.demanded[inside, 1] == 0).all()
    assert (result.demanded[inside, 0] == 1).all()
    assert (result.scores == 0).all()


def test_an_image_without_objects_only_punishes():
    network = Network(3, SMALL)
    raw = network(torch.zeros(2, 3, SIZE[1], SIZE[0]))
    nothing = Labels(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).bool())
    loss = detection_loss(raw, points_of(SIZE), [nothing, nothing])
    calm = detection_loss(raw, points_of(SIZE), [nothing, nothing], focus=1.5)
    loss.total.backward()
    assert loss.box == calm.box == 0.0
    assert 0.0 < calm.score < loss.score
    assert (network.heads[0].score.bias.grad > 0).all()


def test_learning_one_image_lowers_the_loss_until_the_object_is_found():
    torch.manual_seed(0)
    network = Network(3, SMALL)
    image = torch.rand(1, 3, SIZE[1], SIZE[0]) * 0.2
    image[..., 16:48, 24:64] = 1.0
    labels = [Labels(torch.tensor([[24.0, 16, 64, 48]]), torch.tensor([1]), torch.tensor([False]))]
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = detection_loss(network(image), points_of(SIZE), labels)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        losses.append(loss.total.item())
    assert losses[-1] < 0.5 * losses[0]
    raw = network(image)[0]
    best = raw[4:].max(0).values.argmax()
    box = decode(raw[:4].T[None], points_of(SIZE))[0, best]
    assert raw[4:, best].argmax() == 1
    np.testing.assert_allclose(box.detach(), [24, 16, 64, 48], atol=8)


def test_the_exported_package_computes_what_the_network_computes(tmp_path):
    torch.manual_seed(1)
    network = Network(3, SMALL)
    with torch.no_grad():
        network(torch.rand(8, 3, SIZE[1], SIZE[0]))
        for head in network.heads:
            head.score.weight.mul_(3.0)
            head.score.bias.fill_(-1.0)
    network.eval()
    wrapped = export(network, SIZE, (2, 0), Selection(rows=500, min_score=0.0, nms_iou=1.0))
    package = write_package(tmp_path, wrapped, SIZE, facts())
    images = random_images(2)
    rows = Detector(package).run(images)
    with torch.no_grad():
        planes = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        scores = network(planes)[:, 4:].sigmoid()[:, [2, 0]]
    wanted = np.sort(scores.flatten(1).numpy())[:, ::-1]
    np.testing.assert_allclose(rows[:, : wanted.shape[1], 4], wanted, atol=1e-4)
    assert len(LABELS) == 3
