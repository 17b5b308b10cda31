"""What holds for every page: it can be used without seeing it, and a longer list asks the database no more often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.tests.factories import UserFactory
from alerts.models import Alert, AlertStep, Delivery, NotThisPerson, Review, Training
from alerts.tests.factories import AlertFactory
from cameras.models import Camera, Sighting
from cameras.tests.factories import CameraFactory, CameraGroupFactory, SightingFactory, SitePlanFactory, ZoneFactory
from recognition import meaning, pending
from recognition.gallery import gallery, look_again
from recognition.models import Batch, Person, Photo, Template, Watchlist
from recognition.photos import Upload
from recognition.tests.factories import PersonFactory, TemplateFactory, WatchlistEntryFactory, picture

pytestmark = pytest.mark.django_db

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SEALED = (
    '_notthisperson"."sealed"',
    "sealed_source",
    "sealed_shot",
    "sealed_portrait",
    '"recognition_template"."sealed"',
    '_photo"."sealed"',
)

PAGES = [
    "login",
    "account",
    "password_change",
    "dashboard",
    "alerts",
    "alert",
    "alert_figures",
    "trainings",
    "mistakes",
    "people",
    "person",
    "enrol",
    "photo_searches",
    "person_edit",
    "person_photos",
    "person_delete",
    "person_merge",
    "duplicates",
    "imports",
    "import",
    "enrol_decide",
    "models",
    "model_use",
    "model_licence",
    "watchlists",
    "watchlist_add",
    "watchlist_edit",
    "cameras",
    "camera",
    "camera_add",
    "camera_edit",
    "camera_remove",
    "wall",
    "places",
    "zone_add",
    "zone_edit",
    "zone_remove",
    "plan",
    "plan_add",
    "plan_remove",
    "group_add",
    "group_edit",
    "group_remove",
    "channels",
    "channel_add",
    "my_notifications",
    "message_templates",
    "deliveries",
    "list_policies",
]
LISTS = [
    "/",
    "/alerts/",
    "/alerts/figures/",
    "/alerts/mistakes/",
    "/alerts/trainings/",
    "/people/",
    "/people/watchlists/",
    "/people/duplicates/",
    "/people/imports/",
    "/search/",
    "/cameras/",
    "/wall/?size=16",
    "/places/",
    "/models/",
    "/channels/",
    "/channels/deliveries/",
    "/channels/deliveries/?channel=live",
    "/channels/policies/",
    "/admin/recognition/person/",
    "/admin/recognition/watchlist/",
    "/admin/cameras/camera/",
    "/admin/cameras/sighting/",
    "/admin/cameras/zone/",
    "/admin/cameras/siteplan/",
    "/admin/cameras/cameragroup/",
    "/admin/alerts/alert/",
    "/admin/alerts/alertstep/",
    "/admin/alerts/review/",
    "/admin/alerts/training/",
    "/admin/alerts/delivery/",
    "/admin/alerts/endpoint/",
    "/api/v1/people",
    "/api/v1/people/duplicates",
    "/api/v1/batches",
    "/api/v1/watchlists",
    "/api/v1/cameras",
    "/api/v1/zones",
    "/api/v1/plans",
    "/api/v1/camera-groups",
    "/api/v1/models",
    "/metrics",
    "/api/v1/sightings",
    "/api/v1/alerts",
    "/api/face/list",
    "/api/camera/status",
    "/api/alerts/latest",
]


class Outline(HTMLParser):
    """What a screen reader is told of a page, and what it is not told."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lang = ""
        self.titles = 0
        self.headings: list[int] = []
        self.ids: Counter[str] = Counter()
        self.labelled: set[str] = set()
        self.fields: list[dict[str, str | None]] = []
        self.pictures: list[dict[str, str | None]] = []
        self.nameless: list[str] = []
        self._named: list[tuple[str, str, bool]] = []  # open links and buttons, and whether they have a name yet
        self._labels = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.update([written] if (written := values.get("id")) else [])
        if tag == "html":
            self.lang = values.get("lang") or ""
        elif tag == "title":
            self.titles += 1
        elif len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        elif tag == "label":
            self._labels += 1
            self.labelled.add(values.get("for") or "")
        elif tag in ("input", "select", "textarea") and values.get("type") not in ("hidden", "submit"):
            self.fields.append(values | {"inside": "yes" if self._labels else None})
        elif tag == "img":
            self.pictures.append(values)
            if values.get("alt"):
                self._name()
        elif tag in ("a", "button"):
            self._named.append((tag, str(values), bool(values.get("aria-label"))))

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._labels -= 1
        elif self._named and tag == self._named[-1][0]:
            _, written, named = self._named.pop()
            if not named:
                self.nameless.append(written)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._name()

    def _name(self) -> None:
        self._named = [(tag, written, True) for tag, written, _ in self._named]

    def unlabelled(self) -> list[dict[str, str | None]]:
        return [
            field
            for field in self.fields
            if not (field["inside"] or field.get("aria-label") or field.get("id") in self.labelled)
        ]


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def fill(rows: int) -> None:
    """So many people on watchlists, each with an alert of a camera of its own."""
    for _ in range(rows):
        entry = WatchlistEntryFactory.create()
        TemplateFactory.create(person=entry.person)
        alert = AlertFactory.create(sighting=SightingFactory.create(person=entry.person), rule=entry.watchlist.rule)
        Delivery.objects.create(alert=alert, channel="live", due_at=alert.captured_at)
        over = timezone.now() + timedelta(days=1)
        AlertStep.objects.create(alert=alert, kind="commented", actor_name="ada", text="x")
        Review.objects.create(alert=alert, reviewer_name="ada", answer="same", settled=True)
        said = {"person": entry.person, "alert": alert, "pack": "x", "sealed": b"x", "similarity": 0.9}
        NotThisPerson.objects.create(expires_at=over, **said)
        Training.objects.create(user=UserFactory.create(), course="x", trained_on=over, valid_until=over)
        camera, plan, group = CameraFactory.create(), SitePlanFactory.create(), CameraGroupFactory.create()
        zone = ZoneFactory.create(camera=camera)
        ZoneFactory.create(ground="plan", camera=None, plan=plan)
        plan.places.create(camera=camera, x=0.5, y=0.5)
        group.cameras.add(camera)
        entry.watchlist.rule.zones.add(zone)
        entry.watchlist.rule.groups.add(group)


