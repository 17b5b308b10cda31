"""The page of one alert, what is done there, and the pages about figures, trainings and mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts.models import Alert, AlertStep, Attachment, Delivery, DeliveryState, NotThisPerson, Review, Training
from alerts.tests.factories import AlertFactory
from alerts.tests.outboxes import own_place
from alerts.tests.outboxes import place as a_place
from cameras.models import CameraEvent, EventKind, Sighting
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
NOBODY: list[Role | None] = [None]
NOT_VIEWERS: list[Role | None] = [None, Role.VIEWER]
ADMINISTRATORS: list[Role | None] = [None, Role.VIEWER, Role.OPERATOR, Role.REVIEWER]


def of_alert() -> list[object]:
    return [AlertFactory.create().pk]


def of_attachment() -> list[object]:
    alert = AlertFactory.create()
    return [alert.pk, Attachment.objects.create(alert=alert, name="a", media_type="text/plain", size=1, sealed=b"x").pk]


def of_mistake() -> list[object]:
    return [mistake(AlertFactory.create()).pk]


def of_training() -> list[object]:
    today = timezone.localdate()
    return [Training.objects.create(user=UserFactory.create(), course="GFMT2", trained_on=today, valid_until=today).pk]


def of_nothing() -> list[object]:
    return []


def mistake(alert: Alert) -> NotThisPerson:
    return NotThisPerson.objects.create(
        person=alert.person or PersonFactory.create(),
        alert=alert,
        pack="compact-1",
        sealed=b"x",
        similarity=0.9,
        expires_at=timezone.now() + timedelta(days=3),
    )


# name: what it is about, roles that may not, the method that is allowed
PAGES: dict[str, tuple[Callable[[], list[object]], list[Role | None], str]] = {
    "alert": (of_alert, NOBODY, "get"),
    "alert_acknowledge": (of_alert, NOT_VIEWERS, "post"),
    "alert_confirm": (of_alert, NOT_VIEWERS, "post"),
    "alert_dismiss": (of_alert, NOT_VIEWERS, "post"),
    "alert_close": (of_alert, NOT_VIEWERS, "post"),
    "alert_reopen": (of_alert, NOT_VIEWERS, "post"),
    "alert_assign": (of_alert, NOT_VIEWERS, "post"),
    "alert_comment": (of_alert, NOT_VIEWERS, "post"),
    "alert_review": (of_alert, [None, Role.VIEWER, Role.OPERATOR], "post"),
    "alert_attach": (of_alert, NOT_VIEWERS, "post"),
    "alert_attachment": (of_attachment, NOBODY, "get"),
    "alert_attachment_remove": (of_attachment, NOT_VIEWERS, "post"),
    "alert_export": (of_alert, NOT_VIEWERS, "post"),
    "alert_figures": (of_nothing, NOBODY, "get"),
    "trainings": (of_nothing, ADMINISTRATORS, ""),
    "training_withdraw": (of_training, ADMINISTRATORS, "post"),
    "mistakes": (of_nothing, NOBODY, "get"),
    "mistake_forget": (of_mistake, NOT_VIEWERS, "post"),
}


@pytest.mark.parametrize("name", PAGES)
def test_nobody_gets_in_without_signing_in(client: Client, name: str) -> None:
    about, _, method = PAGES[name]
    address = reverse(name, args=about())
    answer = getattr(client, method or "get")(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('login')}?next={address}"


@pytest.mark.parametrize(("name", "role"), [(name, role) for name, (_, roles, _) in PAGES.items() for role in roles])
def test_the_wrong_role_may_not(client: Client, name: str, role: Role | None) -> None:
    about, _, method = PAGES[name]
    sign_in(client, role)
    assert getattr(client, method or "get")(reverse(name, args=about())).status_code == 403


@pytest.mark.parametrize("name", [name for name, (_, _, method) in PAGES.items() if method])
def test_the_wrong_method_is_refused(client: Client, name: str) -> None:
    about, _, method = PAGES[name]
    sign_in(client, Role.ADMINISTRATOR)
    wrong = "post" if method == "get" else "get"
    assert getattr(client, wrong)(reverse(name, args=about())).status_code == 405


@pytest.mark.parametrize("name", [name for name, (about, _, _) in PAGES.items() if about is not of_nothing])
def test_what_is_gone(client: Client, name: str) -> None:
    about, _, method = PAGES[name]
    sign_in(client, Role.ADMINISTRATOR)
    gone: list[object] = [uuid4()] if about is of_mistake else [10**15] * len(about())
    assert getattr(client, method)(reverse(name, args=gone)).status_code == 404


def page(client: Client, alert: Alert) -> str:
    answer = client.get(reverse("alert", args=[alert.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def do(client: Client, name: str, alert: Alert, **given: object) -> str:
    """Sends the form and gives the page that comes after."""
    answer = client.post(reverse(name, args=[alert.pk]), given, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_whole_way_by_forms(client: Client) -> None:
    ada = sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create()
    shown = page(client, alert)
    for name in ("acknowledge", "confirm", "dismiss", "close", "assign", "comment", "attach", "export"):
        assert reverse(f"alert_{name}", args=[alert.pk]) in shown, name
    assert reverse("alert_reopen", args=[alert.pk]) not in shown
    assert "The alert is acknowledged." in do(client, "alert_acknowledge", alert)
    assert f"assigned to {ada.username}" in do(client, "alert_assign", alert, to=ada.pk)
    assert "A twin &lt;b&gt;" in do(client, "alert_comment", alert, text="A twin <b>")
    assert "The alert is dismissed." in do(client, "alert_dismiss", alert, reason="not_relevant", note="Left again.")
    assert "Left again." in page(client, alert)
    assert "The alert is open again." in do(client, "alert_reopen", alert)
    assert "The alert is confirmed." in do(client, "alert_confirm", alert)
    shown = do(client, "alert_close", alert)
    assert "The alert is closed." in shown
    assert "/dismiss/" not in shown
    kinds = AlertStep.objects.values_list("kind", flat=True)
    assert list(kinds) == ["acknowledged", "assigned", "commented", "dismissed", "reopened", "confirmed", "closed"]


def test_a_viewer_reads_and_presses_nothing(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    alert = AlertFactory.create()
    AlertStep.objects.create(alert=alert, kind="commented", actor_name="ada", text="Look at the ears.")
    shown = page(client, alert)
    assert "Look at the ears." in shown
    assert f'action="/alerts/{alert.pk}/' not in shown


def test_what_can_not_be_done_is_said(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create(state="confirmed")
    AlertStep.objects.create(alert=alert, kind="confirmed", actor_name="ben")
    assert "ben was faster" in do(client, "alert_confirm", alert)
    assert "Select a valid choice" in do(client, "alert_dismiss", alert, reason="because")
    assert "This field is required" in do(client, "alert_comment", alert, text=" ")
    assert "Select a valid choice" in do(client, "alert_assign", alert, to=10**9)


def test_a_list_gets_the_alert_and_what_was_wrong(client: Client) -> None:
    ada = sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create()
    address = reverse("alert_confirm", args=[alert.pk])
    first = client.post(address, headers=HTMX).content.decode()
    assert f'id="alert-{alert.pk}"' in first
    assert "<html" not in first
    assert 'id="problem"' not in first
    again = client.post(address, headers=HTMX).content.decode()
    assert f"{ada.username} was faster" in again
    assert f'id="alert-{alert.pk}"' in again


def test_it_goes_back_to_our_own_pages_only(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create()
    comment = reverse("alert_comment", args=[alert.pk])
    assert client.post(comment, {"text": "x", "next": "/alerts/?state=new"})["Location"] == "/alerts/?state=new"
    assert client.post(comment, {"text": "x", "next": "https://evil.example/"})["Location"] == reverse(
        "alert", args=[alert.pk]
    )


def test_the_history_alone_is_shown_anew(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    alert = AlertFactory.create()
    part = client.get(reverse("alert", args=[alert.pk]), headers=HTMX).content.decode()
    assert part.strip().startswith('<section class="card card--pad stack" id="history"')
    assert "Waiting: nobody has acknowledged it yet" in part
    assert "<form" not in part


def test_who_was_told_and_who_could_not_be(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    alert, ada = AlertFactory.create(), UserFactory.create(username="ada")
    told = {"alert": alert, "user": ada, "due_at": NOON}
    Delivery.objects.create(channel="email", state=DeliveryState.SENT, sent_at=NOON, **told)
    Delivery.objects.create(channel="sms", state=DeliveryState.DEAD, error="No such number.", **told)
    Delivery.objects.create(channel="push", state=DeliveryState.HELD, **told)
    Delivery.objects.create(channel="chat", state=DeliveryState.PENDING, **told)
    Delivery.objects.create(channel="mqtt", state=DeliveryState.DROPPED, error="Left the role.", **told)
    Delivery.objects.create(channel="live", state=DeliveryState.PENDING, alert=alert, due_at=NOON)
    shown = page(client, alert)
    for text in (
        "Told: ada by email",
        "Could not be told: ada by SMS",
        "No such number.",
        "Is told once it is confirmed: ada by browser notification",
        "Is being told: ada by chat service",
        "Not told any more: ada by MQTT",
    ):
        assert text in shown, text
    assert "open pages" not in shown


def test_a_face_that_is_somebody_else_by_now(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    alert, other = AlertFactory.create(), PersonFactory.create(name="Grace")
    assert "somebody else by now" not in page(client, alert)
    Sighting.objects.update(person=other)
    shown = page(client, alert)
    assert "The face is taken for somebody else by now." in shown
    assert "Grace" in shown
    Sighting.objects.update(person=None)
    assert "nobody who is known" in page(client, alert)


def test_a_stranger_who_is_remembered_as_a_mistake_is_not_said_to_be_that_person(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    ada = PersonFactory.create()
    sighting = SightingFactory.create(person=ada)
    alert = AlertFactory.create(sighting=sighting, person=None, person_name="", similarity=None, threshold=None)
    assert "somebody else by now" in page(client, alert)
    NotThisPerson.objects.create(person=ada, pack="compact-1", sealed=b"", similarity=0.9, expires_at=timezone.now())
    assert "somebody else by now" not in page(client, alert)


def test_alerts_of_every_kind_have_a_page(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    camera = CameraFactory.create(name="Gate")
    event = CameraEvent.objects.create(camera=camera, camera_name="Gate", kind=EventKind.BLACK, began_at=NOON, times=3)
    common = {"severity": "high", "captured_at": NOON, "rule_name": "Night watch"}
    about_camera = Alert.objects.create(event=event, camera=camera, camera_name="Gate", trigger="camera", **common)
    unknown = AlertFactory.create(sighting=SightingFactory.create(person=None, verdict="unknown"), person_name="",
                                  similarity=None, threshold=None)  # fmt: skip
    absent = Alert.objects.create(
        person=PersonFactory.create(name="Ada"), person_name="Ada", trigger="absent", detail="Ada was not seen.",
        day=NOON.date(), **common,
    )  # fmt: skip
    crowd = Alert.objects.create(
        trigger="crowd", detail="7 people at once.", camera=camera, camera_name="Gate",
        sighting=SightingFactory.create(camera=camera), **common,
    )  # fmt: skip
    gone = AlertFactory.create(person=None, person_name="Augusta")
    assert "3 times in this span" in page(client, about_camera)
    assert "Unknown face" in page(client, unknown)
    assert "Ada was not seen." in page(client, absent)
    assert "7 people at once." in page(client, crowd)
    assert "Augusta, deleted since" in page(client, gone)
    assert "somebody else by now" not in page(client, crowd)
    for alert in (about_camera, unknown, absent, crowd, gone):
        assert 'value="not_this_person"' not in page(client, alert)
    assert 'value="not_this_person"' in page(client, AlertFactory.create())


def trained(client: Client, name: str) -> User:
    user: User = UserFactory.create(username=name, role=Role.REVIEWER)
    today = timezone.localdate()
    Training.objects.create(user=user, course="GFMT2", trained_on=today, valid_until=today)
    client.force_login(user)
    return user


def test_a_review_by_two_people(client: Client) -> None:
    alert = AlertFactory.create(reviews_needed=2)
    trained(client, "ada")
    shown = page(client, alert)
    assert "This is a lead." in shown
    assert "0 of 2 have answered" in shown
    for name in ("confirm", "close", "export"):
        assert f'action="{reverse(f"alert_{name}", args=[alert.pk])}"' not in shown
    assert 'value="not_this_person"' not in shown
    shown = do(client, "alert_review", alert, answer="same", note="The ears.")
    assert "Your answer is kept. 1 of 2 have answered." in shown
    assert "You have answered." in shown
    assert "You have answered already" in do(client, "alert_review", alert, answer="same")
    trained(client, "ben")
    assert "Select a valid choice" in do(client, "alert_review", alert, answer="perhaps")
    shown = do(client, "alert_review", alert, answer="same")
    assert "The alert is confirmed." in shown
    assert "The ears." in shown
    assert "This is a lead." not in shown


def test_a_review_without_agreement_asks_for_a_third(client: Client) -> None:
    alert = AlertFactory.create(reviews_needed=2)
    trained(client, "ada")
    do(client, "alert_review", alert, answer="same")
    trained(client, "ben")
    assert "one more trained person is asked" in do(client, "alert_review", alert, answer="unsure")
    trained(client, "carl")
    assert "2 have answered without agreeing, so that one more is asked" in page(client, alert)
    assert "not this person. The alert is dismissed" not in do(client, "alert_review", alert, answer="different")
    trained(client, "dora")
    shown = do(client, "alert_review", alert, answer="different")
    assert "it is not this person. The alert is dismissed." in shown
    assert "This was a lead" in shown
    assert Review.objects.filter(settled=True).count() == 4


def test_who_was_not_trained_is_told_so(client: Client) -> None:
    alert = AlertFactory.create(reviews_needed=2)
    sign_in(client, Role.REVIEWER)
    assert "no valid record of your training" in page(client, alert)
    assert "Ask an administrator" in do(client, "alert_review", alert, answer="same")
    sign_in(client, Role.OPERATOR)
    assert "Trained reviewers answer here" in page(client, alert)
    assert not Review.objects.exists()


def test_figures_by_each_and_with_nonsense(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    assert "No alerts in this span" in client.get(reverse("alert_figures")).content.decode()
    at = timezone.now() - timedelta(hours=1)
    for state, dismissal in (("confirmed", ""), ("dismissed", "not_this_person"), ("dismissed", "test")):
        AlertFactory.create(
            sighting=SightingFactory.create(first_seen=at), captured_at=at, state=state, dismissal=dismissal,
            decided_at=at, watchlist_name="Wanted",
        )  # fmt: skip
    for by in ("watchlist", "camera", "rule", "nonsense", ""):
        asked = {"by": by, "days": "7", "camera": "x", "rule": "-1"}
        shown = client.get(reverse("alert_figures"), asked).content.decode()
        assert "1 of 2 (50 %)" in shown
        assert "1 of 3 (33 %)" in shown
        assert shown.count('<rect class="figure__') == 3
    assert "Not this person: <span" in client.get(reverse("alert_figures"), {"days": "9999"}).content.decode()


def test_trainings_are_recorded_and_withdrawn(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    ada = UserFactory.create(username="ada", role=Role.REVIEWER)
    today = timezone.localdate()
    given = {"user": ada.pk, "course": "GFMT2", "trained_on": today, "valid_until": today + timedelta(days=365)}
    address = reverse("trainings")
    assert "Nobody is on record" in client.get(address).content.decode()
    shown = client.post(address, given, follow=True).content.decode()
    assert "The training of ada is on record." in shown
    assert "may review" in shown
    wrong = client.post(address, given | {"trained_on": today + timedelta(days=2)})
    assert "in the future" in wrong.content.decode()
    row = Training.objects.get()
    Training.objects.update(valid_until=today - timedelta(days=1), trained_on=today - timedelta(days=2))
    assert '<span class="pill pill--high">over</span>' in client.get(address).content.decode()
    client.post(reverse("training_withdraw", args=[row.pk]))
    assert not Training.objects.exists()


def test_mistakes_are_listed_and_forgotten(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    assert "No mistake is remembered" in client.get(reverse("mistakes")).content.decode()
    alert = AlertFactory.create()
    row = mistake(alert)
    NotThisPerson.objects.update(suppressed=3, last_suppressed_at=NOON)
    over = mistake(AlertFactory.create())
    NotThisPerson.objects.filter(pk=over.pk).update(expires_at=timezone.now())
    shown = client.get(reverse("mistakes")).content.decode()
    assert "It has kept 3 alerts from being raised" in shown
    assert reverse("mistake_forget", args=[over.pk]) not in shown
    forget = reverse("mistake_forget", args=[row.pk])
    assert forget in page(client, alert)
    answer = client.post(forget, {"next": reverse("alert", args=[alert.pk])}, follow=True)
    assert "The face is forgotten" in answer.content.decode()
    assert not NotThisPerson.objects.filter(pk=row.pk).exists()
    sign_in(client, Role.VIEWER)
    mistake(alert)
    assert "Forget the face" not in client.get(reverse("mistakes")).content.decode()


def test_a_page_opens_no_sealed_thing_for_nothing(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    alert = AlertFactory.create()
    mistake(alert)
    Attachment.objects.create(alert=alert, name="a", media_type="text/plain", size=1, sealed=b"x")
    with CaptureQueriesContext(connection) as found:
        page(client, alert)
        client.get(reverse("mistakes"))
    sealed = ("sealed_shot", '_attachment"."sealed"', '_notthisperson"."sealed"', "sealed_source")
    assert not [one["sql"] for one in found.captured_queries if any(name in one["sql"] for name in sealed)]


def test_every_field_has_an_id_of_its_own(client: Client) -> None:
    trained(client, "ada")
    for needed in (0, 2):
        shown = page(client, AlertFactory.create(reviews_needed=needed))
        ids = re.findall(r'\sid="([^"]+)"', shown)
        assert len(ids) == len(set(ids)), sorted(name for name in ids if ids.count(name) > 1)


def test_why_somebody_could_not_be_told_is_for_who_may_know_where_they_are_told(client: Client) -> None:
    ben = UserFactory.create(username="ben", role=Role.OPERATOR)
    alert, said = AlertFactory.create(), "gotify.ben.example did not answer within 20 seconds."
    for place in (own_place(ben), a_place("Control room")):
        Delivery.objects.create(
            alert=alert, channel=place.channel, endpoint=place, user=place.user, state=DeliveryState.DEAD, error=said,
            due_at=timezone.now(),
        )  # fmt: skip
    for role in (Role.VIEWER, Role.OPERATOR):
        sign_in(client, role)
        shown = page(client, alert)
        assert "Could not be told: ben by chat service" in shown
        assert "gotify.ben.example" not in shown
        assert "Tell them in another way." in shown
    sign_in(client, Role.ADMINISTRATOR)
    shown = page(client, alert)
    assert shown.count("gotify.ben.example") == 1  # the site's own; of ben's only he learns the address
    assert "… did not answer within 20 seconds." in shown
    client.force_login(ben)
    assert page(client, alert).count("gotify.ben.example") == 1
