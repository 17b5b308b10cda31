"""Files at an alert: what is accepted, that they are sealed, shown safely, and gone when they are removed."""

from __future__ import annotations

import io

import numpy as np
import pytest
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
from alerts.models import Alert, AlertStep, Attachment
from alerts.tests.factories import AlertFactory
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
