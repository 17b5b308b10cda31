"""A dump of the database, Redis, the logs and the files hold no embedding, enrolment photo or camera password.

The whole way is gone once with a real face: enrolment and search by command and by API, cameras with a password by
command, API, admin site and page test, a camera loop over a clip, a source that fails, alerts and their delivery.
Then everything that was kept is searched for what must not be there, in every form it could have.
"""

from __future__ import annotations

import base64
import io
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import vault
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client
from accounts.tests.factories import UserFactory
from alerts.models import Alert, Attachment
from cameras.identities.linker import Linker
from cameras.identities.unknowns import opened
from cameras.models import Identity, Sighting, UnknownTemplate
from cameras.network import NetworkPolicy
from cameras.probe import probe
from cameras.sources import parse_source
from config.log import RedactingFormatter
from config.redis import client as redis
from recognition import gallery
from recognition.engine import Embedding
from recognition.gallery import template_bind
from recognition.models import Person, Photo, Template
from recognition.tests.photos import astronaut, changed, crowd

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "s3cr3t-cam-Xq7!pw"
QUERY_PASSWORD = "s3cr3t-cam-query"
ADDRESS = f"rtsp://viewer:{PASSWORD}@127.0.0.1:1/live?pwd={QUERY_PASSWORD}"
# How pictures begin. Three bytes alone turn up in sealed data by chance, these do not.
PICTURES = {
    "a JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "a JPEG with Exif": b"Exif\x00\x00",
    "a PNG": b"\x89PNG\r\n\x1a\n",
    "a WebP": b"WEBPVP8",
}

