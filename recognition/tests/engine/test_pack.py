"""The pack as a whole: one person stays one person, two people stay two, from any number of threads."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.engine import (
    Embedding,
    Gallery,
    Image,
    Pack,
    ShapeError,
    decide,
    decode_photo,
    encode_jpeg,
    similarity,
)

Render = Callable[[Image], Image]


def smaller(image: Image) -> Image:
    return np.asarray(cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), np.uint8)


def darker(image: Image) -> Image:
    return (image * 0.55).astype(np.uint8)


def tilted(image: Image) -> Image:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 12, 1)
    return np.asarray(cv2.warpAffine(image, turn, (width, height)), np.uint8)


def noisy(image: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def compressed(image: Image) -> Image:
    return decode_photo(encode_jpeg(image, quality=30))


def mirrored(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


RENDERINGS = [smaller, darker, tilted, noisy, compressed, mirrored]


@pytest.mark.parametrize("render", RENDERINGS)
def test_the_same_person_under_another_rendering(pack: Pack, astronaut: Image, render: Render) -> None:
    (before,), (after,) = pack.analyse(astronaut), pack.analyse(render(astronaut))
    assert similarity(before.embedding, after.embedding) > pack.threshold


@pytest.mark.parametrize("render", [smaller, darker, noisy, compressed])
def test_a_gallery_of_seven_knows_everybody_again(
    pack: Pack, six_people: Image, astronaut: Image, render: Render
) -> None:
    known = pack.analyse(six_people) + pack.analyse(astronaut)
    gallery = Gallery.build(
        dimension=pack.dimension,
        templates=np.arange(7),
        persons=np.arange(7),
        embeddings=np.stack([face.embedding for face in known]),
    )
    people = []
    for photo in (six_people, astronaut):
        for face in pack.analyse(render(photo)):
            match = decide(gallery.search(face.embedding), threshold=pack.threshold, margin=pack.margin)
            people.append(match.person if match else None)
    assert sorted(person for person in people if person is not None) == list(range(7))


def test_different_people_do_not_match(pack: Pack, six_people: Image, astronaut: Image) -> None:
    faces = pack.analyse(six_people) + pack.analyse(astronaut)
    for at, face in enumerate(faces):
        for other in faces[:at]:
            assert similarity(face.embedding, other.embedding) < pack.threshold


def test_faces_come_largest_first(pack: Pack, six_people: Image) -> None:
    faces = pack.analyse(six_people)
    areas = [(face.box[2] - face.box[0]) * (face.box[3] - face.box[1]) for face in faces]
    assert len(faces) == 6
    assert areas == sorted(areas, reverse=True)
    assert all(face.embedding.shape == (pack.dimension,) for face in faces)


def test_without_embedding(pack: Pack, astronaut: Image) -> None:
    (face,) = pack.analyse(astronaut, embed=False)
    assert face.embedding.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (11, 40)])
def test_tiny_pictures_have_no_faces(pack: Pack, shape: tuple[int, int]) -> None:
    assert pack.analyse(np.zeros((*shape, 3), np.uint8)) == []


def test_nobody_to_embed(pack: Pack, astronaut: Image) -> None:
    assert pack.embed(astronaut, np.zeros((0, 5, 2), np.float32)).shape == (0, 128)


def test_wrong_points_are_refused(pack: Pack, astronaut: Image) -> None:
    with pytest.raises(ShapeError):
        pack.embed(astronaut, np.zeros((5, 2), np.float32))


def test_many_threads_get_what_one_gets(pack: Pack, six_people: Image, astronaut: Image) -> None:
    def numbers(image: Image) -> bytes:
        return b"".join(face.box.tobytes() + face.embedding.tobytes() for face in pack.analyse(image))

    pictures = [astronaut, smaller(six_people), smaller(astronaut)]
    alone = [numbers(image) for image in pictures]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(numbers, pictures * 4)) == alone * 4


def test_the_engine_is_pure_computing() -> None:
    """No web framework, and neither of the libraries that the models were made for."""
    program = (
        "import sys, recognition.engine, recognition.engine.build, recognition.engine.converters\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'django', 'dlib', 'tensorflow', 'torch', 'mtcnn', 'face_recognition_models'}))"
    )
    root = Path(__file__).resolve().parents[3]
    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def embedding_of(pack: Pack, file: Path) -> Embedding:
    (face, *_) = pack.analyse(decode_photo(file.read_bytes()))
    return face.embedding


def test_real_portraits(pack: Pack, real_data: Path) -> None:
    portraits = {file.stem: embedding_of(pack, file) for file in sorted((real_data / "portraits").iterdir())}
    assert similarity(portraits["obama_1"], portraits["obama_2"]) > pack.threshold
    for name, embedding in portraits.items():
        for other, another in portraits.items():
            if name.partition("_")[0] != other.partition("_")[0]:
                assert similarity(embedding, another) < pack.threshold, (name, other)


def test_two_people_in_one_photo(pack: Pack, real_data: Path) -> None:
    names = ["biden_1", "obama_1", "alex_lacamoire"]
    files = [next((real_data / "portraits").glob(f"{name}.*")) for name in names]
    gallery = Gallery.build(
        dimension=pack.dimension,
        templates=range(3),
        persons=range(3),
        embeddings=np.stack([embedding_of(pack, file) for file in files]),
    )
    faces = pack.analyse(decode_photo((real_data / "two_people.jpg").read_bytes()))
    matches = [decide(gallery.search(face.embedding), threshold=pack.threshold, margin=pack.margin) for face in faces]
    assert {names[match.person] for match in matches if match} == {"biden_1", "obama_1"}
