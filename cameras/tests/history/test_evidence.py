"""A package of evidence: what is in it, that nobody else can be recognised, how it ends, and that it is on record."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db.models import Q
from django.test import Client
from django.urls import reverse

from accounts import vault
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from cameras import release
from cameras.bundles import MANIFEST, Bundle, zipped
from cameras.evidence import gathering, writing
from cameras.evidence.gathering import EvidenceError, Package, Wanted
from cameras.identities.erasure import erase_identity
from cameras.models import Correction, CorrectionKind, Identity, Link, Sighting, shot_scope
from cameras.services import shot_bind
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition import services
from recognition.engine import ModelError, decode_photo
from recognition.packs import current_pack
from recognition.photos import portrait_jpeg
from recognition.tests.factories import PersonFactory
from recognition.tests.photos import crowd, nobody

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kept_connection")]
WHY: dict[str, Any] = {"reason": "Asked for by the police", "case_number": "2026/17"}


@pytest.fixture
def ada() -> User:
    made: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return made


@pytest.fixture
def them() -> Identity:
    return Identity.objects.create(person=PersonFactory.create(name="Grace <Hopper>"))


def seen(identity: Identity, *, jpeg: bytes | None = None, **values: Any) -> Sighting:
    row: Sighting = SightingFactory.create(identity=identity, person=identity.person, link=Link.RECOGNISED, **values)
    if jpeg is not None:
        assert row.shot_day is not None
        row.sealed_shot = vault.seal(shot_scope(row.shot_day), jpeg, bind=shot_bind(row.pk))
        row.save(update_fields=["sealed_shot"])
    return row


def begun(actor: User, identity: Identity, **wanted: Any) -> Package:
    return gathering.begin(actor=actor, identity=identity, wanted=Wanted(**{**WHY, **wanted}))


def data_of(package: Package, *, stop_after: int | None = None) -> bytes:
    """What is sent; with `stop_after` the other side goes away after so many pieces."""

    async def collect() -> bytes:
        pieces: list[bytes] = []
        stream: AsyncIterator[bytes] = writing.written(package)
        async for piece in stream:
            pieces.append(piece)
            if len(pieces) == stop_after:
                await stream.aclose()  # type: ignore[attr-defined]  # a generator, as servers close it
                break
        return b"".join(pieces)

    return bytes(async_to_sync(collect)())


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_is_in_it_and_that_it_can_be_checked(ada: User, them: Identity) -> None:
    first = seen(them, jpeg=nobody(), first_seen=NOON, camera=CameraFactory.create(name="North gate"))
    second = seen(them, first_seen=NOON + timedelta(minutes=7))
    Sighting.objects.filter(pk=second.pk).update(sealed_shot=None, shot_day=None)
    Correction.objects.create(
        kind=CorrectionKind.MERGED, identity=them, actor=ada, actor_name="ada", reason="The same coat"
    )
    data = data_of(begun(ada, them))
    files = files_of(data)
    assert set(files) == {"shots/0001.jpg", "report.html", "sightings.json", "README.txt", MANIFEST}
    sums = dict(line.split("  ")[::-1] for line in files[MANIFEST].decode().splitlines())
    assert sums == {name: hashlib.sha256(some).hexdigest() for name, some in files.items() if name != MANIFEST}
    facts = json.loads(files["sightings.json"])
    assert [one["sighting"] for one in facts["sightings"]] == [str(first.pk), str(second.pk)]
    assert facts["exported"]["reason"] == WHY["reason"]
    assert facts["corrections"][0]["reason"] == "The same coat"
    report = files["report.html"].decode()
    for text in ("Grace &lt;Hopper&gt;", "North gate", "2026-03-14 12:00:00", "2026/17", "The same coat", "ada"):
        assert text in report
    assert "data:image/jpeg;base64," in report
    assert "6 min 52 s" in report  # from the end of the first to the second


def test_it_is_on_record_with_its_sum(ada: User, them: Identity) -> None:
    seen(them)
    data = data_of(begun(ada, them))
    asked, took = AuditEvent.objects.filter(target=f"identity {them.pk}").order_by("id")
    assert (asked.verb, asked.detail["reason"], asked.detail["case"]) == ("takes evidence", *WHY.values())
    assert (took.verb, took.detail["sha256"]) == ("took evidence", hashlib.sha256(data).hexdigest())
    assert took.detail["bytes"] == len(data)


def test_who_goes_away_has_what_was_sent_and_that_is_on_record(ada: User, them: Identity) -> None:
    for _ in range(3):
        seen(them)
    data = data_of(begun(ada, them), stop_after=2)
    event = AuditEvent.objects.get(verb="evidence was cut")
    assert event.detail["sha256"] == hashlib.sha256(data).hexdigest()
    assert event.detail["sightings"] == 2
    assert not zipfile.is_zipfile(io.BytesIO(data))


@pytest.mark.parametrize("how", ["person", "identity", "corrected", "lead"])
def test_somebody_deleted_or_corrected_in_the_middle_ends_it(
    ada: User, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = PersonFactory.create() if how == "person" else None
    them = Identity.objects.create(person=person)
    rows = [seen(them) for _ in range(3)]
    package = begun(ada, them)
    look = gathering.look

    def changed(package: Package, number: int, before: Any) -> Any:
        if number == 3 and person is not None:
            services.delete_person(actor=None, person=person)
        elif number == 3 and how == "identity":
            erase_identity(actor=ada, identity=them, reason="They asked for it")
        elif number == 3 and how == "corrected":
            Sighting.objects.filter(pk=rows[0].pk).update(identity=Identity.objects.create())
        elif number == 3:
            monkeypatch.setattr(release, "_leads", [lambda: Q(pk=rows[2].pk)])
        return look(package, number, before)

    monkeypatch.setattr(writing, "look", changed)
    data = data_of(package)
    assert not zipfile.is_zipfile(io.BytesIO(data))
    event = AuditEvent.objects.get(verb="evidence was cut")
    assert "while it was written" in event.detail["why"]
    assert not AuditEvent.objects.filter(verb="took evidence").exists()


def test_leads_are_not_handed_out(ada: User, them: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    lead, plain = seen(them), seen(them)
    monkeypatch.setattr(release, "_leads", [lambda: Q(pk=lead.pk)])
    facts = json.loads(files_of(data_of(begun(ada, them)))["sightings.json"])
    assert [one["sighting"] for one in facts["sightings"]] == [str(plain.pk)]
    with pytest.raises(EvidenceError, match="no sighting"):
        begun(ada, them, only=[lead.pk])


def test_nobody_else_can_be_recognised(ada: User, them: Identity) -> None:
    pack, image = current_pack(), decode_photo(crowd())
    box = pack.analyse(image, embed=False)[3].box
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * 1.2
    wide = box.copy()
    wide[:2], wide[2:] = middle - half, middle + half
    jpeg = portrait_jpeg(image, wide, side=900)
    seen(them, jpeg=jpeg)
    shown = files_of(data_of(begun(ada, them)))["shots/0001.jpg"]
    assert shown != jpeg
    assert abs(decode_photo(shown).astype(int) - decode_photo(jpeg).astype(int)).mean() > 1


def test_where_nobody_can_look_nothing_is_handed_out(
    ada: User, them: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ModelError("The model is not there. Install it.")

    seen(them)
    monkeypatch.setattr(gathering, "current_pack", fail)
    assert data_of(begun(ada, them)) == b""
    assert "can not be hidden" in AuditEvent.objects.get(verb="evidence was cut").detail["why"]


def test_a_picture_whose_key_is_gone_is_left_out(ada: User, them: Identity) -> None:
    row = seen(them)
    assert row.shot_day is not None
    vault.shred(shot_scope(row.shot_day))
    files = files_of(data_of(begun(ada, them)))
    assert not any(name.startswith("shots/") for name in files)
    assert "none kept" in files["report.html"].decode()


def test_the_span_cameras_and_choice_count(ada: User, them: Identity) -> None:
    gate = CameraFactory.create()
    at_gate = seen(them, camera=gate, first_seen=NOON)
    later = seen(them, first_seen=NOON + timedelta(hours=3))
    doubted = seen(them, first_seen=NOON + timedelta(hours=1), is_doubted=True)
    assert begun(ada, them).sightings == (at_gate.pk, later.pk)
    assert begun(ada, them, doubted=True).sightings == (at_gate.pk, doubted.pk, later.pk)
    assert begun(ada, them, cameras=[gate.pk]).sightings == (at_gate.pk,)
    assert begun(ada, them, since=NOON + timedelta(hours=2)).sightings == (later.pk,)
    assert begun(ada, them, until=NOON).sightings == (at_gate.pk,)
    assert begun(ada, them, only=[later.pk]).sightings == (later.pk,)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"reason": " x "}, "reason"),
        ({"reason": "\x00" * 8}, "reason"),
        ({"case_number": " "}, "case_number"),
        ({"since": NOON, "until": NOON}, "until"),
        ({"since": NOON + timedelta(days=9)}, ""),
    ],
)
def test_what_can_not_be_exported(ada: User, them: Identity, wrong: dict[str, Any], field: str) -> None:
    seen(them)
    with pytest.raises(EvidenceError) as raised:
        begun(ada, them, **wrong)
    assert raised.value.field == field
    assert not AuditEvent.objects.exists()


def test_too_many_are_refused(ada: User, them: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST", 1)
    seen(them)
    seen(them)
    with pytest.raises(EvidenceError, match="too many"):
        begun(ada, them)


def test_a_bundle_gives_the_same_in_pieces_and_as_a_whole() -> None:
    bundle = Bundle(NOON)
    bundle.add("a.txt", b"a" * 10_000)
    pieces = [bundle.taken(), bundle.taken()]
    bundle.add("b.txt", b"b")
    data = b"".join([*pieces, bundle.closed()])
    assert pieces[1] == b""
    assert data == zipped({"a.txt": b"a" * 10_000, "b.txt": b"b"}, NOON)
    assert (bundle.sha256, bundle.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert files_of(data)["a.txt"] == b"a" * 10_000


# The page


def page_of(identity: Identity) -> str:
    return reverse("evidence", args=[identity.pk])


def test_by_the_page(client: Client, them: Identity) -> None:
    sign_in(client, Role.OPERATOR)
    seen(them)
    assert "What is in the package" in client.get(page_of(them)).content.decode()
    answer = client.post(page_of(them), WHY)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == f'attachment; filename="evidence-identity-{them.pk}.zip"'

    async def collect() -> bytes:
        pieces = getattr(answer, "streaming_content")  # noqa: B009 (the client's type does not know of it)
        return b"".join([piece async for piece in pieces])

    assert "report.html" in files_of(async_to_sync(collect)())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"reason": ""}, "This field is required"),
        ({"reason": "why"}, "for what the package is needed"),
        ({"only": "x"}, "Select a valid choice"),
        ({"since": "2030-01-01T00:00"}, "no sighting in this span"),
        ({"cameras": "99"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_gets_a_sentence(client: Client, them: Identity, values: dict[str, str], sentence: str) -> None:
    sign_in(client, Role.OPERATOR)
    seen(them)
    answer = client.post(page_of(them), {**WHY, **values})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()


def test_who_may_not_and_wrong_methods(client: Client, them: Identity) -> None:
    assert client.get(page_of(them))["Location"].startswith("/accounts/login/")
    for role in (None, Role.VIEWER):
        sign_in(client, role)
        assert client.get(page_of(them)).status_code == 403
        assert client.post(page_of(them), WHY).status_code == 403
    sign_in(client, Role.OPERATOR)
    assert client.delete(page_of(them)).status_code == 405
    assert client.get(reverse("evidence", args=[10**15])).status_code == 404
    merged = Identity.objects.create(merged_into=them)
    assert client.get(page_of(merged))["Location"] == page_of(them)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("field", ["since", "until"])
def test_a_time_that_the_report_could_not_say_is_refused(
    client: Client, them: Identity, field: str, moment: str
) -> None:
    seen(them)
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("evidence", args=[them.pk]), {**WHY, field: moment})
    assert "from 1970 to 9999" in answer.content.decode()
    assert not AuditEvent.objects.filter(verb="takes evidence").exists()


def test_hostile_names_are_words_in_the_report_and_name_no_file(ada: User) -> None:
    hostile = "../../<script>alert(1)</script>"
    them = Identity.objects.create(person=PersonFactory.create(name=hostile))
    seen(them, jpeg=nobody(), camera=CameraFactory.create(name=hostile))
    files = files_of(data_of(begun(ada, them, reason=hostile, case_number=hostile)))
    assert set(files) == {"shots/0001.jpg", "report.html", "sightings.json", "README.txt", MANIFEST}
    assert b"<script" not in files["report.html"]
    assert files["report.html"].count(b"&lt;script&gt;") >= 4