def address(name: str) -> str:
    """The page's address; where it is about a row, about the newest one."""
    alert = Alert.objects.get()
    if name == "person_merge":
        return reverse(name, args=[alert.person_id]) + f"?with={PersonFactory.create().pk}"
    if name == "enrol_decide":
        sent = [Upload(name="noise.jpg", data=picture())]
        return reverse(name, args=[pending.keep(user=User.objects.get(is_superuser=True), name="Ada", photos=sent).pk])
    rows: dict[str, Callable[[], int | str | None]] = {
        "alert": lambda: alert.pk,
        "camera": lambda: alert.camera_id,
        "person": lambda: alert.person_id,
        "watchlist": lambda: Watchlist.objects.get().pk,
        "zone": lambda: ZoneFactory.create().pk,
        "plan": lambda: SitePlanFactory.create().pk,
        "group": lambda: CameraGroupFactory.create().pk,
        "model": lambda: "opencv",
        "import": lambda: Batch.objects.create(source="people.zip").pk,
    }
    about = name.partition("_")[0]
    return reverse(name, args=[rows[about]()] if about in rows and not name.endswith(("_add", "_figures")) else [])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_without_seeing_it(root: Client, name: str) -> None:
    fill(1)
    if name == "login":
        root.logout()
    answer = root.get(address(name))
    assert answer.status_code == 200
    outline = Outline(answer.content.decode())
    assert outline.lang == "en"
    assert outline.titles == 1
    assert outline.headings.count(1) == 1
    assert outline.headings[0] == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps), outline.headings
    assert not outline.unlabelled()
    assert not [picture for picture in outline.pictures if "alt" not in picture]
    assert not outline.nameless
    assert not [name for name, times in outline.ids.items() if times > 1]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_page_about_a_mistake_has_one_heading(root: Client, status: int) -> None:
    outline = Outline(render_to_string(f"{status}.html", request=root.get("/").wsgi_request))
    assert (outline.lang, outline.titles, outline.headings.count(1)) == ("en", 1, 1)
    assert not outline.nameless


def follow() -> None:
    """The gallery is as new as the database, and what is kept for minutes is asked for each time."""
    look_again()
    gallery()
    meaning.forget()


@pytest.mark.parametrize("path", LISTS)
def test_a_longer_list_asks_no_more_often_and_opens_nothing(root: Client, path: str, settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 3600  # it is followed when its time has come, whatever the page
    fill(2)
    root.get(path)  # content types and the like are remembered
    follow()
    with CaptureQueriesContext(connection) as short:
        assert root.get(path).status_code == 200
    fill(4)
    follow()
    with CaptureQueriesContext(connection) as long:
        assert root.get(path).status_code == 200
    assert len(long) == len(short), "\n".join(query["sql"] for query in long.captured_queries)
    assert not [query["sql"] for query in long.captured_queries if any(name in query["sql"] for name in SEALED)]


def test_a_query_that_reads_sealed_columns_is_noticed() -> None:
    with CaptureQueriesContext(connection) as found:
        list(Photo.objects.all())
        list(Template.objects.all())
        list(Sighting.objects.defer(None))
        list(Camera.objects.defer(None))
        list(Person.objects.all())
    noticed = [any(name in query["sql"] for name in SEALED) for query in found.captured_queries]
    assert noticed == [True, True, True, True, False]
