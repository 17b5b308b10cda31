"""HTTP cameras: MJPEG, snapshots, HLS and plain streams, signed in, and with everything that they do wrong."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.sources import parse_source
from cameras.tests.streams import Fault, clips, hls_camera, mjpeg_camera, rtsp_camera, silent_camera, snapshot_camera
from cameras.tests.streams.hls import HlsCamera
from cameras.tests.streams.http import Handler, HttpCamera, http_camera, jpeg
from cameras.tests.streams.watching import options, problem, take, until, watch
from cameras.video import EndOfSource, SourceFailed, open_capture
from cameras.video.http_formats import Form, form_of
from cameras.video.http_pictures import Scanner
from cameras.video.http_playlist import UnusablePlaylist, best, parse

IMPATIENT = options(open_seconds=1.0, read_seconds=1.0)
WALL = next(clips.moving())


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    with mjpeg_camera() as found:
        yield found


# --- Streams of JPEG -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [True, False])
def test_mjpeg(lengths: bool) -> None:
    with mjpeg_camera(lengths=lengths) as camera:
        found = watch(camera.url, 6)

    assert {(picture.width, picture.height) for picture in found} == {clips.SIZE}
    assert np.abs(found[0].image.astype(int) - WALL).mean() < 12


@pytest.mark.parametrize("login", ["digest", "old", "sha256", "basic"])
@pytest.mark.parametrize("tls", [False, True])
def test_signing_in(login: str, tls: bool) -> None:
    with mjpeg_camera(user="ad@min", password="p:ss/#?w%", login=login, tls=tls) as camera:
        assert len(watch(camera.url, 2)) == 2

    assert camera.logins[0] == ""  # credentials go out only when they are asked for


def test_wrong_credentials_and_none() -> None:
    with mjpeg_camera(user="admin", password="s3cr3t") as camera:
        wrong = problem(camera.url.replace("s3cr3t", "0ther"))
        none = problem(camera.url.replace("admin:s3cr3t@", ""))

    assert "refuses the user name or the password" in wrong
    assert "asks for a user name and a password" in none
    assert "0ther" not in wrong + none


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.UNAUTHORIZED, "asks for a user name"),
        (Fault.MISSING, "has no stream at"),
        (Fault.BUSY, "the error 503"),
        (Fault.SILENT, "sent nothing usable for 1 seconds"),
        (Fault.HANG, "sent nothing usable for 1 seconds"),
        (Fault.TRICKLE, "sent nothing usable for 1 seconds"),
        (Fault.DROP, "no whole picture"),
    ],
)
def test_what_fails_says_why(camera: HttpCamera, fault: Fault, why: str) -> None:
    camera.fault = fault

    assert why in problem(camera.url, IMPATIENT)


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.HANG, Fault.TRICKLE])
def test_a_stream_that_fails_while_it_is_watched(camera: HttpCamera, fault: Fault) -> None:
    capture = open_capture(parse_source(camera.url), options(read_seconds=1.0))
    take(capture, 3)
    camera.fault = fault
    with pytest.raises(SourceFailed):
        take(capture, 10_000)
    capture.close()
    camera.fault = Fault.NONE

    assert len(watch(camera.url, 2)) == 2


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.NOISE])
def test_what_is_no_picture_is_left_out(camera: HttpCamera, fault: Fault) -> None:
    camera.fault = fault
    found = watch(camera.url, 8)

    assert all(picture.image[:40].std() > 15 for picture in found)  # grey stripes would be smoother
    assert np.abs(found[-1].image[:40].astype(int) - WALL[:40]).mean() < 15


def test_the_picture_goes_black_stands_still_and_changes_its_size(camera: HttpCamera) -> None:
    capture = open_capture(parse_source(camera.url), options())
    camera.fault = Fault.BLACK
    until(capture, lambda picture: bool(picture.luma.mean() < 5))
    camera.fault = Fault.RESIZE
    assert until(capture, lambda picture: picture.width == clips.SIZE[0] * 3 // 2).height == clips.SIZE[1] * 3 // 2
    camera.fault = Fault.FREEZE
    first = until(capture, lambda picture: picture.width == clips.SIZE[0])
    assert all(np.array_equal(picture.luma, first.luma) for picture in take(capture, 3))
    capture.close()


def test_a_stream_that_ends_is_said_to_have_broken_off() -> None:
    with mjpeg_camera(pictures=4) as camera:
        assert "broke off the connection" in problem(camera.url)


@pytest.mark.parametrize("lengths", [True, False])
def test_snapshots_are_asked_for_again_and_again(lengths: bool) -> None:
    with snapshot_camera(lengths=lengths, user="a", password="b") as camera:
        found = watch(camera.url, 3)

    assert not np.array_equal(found[0].image, found[2].image)
    assert len([line for line in camera.logins if line]) >= 3


def test_a_snapshot_that_breaks_off() -> None:
    with snapshot_camera() as camera:
        camera.fault = Fault.DROP
        assert "no whole picture" in problem(camera.url)


@given(st.lists(st.integers(0, 7), max_size=60), st.binary(max_size=40))
def test_pictures_are_found_however_the_bytes_come(cuts: list[int], noise: bytes) -> None:
    pictures = [jpeg(np.full((16, 24, 3), value, np.uint8)) for value in (10, 90, 200)]
    noise = noise.replace(b"\xff\xd8", b"..").rstrip(b"\xff")
    data = noise + b"\r\n--x\r\n\r\n".join([*pictures, b""]) + noise
    scanner, found = Scanner(), []
    for at in sorted({len(data), *(number * len(data) // 8 for number in cuts)}):
        data, piece = data, data[_last(cuts, at, len(data)) : at]
        found += scanner.feed(piece)

    assert found == pictures


def _last(cuts: list[int], at: int, length: int) -> int:
    before = [number * length // 8 for number in cuts if number * length // 8 < at]
    return max(before, default=0)


def test_a_thumbnail_inside_a_picture_is_no_picture() -> None:
    small, whole = jpeg(np.zeros((8, 8, 3), np.uint8)), jpeg(WALL)
    with_thumbnail = whole[:2] + b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small + whole[2:]

    assert Scanner().feed(with_thumbnail + whole) == [with_thumbnail, whole]


def test_a_picture_that_breaks_off_is_left_out() -> None:
    whole = jpeg(WALL)

    assert Scanner().feed(whole[: len(whole) // 2] + whole) == [whole]


def test_beginnings_without_an_end_are_passed_over_however_many_there_are() -> None:
    whole = jpeg(WALL)

    assert Scanner().feed(b"\xff\xd8\xff\xda\x00\x02" * 20_000 + whole) == [whole]


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "-1", "many"])
def test_a_length_that_is_no_number_is_passed_over(length: str) -> None:
    def answer(request: Handler) -> None:
        request.say(200, ["Content-Type: image/jpeg", f"Content-Length: {length}"])
        request.wfile.write(jpeg(WALL))

    with http_camera(answer) as camera:
        assert len(watch(camera.url, 1)) == 1


def test_endless_bytes_without_a_picture_are_not_kept() -> None:
    scanner = Scanner()
    for _ in range(40):
        assert scanner.feed(b"\xff\xd8\xff\xe1\xff\xff" + bytes(2**20)) == []

    assert len(scanner._bytes) < 34 * 2**20


# --- HLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encrypted", [False, True])
def test_hls_goes_on_as_its_window_slides(encrypted: bool) -> None:
    with hls_camera(encrypted=encrypted, user="u", password="p") as camera:
        found = watch(camera.url, 45)
        segments = [path for path in camera.requests if path.endswith(".ts")]

    assert np.abs(found[0].image.astype(int) - WALL).mean() < 15
    assert len(set(segments)) >= 4
    numbers = [int(path.rpartition("-")[2].removesuffix(".ts")) for path in dict.fromkeys(segments)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_segment_that_is_gone_is_left_out() -> None:
    with hls_camera() as camera:
        camera.missing.add(3)
        found = watch(camera.url, 45)
        asked = {path.rpartition("-")[2] for path in camera.requests}

    assert {"3.ts", "4.ts"} <= asked
    assert len(found) >= 45


def test_a_recording_ends() -> None:
    with hls_camera(ended=True, master=False) as camera:
        capture = open_capture(parse_source(camera.url), options())
        with pytest.raises(EndOfSource):
            take(capture, 10_000)
        assert not capture.is_live


@pytest.mark.parametrize("seconds", ["1e-320", "0", "-1", "1e14"])
def test_segments_may_say_any_length(seconds: str) -> None:
    with hls_camera() as camera:
        watch(camera.url, 1)
        name = next(path for path in camera.requests if path.endswith(".ts")).rpartition("/")[2]
        camera.playlist = f"#EXTM3U\n#EXTINF:{seconds},\n{name}\n#EXT-X-ENDLIST\n"
        assert len(watch(camera.url, 1)) == 1


def test_a_playlist_that_does_not_go_on() -> None:
    with hls_camera() as camera:
        camera.fault = Fault.HANG
        assert "sent n" in problem(camera.url, IMPATIENT)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "//169.254.169.254/x.ts",
        "http://[::ffff:169.254.169.254]/x.ts",
        "rtsp://127.0.0.1/x",
        "concat:file:///etc/passwd",
        "data:video/mp2t;base64,AAAA",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "crypto+file:///etc/passwd",
        "unix:/run/docker.sock",
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "#EXTM3U\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n",
        '#EXTM3U\n#EXT-X-MAP:URI="{}"\n#EXTINF:2,\nlive/segment-1.ts\n',
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{}"\n#EXTINF:2,\nlive/segment-1.ts\n',
    ],
)
def test_a_playlist_opens_nothing_but_addresses_that_are_allowed(hls: HlsCamera, uri: str, form: str) -> None:
    hls.playlist = form.format(uri)

    said = problem(hls.url, IMPATIENT)

    reasons = ("which a camera may have", "redirects to where no stream can be", "gives no video", "the error 500")
    assert any(reason in said for reason in (*reasons, "no stream at", "broke off", "decrypted")), said
    assert "root:" not in said


@pytest.fixture(scope="module")
def hls() -> Iterator[HlsCamera]:
    with hls_camera(master=False) as found:
        yield found


def test_a_playlist_is_read_as_the_standard_says() -> None:
    text = b"""\xef\xbb\xbf#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:17
