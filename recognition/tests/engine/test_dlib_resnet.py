"""dlib's network in ONNX Runtime: points of other detectors, and answers that are none."""

from pathlib import Path

import numpy as np
import pytest

from recognition.engine import Image, ModelError, Pack
from recognition.engine.dlib_resnet import DlibRecogniser
from recognition.engine.yunet import YunetDetector
from recognition.tests.engine import networks

# As the manifest of yunet-compact has them.
YUNET = np.array([(46.8, 45.2), (102.4, 44.8), (74.3, 78.2), (50.8, 101.5), (100.0, 100.8)], np.float32)
EQUAL = np.ones(5, np.float32)


def test_the_points_of_yunet_give_nearly_the_embeddings_of_mtcnn(
    pack: Pack, six_people: Image, real_data: Path
) -> None:
    """Of the same faces: far less apart than two people are, and than with the wrong reference."""
    detector = YunetDetector(networks.session(networks.yunet_file(real_data, "yunet_n_dynamic.onnx").read_bytes()))
    network = pack.models[-1]
    mtcnn, yunet = pack.detect(six_people), detector.detect(six_people)
    apart = np.abs(mtcnn.boxes[:, None] - yunet.boxes).sum(axis=2).argmin(axis=1)
    expected = pack.embed(six_people, mtcnn.points)
    distances = {}
    for name, recogniser in {
        "fitting": DlibRecogniser(network, points=YUNET, weights=EQUAL),
        "moved": DlibRecogniser(network, points=YUNET + np.float32(12), weights=EQUAL),
    }.items():
        rows = recogniser.embed([recogniser.align(six_people, five) for five in yunet.points[apart]])
        distances[name] = np.linalg.norm(rows - expected, axis=1)
    assert distances["fitting"].mean() < 0.35
    assert distances["fitting"].mean() < distances["moved"].mean() - 0.1


def test_numbers_that_are_none_are_refused(pack: Pack) -> None:
    broken = DlibRecogniser(networks.Answers(pack.models[-1], lambda array: array * np.nan))
    with pytest.raises(ModelError, match="no numbers"):
        broken.embed([np.zeros((150, 150, 3), np.uint8)])
