"""Files at an alert: what is accepted, that they are sealed, shown safely, and gone when they are removed."""

from __future__ import annotations

import io
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image as Pillow

from accounts import vault
from accounts.models import AuditEvent, DataKey, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts import attachments
from alerts.errors import AlertError
from alerts.models import Alert, AlertStep, Attachment, StepKind
from alerts.tests.factories import AlertFactory
from cameras.models import Camera
from recognition.engine import encode_jpeg
from recognition.tests.factories import picture

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def as_image(kind: str) -> bytes:
    written = io.BytesIO()
    Pillow.fromarray(np.full((20, 30, 3), 99, np.uint8)).save(written, kind)
    return written.getvalue()


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (picture(), "image/jpeg"),
        (as_image("PNG"), "image/png"),
        (as_image("WEBP"), "image/webp"),
        (PDF, "application/pdf"),
        ("Grüße,\n\tAda\r\n".encode(), "text/plain"),
        (b"<script>alert(1)</script>", "text/plain"),  # served as text, and never run
    ],
)
def test_what_may_be_attached(data: bytes, kind: str) -> None:
    assert attachments.kind_of(data) == kind


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "The file is empty"),
        (b"x" * (10 * 2**20 + 1), "more than the 10 MB"),
        (b"MZ\x90\x00\x03", "This kind of file can not be attached"),
        (b"PK\x03\x04" + bytes(40), "This kind of file can not be attached"),
        (b"%PDF-1.7 cut off\x00", "This kind of file can not be attached"),
        (b"GIF89a" + bytes(30), "This kind of file can not be attached"),
        (b"\xff\xd8\xff" + bytes(100), "damaged|read"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(40), "This kind of file can not be attached"),  # only cameras add clips
        (b"\xff\xfe\x00a", "This kind of file can not be attached"),
    ],
)
def test_what_may_not(data: bytes, why: str) -> None:
    with pytest.raises(AlertError, match=why):
        attachments.kind_of(data)


def test_it_is_sealed_and_comes_back_as_it_was(ada: User) -> None:
    alert, text = AlertFactory.create(), b"Seen by the guard at the gate."
    made = attachments.attach(actor=ada, alert=alert, name="../../etc/note\x00.txt", data=text)
    row = Attachment.objects.get()
    assert (row.name, row.media_type, row.size, row.added_by) == ("note.txt", "text/plain", len(text), ada)
    assert text not in bytes(row.sealed)
    opened = attachments.open_one(row)
    assert (opened.data, opened.is_image) == (text, False)
    assert AlertStep.objects.get().text == "note.txt"
    assert AuditEvent.objects.get().verb == "attached"
    alert.refresh_from_db()
    assert alert.version == 1
    other = attachments.attach(actor=ada, alert=alert, name="b.txt", data=b"other")
    Attachment.objects.filter(pk=other.pk).update(sealed=made.sealed)  # copied over
    with pytest.raises(vault.VaultError):
        attachments.open_one(Attachment.objects.get(pk=other.pk))


