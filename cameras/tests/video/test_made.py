"""Folders of pictures, the test pattern, and pictures from arrays."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from cameras.drops import Drop
from cameras.tests.video.clips import opened, pictures_of, rest_of, scene
from cameras.video import Decode, EndOfSource, Picture, SourceFailed
from cameras.video.folder import FOLDER_FPS


def shade(value: int) -> np.ndarray:
    return np.full((60, 80, 3), value, np.uint8)


def test_a_folder_is_read_in_the_order_people_count(tmp_path: Path) -> None:
    for name, value in {"shot10.png": 30, "shot9.jpg": 20, "shot1.bmp": 10, "zoo.webp": 40}.items():
        cv2.imwrite(str(tmp_path / name), shade(value))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "more.png").mkdir()
    capture = opened(f"{tmp_path}/")
    pictures = rest_of(capture)
    assert [round(float(picture.image.mean()), -1) for picture in pictures] == [10, 20, 30, 40]
    assert [picture.pts for picture in pictures] == [0, 1, 2, 3]
    assert (capture.fps, capture.seconds, capture.is_live) == (FOLDER_FPS, 4.0, False)
    capture.close()


def test_a_folder_named_like_a_file_is_read_too(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), shade(50))
    assert len(pictures_of(tmp_path)) == 1


def test_pictures_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(scene()).save(tmp_path / "a.jpg", exif=exif)
    height, width = scene().shape[:2]
    picture = pictures_of(tmp_path)[0]
    assert (picture.width, picture.height) == (height, width)


def test_damaged_and_huge_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    Pillow.new("1", (9000, 9000)).save(tmp_path / "b.png")
    cv2.imwrite(str(tmp_path / "c.png"), shade(70))
    capture = opened(f"{tmp_path}/")
    assert len(rest_of(capture)) == 1
    assert capture.skipped == {Drop.DAMAGED: 2}
    capture.close()


def test_a_folder_without_one_good_picture_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="There is no folder"):
        opened(f"{tmp_path}/nowhere/")
    with pytest.raises(SourceFailed, match="holds no pictures"):
        opened(f"{tmp_path}/")
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(SourceFailed, match="None of the 1 pictures"):
        pictures_of(f"{tmp_path}/")
    with pytest.raises(SourceFailed, match="is a file, not a folder"):
        opened(f"{tmp_path}/a.jpg/")


def test_what_was_not_wanted_of_a_folder_is_not_read(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), shade(number * 10))
    capture = opened(f"{tmp_path}/")
    capture.decode = Decode.NOTHING
    assert [capture.step() for _ in range(3)] == [[], [], []]
    assert [picture.pts for picture in capture.wake()] == [2]
    assert [picture.pts for picture in rest_of(capture)] == [3]
    capture.close()


def test_the_pattern_runs_at_its_rate_and_moves() -> None:
    capture = opened("pattern:320x180@50")
    began = time.monotonic()
    pictures = [picture for _ in range(26) for picture in capture.step()]
    assert time.monotonic() - began > 0.45
    assert (pictures[0].width, pictures[0].height, capture.fps, capture.is_live) == (320, 180, 50.0, True)
    assert np.abs(pictures[0].luma.astype(int) - pictures[-1].luma).max() > 100
    capture.close()


def test_the_pattern_at_rest_is_hardly_drawn() -> None:
    capture = opened("pattern:64x36@100")
    capture.decode = Decode.KEYFRAMES
    assert len([picture for _ in range(80) for picture in capture.step()]) == 2
    assert capture.skipped == {Drop.NOT_KEY: 78}
    assert len(capture.wake()) == 1
    capture.close()


def test_closing_ends_the_wait_for_the_next_picture() -> None:
    capture = opened("pattern:64x36@0.1")
    capture.fps = 0.01
    capture.step()
    ends: list[EndOfSource] = []

    def read() -> None:
        try:
            capture.step()
        except EndOfSource as end:
            ends.append(end)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    capture.close()
    reader.join(60)  # the next picture is due after a hundred seconds
    assert len(ends) == 1


def test_a_picture_from_an_array_is_that_array() -> None:
    picture = Picture.of(scene(), pts=1.5)
    assert picture.image is scene()
    assert (picture.width, picture.height, picture.pts, picture.key) == (320, 180, 1.5, True)
    assert np.array_equal(picture.luma, cv2.cvtColor(scene(), cv2.COLOR_BGR2GRAY))
    assert picture.luma is picture.luma
