"""An alert as evidence: what is in it, that nobody else can be recognised, and that leads are not exported."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from accounts import vault
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts import attachments, exports, lifecycle
from alerts.errors import AlertError
from alerts.models import Alert, AlertStep, Attachment, StepKind
from alerts.tests.factories import AlertFactory
from cameras import shots
from cameras.bundles import MANIFEST
from cameras.models import Sighting, shot_scope
from cameras.services import shot_bind
from cameras.tests.factories import SightingFactory
from recognition.engine import ModelError, decode_photo, similarity
from recognition.packs import current_pack
from recognition.photos import portrait_jpeg
from recognition.tests.photos import crowd, nobody

pytestmark = pytest.mark.django_db

WHY = "Asked for by the police, case 12/345."


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


def with_shot(jpeg: bytes) -> Alert:
    sighting = SightingFactory.create()
    assert sighting.shot_day is not None
    sighting.sealed_shot = vault.seal(shot_scope(sighting.shot_day), jpeg, bind=shot_bind(sighting.pk))
    sighting.save()
    alert: Alert = AlertFactory.create(sighting=sighting, detail="Ada appears at the gate.")
    return alert


def files_of(made: exports.Evidence) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def crowded() -> tuple[bytes, int]:
    """A best shot that shows others too, and how many."""
    pack, image = current_pack(), decode_photo(crowd())
    box = pack.analyse(image, embed=False)[3].box
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() * 1.2
    wide = np.concatenate([middle - half, middle + half]).astype(np.float32)
    jpeg = portrait_jpeg(image, wide, side=900)
    return jpeg, len(shots.look(jpeg, pack, embed=False).bystanders)


def test_what_is_in_it_and_that_it_can_be_checked(ada: User) -> None:
    alert = with_shot(nobody())
    lifecycle.comment(actor=ada, alert=alert, text="At the gate.")
    made = exports.export(actor=ada, alert=alert, reason=WHY)
    assert made.name == f"alert-{alert.pk}.zip"
    assert made.sha256 == hashlib.sha256(made.data).hexdigest()
    files = files_of(made)
    assert set(files) == {"README.txt", "alert.json", "best-shot.jpg", "SHA256SUMS"}
    sums = dict(line.split("  ")[::-1] for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != MANIFEST}
    facts = json.loads(files["alert.json"])
    assert facts["person"] == alert.person_name
    assert facts["exported"]["reason"] == WHY
    assert facts["what"] == "Ada appears at the gate."
    assert [(step["what"], step["text"]) for step in facts["history"]] == [("commented", "At the gate.")]
    assert facts["sighting"]["is_another_person_now"] is False


def test_the_clip_goes_with_it_as_it_is_kept(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    alert, data = with_shot(nobody()), b"\x00\x00\x00\x18ftypisom" + bytes(99)
    attachments.attach_clip(alert_id=alert.pk, name="Gate 12.00.mp4", data=data)
    attachments.attach(actor=ada, alert=alert, name="note.txt", data=b"For us only.")
    files = files_of(exports.export(actor=ada, alert=alert, reason=WHY))
    assert set(files) == {"README.txt", "alert.json", "best-shot.jpg", "clip.mp4", "SHA256SUMS"}
    assert files["clip.mp4"] == data
    assert f"{hashlib.sha256(data).hexdigest()}  clip.mp4" in files["SHA256SUMS"].decode()

    def fail(row: Attachment) -> None:
        raise vault.VaultError("A byte was changed.")

    monkeypatch.setattr(attachments, "open_one", fail)
    with pytest.raises(AlertError, match="clip can not be opened, so nothing is exported"):
        exports.export(actor=ada, alert=alert, reason=WHY)
    assert AlertStep.objects.filter(kind=StepKind.EXPORTED).count() == 1


def test_it_is_on_record(ada: User) -> None:
    made = exports.export(actor=ada, alert=with_shot(nobody()), reason=f"  {WHY}")
    step = AlertStep.objects.get(kind=StepKind.EXPORTED)
    assert step.text == f"{WHY} (SHA-256 {made.sha256})"
    assert AuditEvent.objects.get(verb="exported").detail == {"reason": WHY, "sha256": made.sha256}


def test_nobody_else_can_be_recognised() -> None:
    pack = current_pack()
    jpeg, others = crowded()
    assert others >= 1
    shot = shots.look(jpeg, pack, embed=True)
    hidden = shots.without_bystanders(shot)
    assert shot.subject is not None
    found = pack.analyse(hidden, min_face=10)
    assert max(similarity(face.embedding, shot.subject.embedding) for face in found) > 0.98
    for bystander in shot.bystanders:
        alike = [similarity(face.embedding, bystander.embedding) for face in found]
        assert max(alike) < pack.threshold
        # Nor by whoever looks for the face where it was.
        there = pack.embed(hidden, bystander.points[None])[0]
        assert similarity(there, bystander.embedding) < pack.threshold


def test_the_exported_picture_is_the_one_without_them(ada: User) -> None:
    jpeg, _ = crowded()
    exported = decode_photo(files_of(exports.export(actor=ada, alert=with_shot(jpeg), reason=WHY))["best-shot.jpg"])
    wanted = shots.without_bystanders(shots.look(jpeg, current_pack(), embed=False))
    assert np.abs(exported.astype(int) - wanted.astype(int)).mean() < 4
    assert np.abs(exported.astype(int) - decode_photo(jpeg).astype(int)).mean() > 1


def test_where_nobody_can_look_nothing_is_exported(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModelError("The model is not there. Install it.")

    monkeypatch.setattr(exports, "current_pack", fail)
    with pytest.raises(AlertError, match="Bystanders in the picture can not be hidden, so nothing is exported"):
        exports.export(actor=ada, alert=with_shot(nobody()), reason=WHY)
    assert not AlertStep.objects.exists()


def test_without_a_picture(ada: User) -> None:
    alert = with_shot(nobody())
    Sighting.objects.update(sealed_shot=None, shot_day=None)
    assert "best-shot.jpg" not in files_of(exports.export(actor=ada, alert=alert, reason=WHY))
    shredded = with_shot(nobody())
    assert shredded.sighting is not None
    assert shredded.sighting.shot_day is not None
    vault.shred(shot_scope(shredded.sighting.shot_day))
    assert "best-shot.jpg" not in files_of(exports.export(actor=ada, alert=shredded, reason=WHY))
    absent = AlertFactory.create(
        sighting=None,
        rule=alert.rule,
        camera=None,
        camera_name="",
        person=alert.person,
        day=alert.captured_at.date(),
        similarity=None,
        threshold=None,
        captured_at=alert.captured_at,
    )
    assert set(files_of(exports.export(actor=ada, alert=absent, reason=WHY))) == {
        "README.txt", "alert.json", "SHA256SUMS"
    }  # fmt: skip


@pytest.mark.parametrize("reason", ["", "  x  ", "\x00\x00\x00\x00\x00\x00"])
def test_a_reason_is_needed(ada: User, reason: str) -> None:
    with pytest.raises(AlertError, match="Say for what the export is needed"):
        exports.export(actor=ada, alert=with_shot(nobody()), reason=reason)


@pytest.mark.parametrize(
    ("state", "decided", "locked"),
    [("new", False, True), ("dismissed", True, True), ("closed", False, True), ("confirmed", True, False)],
)
def test_a_lead_is_not_exported(ada: User, state: str, decided: bool, locked: bool) -> None:
    alert = with_shot(nobody())
    alert.reviews_needed, alert.state = 2, state
    alert.decided_at = alert.captured_at if decided else None
    alert.save()
    if locked:
        with pytest.raises(AlertError, match="a lead that reviewers have not confirmed"):
            exports.export(actor=ada, alert=alert, reason=WHY)
    else:
        assert files_of(exports.export(actor=ada, alert=alert, reason=WHY))


def test_by_the_page(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    alert = with_shot(nobody())
    address = reverse("alert_export", args=[alert.pk])
    answer = client.post(address, {"reason": WHY})
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == f'attachment; filename="alert-{alert.pk}.zip"'
    assert zipfile.is_zipfile(io.BytesIO(answer.content))
    Alert.objects.update(reviews_needed=2)
    refused = client.post(address, {"reason": WHY}, follow=True).content.decode()
    assert "it can not be exported" in refused
    assert f'action="{address}"' not in refused
