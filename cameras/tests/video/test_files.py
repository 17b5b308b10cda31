"""Files as people bring them: their colours, their turn, their damage, and what is said of those that are no video."""

from __future__ import annotations

import os
import socket
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from cameras.drops import Drop
from cameras.tests.video.clips import FPS, GOP, Pixels, noisy, opened, pictures_of, rest_of, scene, write
from cameras.video import Decode, EndOfSource, Picture, SourceFailed, gop, opening
from cameras.video.gop import GopDecoder


def failure(path: Path | str) -> str:
    with pytest.raises(SourceFailed) as caught:
        pictures_of(path)
    return str(caught.value)


def by_opencv(path: Path) -> list[Pixels]:
    capture, images = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), list[Pixels]()
    while (answer := capture.read())[0]:
        images.append(answer[1].astype(np.uint8, copy=False))
    return images


def test_a_file_says_its_rate_and_length(tmp_path: Path) -> None:
    capture = opened(write(tmp_path / "a.mp4", noisy(50)))
    assert (capture.fps, capture.seconds, capture.is_live) == (FPS, 2.0, False)
    capture.close()


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv444p"])
@pytest.mark.parametrize("bframes", [0, 2])
def test_pictures_are_those_of_opencv(tmp_path: Path, pixels: str, bframes: int) -> None:
    path = write(tmp_path / "a.mp4", noisy(30, moving=range(30)), pixels=pixels, bframes=bframes)
    ours, theirs = pictures_of(path), by_opencv(path)
    assert len(ours) == len(theirs) == 30
    for picture, image in zip(ours, theirs, strict=True):
        assert picture.image.shape == (picture.height, picture.width, 3)
        assert np.abs(picture.image.astype(int) - image).mean() < 2


@pytest.mark.parametrize("colour_range", ["tv", "pc"])
def test_a_stream_that_names_its_range_has_the_right_brightness(tmp_path: Path, colour_range: str) -> None:
    pixels = "yuv420p" if colour_range == "tv" else "yuvj420p"
    options = {"x264-params": f"range={colour_range}:colormatrix=smpte170m", "crf": "12"}
    path = write(tmp_path / "a.mp4", [scene()] * 3, pixels=pixels, options=options)
    image = pictures_of(path)[0].image
    assert np.abs(image.astype(int) - scene()).mean() < 5
    assert abs(image.std() / scene().std() - 1) < 0.04  # a range mistaken for the other one changes it by 16 %


def test_luma_is_a_view_of_the_plane_that_nobody_can_write_to(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", noisy(2, size=(202, 118)))  # no multiple of 16
    picture = pictures_of(path)[0]
    assert picture.luma.shape == (118, 202)
    assert not picture.luma.flags.owndata
    assert not picture.luma.flags.writeable
    grey = cv2.cvtColor(picture.image, cv2.COLOR_BGR2GRAY).astype(float)
    assert np.abs(grey - (picture.luma.astype(float) - 16) * 255 / 219).mean() < 2
    assert cv2.resize(picture.luma[::2], (20, 12), interpolation=cv2.INTER_AREA).shape == (12, 20)


def test_deep_video_has_eight_bits_here(tmp_path: Path) -> None:
    picture = pictures_of(write(tmp_path / "a.mp4", noisy(2), pixels="yuv420p10le"))[0]
    assert picture.luma.dtype == picture.image.dtype == np.uint8
    assert np.abs(picture.image.astype(int) - scene()).mean() < 8


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_phone_held_upright_gives_upright_pictures(tmp_path: Path, degrees: int) -> None:
    path = turned(write(tmp_path / "a.mp4", noisy(3)), degrees)
    picture, image = pictures_of(path)[0], by_opencv(path)[0]
    assert picture.image.shape == image.shape == (picture.height, picture.width, 3)
    assert picture.luma.shape == image.shape[:2]
    assert np.abs(picture.image.astype(int) - image).mean() < 2
    assert np.abs(picture.luma.astype(int) - cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)).mean() < 20


def turned(path: Path, degrees: int) -> Path:
    """Writes the turn into the track header (ISO/IEC 14496-12, 8.3.2), as phones do."""
    one = 1 << 16
    matrix = {90: (0, one, 0, -one, 0), 180: (-one, 0, 0, 0, -one), 270: (0, -one, 0, one, 0)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", *matrix, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def test_a_file_that_was_not_copied_completely_gives_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", noisy(100, noise=6))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert 40 < len(pictures_of(path)) < 80