Places = Iterable[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needles:
    """What to look for, by name, as the bytes it would be kept as."""

    found_as: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        """The content itself, and as base64 (whatever came before it) and as hexadecimal digits."""
        self.found_as[name] = content
        self.found_as[f"{name} as hexadecimal digits"] = content.hex().encode()
        for shift in range(3):
            coded = base64.b64encode(bytes(shift) + content)
            # The first and last digits depend on the neighbours.
            self.found_as[f"{name} as base64, shifted by {shift}"] = coded[4:-4] if shift else coded[:-4]

    def add_values(self, embedding: Embedding, *, whose: str = "") -> None:
        """An embedding in the kinds of numbers that it could be kept as."""
        for kind in ("<f4", ">f4", "<f8", "<f2"):
            raw = embedding.astype(kind).tobytes()
            for start in range(0, len(raw), 16):
                self.add(f"{whose}{kind} values from byte {start}", raw[start : start + 16])

    def within(self, places: Places) -> list[str]:
        """Where any of them is, as sentences."""
        return [
            f"{name} is in {place}"
            for place, content in places
            for name, needle in self.found_as.items()
            if needle in content
        ]


def needles(embedding: Embedding, photos: list[bytes]) -> Needles:
    found = Needles()
    found.add_values(embedding)
    for at, value in enumerate(embedding):
        found.found_as[f"value {at} as text"] = str(abs(float(value)))[:10].encode()
        found.found_as[f"value {at} as short text"] = str(np.abs(value))[:10].encode()
    for number, photo in enumerate(photos):
        for start in (0, len(photo) // 3, len(photo) // 2, len(photo) - 64):
            found.add(f"photo {number} from byte {start}", photo[start : start + 64])
    for kind, magic in PICTURES.items():
        found.found_as[kind] = magic
        found.found_as[f"{kind} as base64"] = base64.b64encode(magic)[:-4]
    found.add("the password", PASSWORD.encode())
    found.add("the other password", QUERY_PASSWORD.encode())
    return found


# Where things are kept


def database() -> Iterator[tuple[str, bytes]]:
    """Every value of every row of every table."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            names = [column.name for column in cursor.description or ()]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    raw = isinstance(value, (bytes, memoryview))
                    yield f"{table}.{name}", bytes(value) if raw else str(value).encode()


def in_redis(server: Any) -> Iterator[tuple[str, bytes]]:
    """Every key and value; live pictures of cameras may be there for seconds."""
    for key in server.scan_iter():
        if bytes(key).startswith(b"lynceus:picture:"):
            continue
        kind = server.type(key)
        readers: dict[bytes, Callable[[bytes], list[Any]]] = {
            b"string": lambda k: [server.get(k)],
            b"list": lambda k: server.lrange(k, 0, -1),
            b"set": lambda k: list(server.smembers(k)),
            b"zset": lambda k: server.zrange(k, 0, -1),
            b"hash": lambda k: [part for pair in server.hgetall(k).items() for part in pair],
        }
        yield f"Redis key {key!r}", bytes(key)
        for value in readers[kind](key):
            yield f"Redis value of {key!r}", bytes(value or b"")


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the folder. The database's own files are read as its dump; models and secrets are no data."""
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if path.is_file() and inside[0] not in ("postgres", "models", "secrets"):
            yield str(path), path.read_bytes()


# What is done once


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, down to DEBUG, as the handlers of the settings write it."""
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own, so that every file that is made there is seen."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def clip_of(photo: bytes, path: Path) -> None:
    """A second of video that shows the photo."""
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (image.shape[1], image.shape[0]))
    for shift in range(20):
        writer.write(np.roll(image, shift, axis=1))
    writer.release()


def go_the_whole_way(folder: Path) -> None:
    """Everything a photo, an embedding or a password passes through."""
    photo, clip = folder / "photo.jpg", folder / "clip.avi"
    photo.write_bytes(astronaut())
    clip_of(astronaut(), clip)
    call_command("enroll", "Eileen", str(photo), "--watchlist", "Crew", "--json", stdout=io.StringIO())
    call_command("identify", str(photo), "--json", stdout=io.StringIO())
    call_command("run_camera", "--source", str(clip), "--no-pace", "--clips", "--json", stdout=io.StringIO())
    clip_of(crowd(), clip)
    call_command("run_camera", "--source", str(clip), "--no-pace", "--json", stdout=io.StringIO())
    Linker(owner="test").step()
    call_command("add_camera", "Gate", ADDRESS, stdout=io.StringIO())
    with pytest.raises(CommandError):
        call_command("run_camera", "Gate", stdout=io.StringIO())
    assert probe(parse_source(ADDRESS), network=NetworkPolicy()).problem
    over_the_api()
    on_the_pages()


def over_the_api() -> None:
    client = key_client(Role.ADMINISTRATOR)
    for data in (astronaut(), crowd()):
        file = SimpleUploadedFile("photo.jpg", data)
        assert client.post("/api/v1/identify", {"photo": file}).status_code == 200
    file = SimpleUploadedFile("photo.jpg", changed(astronaut()))
    assert client.post("/api/face/upload", {"name": "Eileen", "file": file}).status_code == 201
    camera = {"name": "API", "source": ADDRESS, "detail": ADDRESS}
    assert client.post("/api/v1/cameras", camera, format="json").status_code == 201
    bad = {"name": "API", "source": ADDRESS.replace("rtsp", "ftp")}
    assert client.post("/api/v1/cameras", bad, format="json").status_code == 400


def on_the_pages() -> None:
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    page = reverse("admin:cameras_camera_add")
    usual = {"transport": "tcp", "priority": "2", "idle_decoding": "all", "sensitivity": "5", "enabled": "on"}
    site = usual | {"name": "Site", "source": ADDRESS, "detail": ADDRESS}
    assert client.post(page, site).status_code == 302
    bad = site | {"source": ADDRESS.replace("rtsp", "ftp"), "detail": ADDRESS.replace("rtsp", "ftp")}
    assert PASSWORD not in client.post(page, bad).content.decode()


def test_nothing_is_kept_in_clear(
    log: io.StringIO, temporary: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gallery.forget()
    begun = {path for path in settings.DATA_DIR.rglob("*") if path.is_file()}
    go_the_whole_way(tmp_path)
    printed = capfd.readouterr()
    wanted = needles(enrolled_embedding(), [astronaut(), changed(astronaut()), crowd()])
    for number, embedding in enumerate(unknown_embeddings()):
        wanted.add_values(embedding, whose=f"unknown person {number}: ")

    assert Alert.objects.exists(), "the loop should have recognised somebody"
    assert Sighting.objects.exclude(sealed_shot=None).exists()
    assert Attachment.objects.filter(media_type="video/mp4").exists()
    assert Photo.objects.exists()
    assert Identity.objects.filter(person=None).exists(), "the linker should have linked somebody unknown"
    places = [
        *database(),
        *in_redis(redis()),
        ("the log", log.getvalue().encode()),
        ("stdout and stderr", (printed.out + printed.err).encode()),
        *files(temporary),
        *files(settings.DATA_DIR),
    ]
    assert len(places) > 100
    assert wanted.within(places) == []
    new = {path for path in settings.DATA_DIR.rglob("*") if path.is_file()} - begun
    assert not [path for path in new if path.suffix in (".jpg", ".png", ".avi", ".mp4", ".npy")]


def enrolled_embedding() -> Embedding:
    template = Template.objects.select_related("person").first()
    assert template is not None
    bind = template_bind(template.person_id, template.pack)
    raw = vault.unseal(template.person.scope, template.sealed, bind=bind)
    return np.frombuffer(raw, dtype="<f4")


def unknown_embeddings() -> list[Embedding]:
    """Of two of the unknown people whom the loop has seen; more are only more to search for."""
    found = list(opened(list(UnknownTemplate.objects.defer(None)[:2])).values())
    assert len(found) == 2
    return found


def test_the_search_finds_what_is_in_clear(log: io.StringIO, temporary: Path) -> None:
    """Each thing, put in each place in the forms it could have there, is found."""
    random = np.random.default_rng(0)
    embedding: Embedding = random.standard_normal(128).astype(np.float32)
    wanted = needles(embedding, [astronaut()])
    raw = embedding.tobytes()
    person = Person.objects.create(name="x", notes=" ".join(str(float(value)) for value in embedding))
    Photo.objects.create(person=person, sealed=astronaut(), sealed_portrait=b"header" + raw)
    coded = base64.b64encode(b"7" + raw).decode()
    AuditEvent.objects.create(verb="x", target=PASSWORD, actor_name="x", detail={"vector": coded})
    in_database = " ".join(wanted.within(database()))
    for found in (
        "value 0 as text is in recognition_person.notes",
        "photo 0 from byte 0 is in recognition_photo.sealed",
        "a JPEG is in recognition_photo.sealed",
        "<f4 values from byte 16 is in recognition_photo.sealed_portrait",
        "as base64, shifted by 1 is in accounts_auditevent.detail",
        "the password is in accounts_auditevent.target",
    ):
        assert found in in_database

    redis().rpush("lynceus:test:list", raw)
    redis().hset("lynceus:test:hash", "field", changed(astronaut()))
    try:
        told = " ".join(wanted.within(in_redis(redis())))
    finally:
        redis().delete("lynceus:test:list", "lynceus:test:hash")
    assert "<f4 values from byte 0 is in Redis value of b'lynceus:test:list'" in told
    assert "a JPEG is in Redis value of b'lynceus:test:hash'" in told

    logging.getLogger("x").debug("opened with %s", PASSWORD)
    logging.getLogger("x").debug("opened rtsp://viewer:%s@camera/", "another-word")
    (temporary / "photo.tmp").write_bytes(b"x" + astronaut())
    assert wanted.within([("the log", log.getvalue().encode())]) == ["the password is in the log"]
    assert "another-word" not in log.getvalue()
    assert any("photo 0 from byte 0" in each for each in wanted.within(files(temporary)))