#EXT-X-MAP:URI="init.mp4"
#EXTINF:4.0,a title, with a comma
a.m4s
#EXT-X-KEY:METHOD=AES-128,URI="k?x=1,2",IV=0x0000000000000000000000000000000F
#EXTINF:3.5,
#EXT-X-UNKNOWN:1

b.m4s
#EXT-X-KEY:METHOD=NONE
#EXTINF:1,
c.m4s
#EXT-X-ENDLIST
"""
    playlist = parse(text)

    assert [segment.number for segment in playlist.segments] == [17, 18, 19]
    assert [segment.uri for segment in playlist.segments] == ["a.m4s", "b.m4s", "c.m4s"]
    assert [segment.seconds for segment in playlist.segments] == [4.0, 3.5, 1.0]
    assert {segment.beginning for segment in playlist.segments} == {"init.mp4"}
    key = playlist.segments[1].key
    assert key is not None
    assert (key.uri, key.iv) == ("k?x=1,2", bytes(15) + b"\x0f")
    assert playlist.segments[0].key is playlist.segments[2].key is None
    assert playlist.has_ended
    assert playlist.target_seconds == 4.0


def test_the_variant_that_is_taken() -> None:
    head = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=%d,RESOLUTION=%dx%d\n%s\n"
    all_of_them = head % (9, 3840, 2160, b"uhd") + head % (2, 640, 360, b"sd") + head % (5, 1920, 1080, b"hd")

    assert best(parse(all_of_them).variants) == "hd"
    assert best(parse(head % (9, 3840, 2160, b"uhd") + head % (8, 2560, 1440, b"qhd")).variants) == "qhd"


@pytest.mark.parametrize("line", ['#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', "#EXT-X-BYTERANGE:100@0"])
def test_what_is_not_supported_is_said(hls: HlsCamera, line: str) -> None:
    hls.playlist = f"#EXTM3U\n{line}\n#EXTINF:2,\nx.ts\n"

    assert "gives no video (it " in problem(hls.url)
    with pytest.raises(UnusablePlaylist):
        parse(hls.playlist.encode())


@given(st.binary(max_size=400))
def test_any_playlist_can_be_read(text: bytes) -> None:
    try:
        parse(b"#EXTM3U\n" + text)
    except UnusablePlaylist:
        return


# --- Other bodies ----------------------------------------------------------------------------------------------------


def _encoded(container: str) -> bytes:
    out = BytesIO()
    with av.open(out, "w", format=container, options={"movflags": "frag_keyframe+empty_moov"}) as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for image in clips.moving(1.0):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        file.mux(stream.encode())
    return out.getvalue()


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska", "avi"])
@pytest.mark.parametrize("length", [True, False])
def test_videos_are_played_as_they_come(container: str, length: bool) -> None:
    data = _encoded(container)

    def answer(request: Handler) -> None:
        request.say(200, ["Content-Type: application/octet-stream"], data if length else None)
        if not length:
            request.wfile.write(data)

    with http_camera(answer) as camera:
        found = watch(camera.url, 8)
        capture = open_capture(parse_source(camera.url), options())
        assert capture.is_live is not length
        capture.close()

    assert np.abs(found[0].image.astype(int) - WALL).mean() < 20


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/html", b"<html>Sign in</html>", "gives no video (text/html)"),
        ("video/mp4", b"", "gives no video"),
        ("text/plain", b"ffconcat version 1.0\nfile /etc/passwd\n", "gives no video"),
        ("video/mp4", b"ffconcat version 1.0\nfile /etc/passwd\n", "gives no video"),
        ("application/sdp", b"v=0\nc=IN IP4 169.254.169.254\nm=video 5000 RTP/AVP 96\n", "gives no video"),
        ("video/mp2t", b"[playlist]\nFile1=/etc/passwd\n", "gives no video"),
        ("application/dash+xml", b'<?xml version="1.0"?><MPD></MPD>', "gives no video"),
        ("application/octet-stream", b"http://169.254.169.254/\n", "gives no video"),
        ("image/jpeg", b"these are only words", "no whole picture"),
        ("multipart/x-mixed-replace;boundary=x", b"--x\r\n\r\nwords", "no whole picture"),
    ],
)
def test_what_is_no_video(kind: str, body: bytes, said: str) -> None:
    with http_camera(lambda request: request.say(200, [f"Content-Type: {kind}"], body)) as camera:
        assert said in problem(camera.url)


def test_something_that_speaks_no_http() -> None:
    with rtsp_camera() as camera:
        assert problem(camera.url.replace("rtsp://", "http://"), IMPATIENT)
    with mjpeg_camera() as plain:
        assert "does not speak HTTPS" in problem(plain.url.replace("http://", "https://"), IMPATIENT)
        assert "does not speak RTSP" in problem(plain.url.replace("http://", "rtsp://"), IMPATIENT)
    with silent_camera() as address:
        assert "sent nothing usable" in problem(f"http://{address}/", IMPATIENT)


@pytest.mark.parametrize(
    ("begun", "form"),
    [
        (b"\x47" + bytes(187) + b"\x47", Form.MPEG_TS),
        (b"\x00\x00\x00\x18ftypisom", Form.MP4),
        (b"FLV\x01", Form.FLV),
        (b"\x00\x00\x00\x01\x67\x42", Form.H264),
        (b"\x00\x00\x00\x01\x40\x01", Form.H265),
        (b"--boundary\r\nContent-Type: image/jpeg\r\n", Form.PICTURES),
        (b"\xef\xbb\xbf#EXTM3U\n", Form.PLAYLIST),
        (b"\x00\x00\x00\x01\x00", None),
        (b"GIF89a", None),
    ],
)
def test_what_a_body_is_shows_at_its_beginning(begun: bytes, form: Form | None) -> None:
    assert form_of("", begun) is form