def test_there_is_an_end(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MOST_FILES", 1)
    alert = AlertFactory.create()
    attachments.attach(actor=ada, alert=alert, name="a", data=b"a")
    with pytest.raises(AlertError, match="at most 1 attachments"):
        attachments.attach(actor=ada, alert=alert, name="b", data=b"b")


def test_the_key_goes_with_the_last_one(ada: User) -> None:
    alert = AlertFactory.create()
    one, two = (attachments.attach(actor=ada, alert=alert, name=name, data=b"x") for name in "ab")
    keys = DataKey.objects.filter(scope=f"alert:{alert.pk}")
    attachments.remove(actor=ada, attachment=one)
    assert keys.exists()
    attachments.remove(actor=ada, attachment=two)
    assert not keys.exists()
    assert AuditEvent.objects.filter(verb="removed attachment").count() == 2
    attachments.remove(actor=ada, attachment=two)  # somebody was faster
    assert AuditEvent.objects.filter(verb="removed attachment").count() == 2


def test_the_key_goes_with_the_alert(ada: User) -> None:
    alert = AlertFactory.create()
    attachments.attach(actor=ada, alert=alert, name="a", data=b"x")
    Alert.objects.all().delete()
    assert not DataKey.objects.filter(scope__startswith="alert:").exists()


def test_attaching_looking_and_removing_by_the_page(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create()
    page = reverse("alert", args=[alert.pk])
    photo = encode_jpeg(np.full((60, 80, 3), 90, np.uint8))
    for name, data in (("gate.jpg", photo), ("note.html", b"<script>alert(1)</script>")):
        answer = client.post(reverse("alert_attach", args=[alert.pk]), {"file": SimpleUploadedFile(name, data)})
        assert answer["Location"] == page
    picture_row, text_row = Attachment.objects.order_by("id")
    shown = client.get(page).content.decode()
    assert "gate.jpg is attached" in shown
    assert f'alt="Attached picture: {picture_row.name}"' in shown

    image = client.get(reverse("alert_attachment", args=[alert.pk, picture_row.pk]))
    assert (image.content, image["Content-Type"]) == (photo, "image/jpeg")
    assert image["Content-Disposition"].startswith("inline")
    text = client.get(reverse("alert_attachment", args=[alert.pk, text_row.pk]))
    assert (text["Content-Type"], text["X-Content-Type-Options"]) == ("text/plain", "nosniff")
    assert text["Content-Disposition"] == 'attachment; filename="note.html"'
    assert "sandbox" in text["Content-Security-Policy"]
    assert text["Cache-Control"] == "no-store"

    other = AlertFactory.create()
    assert client.get(reverse("alert_attachment", args=[other.pk, text_row.pk])).status_code == 404
    assert client.post(reverse("alert_attachment_remove", args=[other.pk, text_row.pk])).status_code == 404
    client.post(reverse("alert_attachment_remove", args=[alert.pk, text_row.pk]))
    assert list(Attachment.objects.all()) == [picture_row]


def test_a_bad_file_is_refused_with_a_sentence(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create()
    address = reverse("alert_attach", args=[alert.pk])
    bad = SimpleUploadedFile("a.exe", b"MZ\x90\x00\x03")
    assert "can not be attached" in client.post(address, {"file": bad}, follow=True).content.decode()
    assert "This field is required" in client.post(address, {}, follow=True).content.decode()
    assert not Attachment.objects.exists()


# --- clips -----------------------------------------------------------------------------------------------------------

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 4


def test_a_clip_is_added_by_the_system_and_once() -> None:
    alert = AlertFactory.create()
    made = attachments.attach_clip(alert_id=alert.pk, name="Gate 12.00.mp4", data=MP4)
    assert made is not None
    assert attachments.attach_clip(alert_id=alert.pk, name="Gate 12.00.mp4", data=MP4) is None
    row = Attachment.objects.get()
    assert (row.name, row.media_type, row.size, row.added_by) == ("Gate 12.00.mp4", "video/mp4", len(MP4), None)
    assert MP4[12:] not in bytes(row.sealed)
    assert attachments.open_one(row).data == MP4
    step = AlertStep.objects.get()
    assert (step.kind, step.actor_name, step.text) == (StepKind.ATTACHED, "system", "Gate 12.00.mp4")
    assert AuditEvent.objects.get().verb == "attached"
    alert.refresh_from_db()
    assert alert.version == 1
    Alert.objects.all().delete()
    assert not DataKey.objects.filter(scope__startswith="alert:").exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "The file is empty"),
        (MP4 + bytes(10 * 2**20), "more than the 10 MB"),
        (picture(), "This is no clip"),
        (b"ftypisom", "This is no clip"),
    ],
)
def test_what_is_no_clip(data: bytes, why: str) -> None:
    alert = AlertFactory.create()
    with pytest.raises(AlertError, match=why):
        attachments.attach_clip(alert_id=alert.pk, name="a.mp4", data=data)
    assert not Attachment.objects.exists()