def test_damage_in_the_middle_is_counted_and_what_follows_comes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", noisy(100, noise=6))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = os.urandom(6000)
    path.write_bytes(data)
    capture = opened(path)
    pictures = rest_of(capture)
    capture.close()
    assert 75 < len(pictures) < 100
    assert (pictures[-1].pts or 0) - (pictures[0].pts or 0) > 3.8
    assert capture.skipped[Drop.DAMAGED] > 0


def feed_nonsense(decoder: GopDecoder, count: int) -> None:
    for _ in range(count):
        packet = av.Packet(b"\x00\x00\x00\x01\x65" + os.urandom(500))
        packet.is_keyframe = True
        decoder.feed(packet)


def test_a_stream_of_nonsense_is_given_up() -> None:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    decoder = GopDecoder(context, time_base=Fraction(1, 90000), fps=25, shown="the gate")
    with pytest.raises(SourceFailed, match="the gate sends video that can not be decoded"):
        feed_nonsense(decoder, 2 * gop.DAMAGED_MOST)
    assert decoder.skipped[Drop.DAMAGED] == gop.DAMAGED_MOST


@pytest.mark.parametrize("bframes", [0, 2])
def test_pictures_come_whatever_their_time_stamps_say(tmp_path: Path, bframes: int) -> None:
    path = write(tmp_path / "a.mp4", noisy(60), bframes=bframes)
    straight = [picture.luma.copy() for picture in pictures_of(path)]
    random = np.random.default_rng(2)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = GopDecoder(stream.codec_context, time_base=stream.time_base, fps=25, shown="wild")
        pictures: list[Picture] = []
        for packet in container.demux(stream):
            if packet.size:
                packet.pts = [None, -(2**40), 2**62, int(random.integers(-(10**6), 10**6))][random.integers(4)]
                packet.dts = None
                pictures += decoder.feed(packet)
        pictures += decoder.finish()
    assert len(pictures) == 60
    assert all(np.array_equal(picture.luma, luma) for picture, luma in zip(pictures, straight, strict=True))
    assert any(picture.pts is None for picture in pictures)
    assert all(picture.pts is None or abs(picture.pts) < 1e9 for picture in pictures)


def test_what_is_no_video_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "letter.mp4").write_text("Dear all,\n" * 500)
    (tmp_path / "folder").mkdir()
    with wave.open(str(tmp_path / "song.wav"), "wb") as song:
        song.setparams((1, 2, 8000, 0, "NONE", ""))
        song.writeframes(os.urandom(16000))
    assert "does not exist" in failure(tmp_path / "nothing.mp4")
    assert "is empty (0 bytes)" in failure(tmp_path / "empty.mp4")
    assert "is not a video that can be read" in failure(tmp_path / "letter.mp4")
    assert "holds no pictures" in failure(tmp_path / "folder")
    assert "no video, only sound" in failure(tmp_path / "song.wav")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "a device or a pipe" in failure(tmp_path / "pipe.mp4")
    assert "a device or a pipe" in failure("/dev/zero")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "may not read" in failure(tmp_path / "letter.mp4")


def test_pictures_that_would_take_all_memory_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4", noisy(3, size=(320, 240)))
    for module in (gop, opening):
        monkeypatch.setattr(module, "PIXELS_MOST", 320 * 240 - 1)
    assert "has pictures of 320 x 240 pixels, more than are decoded" in failure(path)

    monkeypatch.setattr(opening, "PIXELS_MOST", 320 * 240)  # of a stream that grows later
    capture = opened(path)
    assert rest_of(capture) == []
    assert capture.skipped[Drop.DAMAGED] == 3


def test_a_playlist_on_disk_opens_no_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        (tmp_path / "list.m3u8").write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{address}\n#EXT-X-ENDLIST\n"
        )
        assert "not a video that can be read" in failure(tmp_path / "list.m3u8")
        with pytest.raises(TimeoutError):
            server.accept()


def test_ffmpeg_writes_no_lines_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.mp4").write_text("Dear all,\n" * 500)
    failure(tmp_path / "letter.mp4")
    assert av.logging.get_level() is None
    assert capfd.readouterr() == ("", "")


def test_the_end_is_said_again_and_closing_twice_is_fine(tmp_path: Path) -> None:
    capture = opened(write(tmp_path / "a.mp4", noisy(GOP)))
    rest_of(capture)
    for _ in range(2):
        with pytest.raises(EndOfSource):
            capture.step()
        capture.close()
    with pytest.raises(EndOfSource):
        capture.wake()


def test_opening_and_closing_leaks_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", noisy(5))

    def once() -> None:
        capture = opened(path)
        capture.decode = Decode.KEYFRAMES
        capture.step()
        capture.close()

    once()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(200):
        once()
    assert len(list(Path("/dev/fd").iterdir())) <= before