def test_a_clip_of_an_alert_that_is_gone_or_full(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = AlertFactory.create()
    with pytest.raises(AlertError, match="removed"):
        attachments.attach_clip(alert_id=alert.pk + 1, name="a.mp4", data=MP4)
    monkeypatch.setattr(attachments, "MOST_FILES", 1)
    attachments.attach(actor=ada, alert=alert, name="a", data=b"a")
    with pytest.raises(AlertError, match="at most 1 attachments"):
        attachments.attach_clip(alert_id=alert.pk, name="b.mp4", data=MP4)


def clip_address(alert: Alert) -> str:
    made = attachments.attach_clip(alert_id=alert.pk, name="Gate 12.00.mp4", data=MP4)
    assert made is not None
    return reverse("alert_attachment", args=[alert.pk, made.pk])


@pytest.mark.parametrize("lead", [False, True])
def test_the_page_plays_it_and_names_it_also_for_a_lead(client: Client, lead: bool) -> None:
    sign_in(client, Role.VIEWER)
    alert = AlertFactory.create(reviews_needed=2 if lead else 0)
    address = clip_address(alert)
    page = client.get(reverse("alert", args=[alert.pk])).content.decode()
    assert f'src="{address}"' in page
    assert '<video class="clip" controls preload="none"' in page
    assert f'<a class="breaks" href="{address}">Gate 12.00.mp4</a>' in page
    assert "1.0\xa0KB" in page
    assert "style=" not in page.split("<video")[1].split("</video>")[0]

    answer = client.get(address)
    assert (answer.content, answer["Content-Type"], answer["Accept-Ranges"]) == (MP4, "video/mp4", "bytes")
    assert answer["Content-Disposition"].startswith("inline")
    assert answer["Cache-Control"] == "no-store"
    part = client.get(address, HTTP_RANGE="bytes=0-1")  # how Safari begins
    assert (part.status_code, part.content, part["Content-Range"]) == (206, MP4[:2], f"bytes 0-1/{len(MP4)}")
    assert client.get(address, HTTP_RANGE="bytes=99999-").status_code == 416


def test_who_may_not_see_sightings_sees_no_clip(client: Client) -> None:
    user: User = UserFactory.create()
    user.user_permissions.add(Permission.objects.get(codename="view_alert"))
    client.force_login(user)
    alert = AlertFactory.create()
    address = clip_address(alert)
    assert client.get(address).status_code == 403
    page = client.get(reverse("alert", args=[alert.pk]))
    assert page.status_code == 200
    assert "<video" not in page.content.decode()


def test_the_page_waits_for_a_clip_only_while_one_may_come(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    alert = AlertFactory.create()
    page = reverse("alert", args=[alert.pk])
    waits = f'hx-get="{page}?part=clip"'
    assert waits not in client.get(page).content.decode()
    Camera.objects.update(clips=True)
    assert waits in client.get(page).content.decode()
    htmx = {"HX-Request": "true"}
    part = client.get(f"{page}?part=clip", headers=htmx).content.decode()
    assert part.strip().startswith('<p class="note" id="clip"')
    clip_address(alert)
    part = client.get(f"{page}?part=clip", headers=htmx).content.decode()
    assert part.strip().startswith("<section")
    assert "<video" in part
    assert waits not in part
    late = AlertFactory.create()
    Camera.objects.update(clips=True)
    Alert.objects.filter(pk=late.pk).update(created_at=late.created_at - timedelta(minutes=2))
    part = client.get(f"{reverse('alert', args=[late.pk])}?part=clip", headers=htmx).content.decode()
    assert part.strip() == '<div id="clip" hidden></div>'
