"""The page Models, its API and /metrics: what they show, what they do, and who may not."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from accounts.tests.factories import sign_in
from config.redis import client as redis
from recognition import pack_views, process_state, tasks
from recognition.engine import ImpostorCurve
from recognition.meaning import Meaning
from recognition.models import PackInUse, PackLicence, PackSwitch, Template, UnusablePhoto, Watchlist
from recognition.pack_services import run_switch, use_pack
from recognition.process_state import GalleryState, ModelState, ProcessState
from recognition.tests.factories import PersonFactory, PhotoFactory, TemplateFactory
from recognition.tests.fake_packs import Eyes, eyes  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eyes")]
State = PackSwitch.State
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What would go to a worker; and no process has told anything yet."""
    redis().flushdb()
    ids: list[int] = []
    monkeypatch.setattr(tasks.switch_pack, "delay", ids.append)
    return ids


def worker(**changes: Any) -> ProcessState:
    model = ModelState(
        pack="alpha",
        name="alpha.onnx",
        state="ready",
        error="",
        bytes=22_000_000,
        loads=1,
        runs=1234,
        idle=3.4,
        load_seconds=0.1,
        providers=("CPUExecutionProvider",),
        fallback="alpha.onnx runs on CPU: ONNX Runtime has no CUDAExecutionProvider here.",
    )
    held = GalleryState(pack="alpha-1", revision=7, templates=12, people=5, bytes=48 * 48, searches=99, problem="")
    values = {"role": "cameras", "host": "gate", "pid": 4711, "started_at": 1e9, "rss": 300_000_000}
    return ProcessState(**{**values, "models": (model,), "gallery": held, **changes})


def held_switch() -> PackSwitch:
    """A switch that waits because Zoe's only photo can not be used."""
    photo = PhotoFactory.create(person=PersonFactory.create(name="Zoe"))
    TemplateFactory.create(person=photo.person, photo=photo, pack="alpha-1")
    UnusablePhoto.objects.create(photo=photo, pack="beta-1", why="This pack finds no face.")
    switch = use_pack(actor=None, name="beta")
    run_switch(switch.pk)
    switch.refresh_from_db()
    assert switch.state == State.HELD
    return switch


def test_the_page_shows_packs_processes_and_licences(client: Client) -> None:
    process_state.publish(worker())
    sign_in(client, Role.ADMINISTRATOR)
    page = client.get(reverse("models")).content.decode()
    for words in ("Alpha", "beta-1", "gamma-1", "in use", "licence not accepted", "0.600"):
        assert words in page
    for words in ("cameras", "gate:4711", "286.1", "alpha.onnx", "1234 runs", "used 3 s ago", "12 templates, 5 people"):
        assert words in page
    assert page.count("ONNX Runtime has no CUDAExecutionProvider here") == 1  # said once, above, not for each model
    assert "Not everything runs on cpu" in page
    assert "Models</span>" in client.get("/").content.decode()


def test_without_redis_the_page_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, Role.ADMINISTRATOR)

    def away(*args: object, **kwargs: object) -> None:
        raise RedisConnectionError("no Redis")

    monkeypatch.setattr(Redis, "execute_command", away)
    assert "Redis does not answer" in client.get(reverse("models")).content.decode()


def test_a_switch_is_asked_for_on_the_page(client: Client, sent: list[int]) -> None:
    user = sign_in(client, Role.ADMINISTRATOR)
    TemplateFactory.create(pack="alpha-1")
    Watchlist.objects.create(name="Strict", threshold=0.9, threshold_pack="alpha-1")
    asked = client.get(reverse("model_use", args=["beta"])).content.decode()
    assert "1 enrolment photo will be embedded anew" in asked
    assert "Strict (0.900)" in asked
    assert not PackSwitch.objects.exists()
    answer = client.post(reverse("model_use", args=["beta"]))
    assert (answer.status_code, answer["Location"]) == (302, reverse("models"))
    switch = PackSwitch.objects.get()
    assert (switch.asked_by, sent) == (user, [switch.pk])
    assert "Going over from alpha-1 to beta-1" in client.get(reverse("models")).content.decode()
    again = client.post(reverse("model_use", args=["beta"]))
    assert "Another switch is under way" in again.content.decode()


def test_progress_is_the_part_that_htmx_asks_for(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    use_pack(actor=None, name="beta")
    PackSwitch.objects.update(state=State.EMBEDDING, total=40, done=30, failed=2)
    part = client.get(reverse("models"), headers=HTMX).content.decode()
    assert part.lstrip().startswith('<div id="models-now"')
    assert "<html" not in part
    assert "30 of 40 photos embedded, of which 2 can not be used" in part
    assert 'hx-trigger="every 2s"' in part


def test_the_page_is_loaded_anew_when_a_switch_begins_or_ends(client: Client) -> None:
    """What is polled is a part; packs, buttons and history around it would be those of before."""
    sign_in(client, Role.ADMINISTRATOR)
    page = reverse("models")
    assert "HX-Refresh" not in client.get(page, {"switch": ""}, headers=HTMX)
    switch = use_pack(actor=None, name="beta")
    assert f"{page}?switch={switch.pk}" in client.get(page).content.decode()
    assert "HX-Refresh" not in client.get(page, {"switch": switch.pk}, headers=HTMX)
    assert client.get(page, {"switch": ""}, headers=HTMX)["HX-Refresh"] == "true"
    client.post(reverse("model_switch_cancel", args=[switch.pk]))
    assert client.get(page, {"switch": switch.pk}, headers=HTMX)["HX-Refresh"] == "true"
    assert "HX-Refresh" not in client.get(page, {"switch": switch.pk})


def test_what_the_processes_hold_is_polled_too(client: Client) -> None:
    process_state.publish(worker())
    sign_in(client, Role.ADMINISTRATOR)
    whole = client.get(reverse("models")).content.decode()
    assert whole.count('id="models-processes"') == 1
    assert "hx-swap-oob" not in whole
    part = client.get(reverse("models"), headers=HTMX).content.decode()
    assert re.search(r'id="models-processes"[^>]* hx-swap-oob="true"', part)
    assert "gate:4711" in part
    assert 'role="alert"' not in part  # it would be read out every two seconds


def test_who_would_be_lost_is_named_and_decided_about(client: Client, sent: list[int]) -> None:
    switch = held_switch()
    sign_in(client, Role.ADMINISTRATOR)
    page = client.get(reverse("models")).content.decode()
    assert "1 person would not be found any more" in page
    assert re.search(r"<a [^>]*>Zoe</a>", page)
    assert "This pack finds no face." in page
    sent.clear()
    client.post(reverse("model_switch_confirm", args=[switch.pk]))
    assert sent == [switch.pk]
    run_switch(switch.pk)
    page = client.get(reverse("models")).content.decode()
    assert "1 person is not found by any search" in page
    assert "Not found any more: Zoe." in page


def test_a_switch_is_cancelled_on_the_page(client: Client) -> None:
    switch = held_switch()
    sign_in(client, Role.ADMINISTRATOR)
    page = client.post(reverse("model_switch_cancel", args=[switch.pk]), follow=True).content.decode()
    assert "The switch was cancelled" in page
    assert not PackInUse.objects.exists()
    page = client.post(reverse("model_switch_cancel", args=[switch.pk]), follow=True).content.decode()
    assert "over already" in page


def test_a_licence_is_read_ticked_and_recorded(client: Client) -> None:
    user = sign_in(client, Role.ADMINISTRATOR)
    page = reverse("model_licence", args=["gamma"])
    assert "Test terms" in client.get(page).content.decode()
    assert "Look at the licence first" in client.get(reverse("model_use", args=["gamma"])).content.decode()
    assert "Tick the box" in client.post(page).content.decode()
    assert not PackLicence.objects.exists()
    assert client.post(page, {"accept": "yes"}).status_code == 302
    assert PackLicence.objects.get().accepted_by == user
    assert f"accepted by {user.username}" in client.get(reverse("models")).content.decode()


def test_templates_of_other_packs_are_forgotten_on_the_page(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    TemplateFactory.create(pack="beta-1")
    TemplateFactory.create(pack="alpha-1")
    assert (
        "1 template of beta deleted"
        in client.post(reverse("model_forget", args=["beta"]), follow=True).content.decode()
    )
    page = client.post(reverse("model_forget", args=["alpha"]), follow=True).content.decode()
    assert "is in use" in page
    assert set(Template.objects.values_list("pack", flat=True)) == {"alpha-1"}


def test_unusable_photos_are_looked_at_again_on_request(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    UnusablePhoto.objects.create(photo=PhotoFactory.create(), pack="alpha-1", why="Too dark.")
    assert "Too dark." in client.get(reverse("models")).content.decode()
    retry = reverse("model_retry", args=["alpha"])
    assert f'action="{retry}"' in client.get(reverse("models")).content.decode()
    client.post(retry)
    assert not UnusablePhoto.objects.exists()


PAGES = {  # name: (argument, methods that are taken)
    "models": (None, {"get"}),
    "model_use": ("beta", {"get", "post"}),
    "model_licence": ("gamma", {"get", "post"}),
    "model_forget": ("beta", {"post"}),
    "model_retry": ("beta", {"post"}),
    "model_switch_cancel": (1, {"post"}),
    "model_switch_confirm": (1, {"post"}),
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_administrators_get_in(client: Client, name: str, method: str) -> None:
    argument, methods = PAGES[name]
    url = reverse(name, args=[] if argument is None else [argument])
    ask = getattr(client, method)
    assert ask(url)["Location"].startswith("/accounts/login/")
    sign_in(client, Role.OPERATOR)
    assert ask(url).status_code == (403 if method in methods else 405)
    sign_in(client, Role.ADMINISTRATOR)
    assert (ask(url).status_code == 405) == (method not in methods)
    assert client.put(url).status_code == 405
    assert not PackInUse.objects.exists()


@pytest.mark.parametrize("name", ["model_use", "model_licence", "model_forget", "model_retry"])
def test_a_pack_that_is_not_there_is_not_found(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    assert client.post(reverse(name, args=["omega"])).status_code == 404


def test_the_page_needs_a_csrf_token(sent: list[int]) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, Role.ADMINISTRATOR)
    assert strict.post(reverse("model_use", args=["beta"])).status_code == 403
    assert not sent


def test_the_api_lists_packs_and_processes() -> None:
    process_state.publish(worker())
    answer = key_client(Role.ADMINISTRATOR).get("/api/v1/models").json()
    assert (answer["in_use"], answer["version"], answer["switch"], answer["missing"]) == ("alpha", "alpha-1", None, 0)
    packs = {one["name"]: one for one in answer["packs"]}
    assert packs["alpha"]["in_use"]
    assert packs["beta"]["state"] == "ready"
    assert packs["gamma"]["licence"] == {
        "name": "Test terms",
        "url": "https://licence.example/",
        "commercial": True,
        "accepted": False,
    }
    (process,) = answer["processes"]
    assert process["models"][0]["runs"] == 1234
    assert process["gallery"]["templates"] == 12


def test_the_api_goes_over_to_another_pack(sent: list[int]) -> None:
    api = key_client(Role.ADMINISTRATOR)
    answer = api.post("/api/v1/models/beta/use", {}, format="json")
    assert answer.status_code == 202
    switch = answer.json()
    assert (switch["state"], switch["version"], sent) == ("waiting", "beta-1", [switch["id"]])
    assert "under way" in problem(api.post("/api/v1/models/beta/use"), 409)["detail"]
    run_switch(switch["id"])
    assert api.get(f"/api/v1/models/switches/{switch['id']}").json()["state"] == "done"
    problem(api.delete(f"/api/v1/models/switches/{switch['id']}"), 409)
    assert "no model pack 'omega'" in problem(api.post("/api/v1/models/omega/use"), 404)["detail"]
    assert "was not accepted" in problem(api.post("/api/v1/models/gamma/use"), 409)["detail"]
    problem(api.get("/api/v1/models/switches/999"), 404)


def test_the_api_cancels_and_confirms() -> None:
    api = key_client(Role.ADMINISTRATOR)
    switch = held_switch()
    assert "Zoe" in api.get(f"/api/v1/models/switches/{switch.pk}").json()["why"]
    assert api.post(f"/api/v1/models/switches/{switch.pk}/confirm").json()["state"] == "waiting"
    problem(api.post(f"/api/v1/models/switches/{switch.pk}/confirm"), 409)
    assert api.delete(f"/api/v1/models/switches/{switch.pk}").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/models"),
        ("post", "/api/v1/models/beta/use"),
        ("get", "/api/v1/models/switches/1"),
        ("delete", "/api/v1/models/switches/1"),
        ("post", "/api/v1/models/switches/1/confirm"),
        ("get", "/metrics"),
    ],
)
def test_the_api_is_for_administrators(client: Client, method: str, path: str) -> None:
    problem(getattr(client, method)(path), 401)
    problem(getattr(key_client(Role.OPERATOR), method)(path), 403)
    problem(key_client(Role.ADMINISTRATOR).put(path), 405)
    assert not PackSwitch.objects.exists()


def scraped(client: Any) -> dict[str, dict[frozenset[str], float]]:
    """What Prometheus reads: by the sample's name, values by their labels' values in any order."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    found: dict[str, dict[frozenset[str], float]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.values())] = sample.value
    return found


def test_metrics_tell_of_processes_models_galleries_and_cameras(client: Client) -> None:
    process_state.publish(worker())
    TemplateFactory.create(pack="alpha-1")
    PhotoFactory.create()
    use_pack(actor=None, name="beta")
    found = scraped(key_client(Role.ADMINISTRATOR))
    process, nothing = frozenset({"cameras", "gate", "4711"}), frozenset[str]()
    model = process | {"alpha", "alpha.onnx"}
    assert found["lynceus_model_loaded"] == {model: 1}
    assert found["lynceus_model_runs_total"] == {model: 1234}
    assert found["lynceus_model_bytes"] == {model: 22_000_000}
    assert found["lynceus_model_fallback"] == {model: 1}
    assert found["lynceus_model_failed"] == {model: 0}
    assert found["lynceus_process_resident_bytes"] == {process: 300_000_000}
    assert found["lynceus_gallery_templates"] == {process | {"alpha-1"}: 12}
    assert found["lynceus_gallery_searches_total"] == {process | {"alpha-1"}: 99}
    assert found["lynceus_pack_in_use"] == {frozenset({"alpha", "alpha-1"}): 1}
    assert found["lynceus_templates"] == {nothing: 1}
    assert found["lynceus_photos_left_out"] == {nothing: 1}
    assert found["lynceus_pack_switches"][frozenset({"waiting"})] == 1
    assert found["lynceus_pack_switch_photos_total"] == {frozenset({"beta-1", "waiting"}): 2}
    assert found["lynceus_cameras"][frozenset({"online"})] == 0
    sign_in(client, Role.ADMINISTRATOR)
    assert scraped(client)["lynceus_redis_up"] == {nothing: 1}


def test_metrics_go_on_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    api = key_client(Role.ADMINISTRATOR)

    def away(*args: object, **kwargs: object) -> None:
        raise RedisConnectionError("no Redis")

    monkeypatch.setattr(Redis, "execute_command", away)
    found = scraped(api)
    assert found["lynceus_redis_up"] == {frozenset(): 0}
    assert found["lynceus_people"] == {frozenset(): 0}
    assert "lynceus_model_loaded" not in found


def test_people_are_counted_by_the_pack_in_use(client: Client) -> None:
    """Templates of the pack before stay, so that going back is instant; no page or list counts them."""
    found, lost, bare = (PersonFactory.create(name=name) for name in ("Found", "Lost", "Without a photo"))
    photo = PhotoFactory.create(person=found)
    for version in ("alpha-1", "beta-1"):
        TemplateFactory.create(person=found, photo=photo, pack=version)
    TemplateFactory.create(person=lost, pack="beta-1")
    rows = key_client(Role.VIEWER).get("/api/v1/people").json()["results"]
    assert {row["id"]: (row["photos"], row["templates"]) for row in rows} == {
        found.pk: (1, 1),
        lost.pk: (1, 0),
        bare.pk: (0, 0),
    }
    sign_in(client, Role.ADMINISTRATOR)
    page = client.get(reverse("people")).content.decode()
    assert (page.count("no usable photo"), page.count("no photo yet")) == (1, 1)
    assert "No template" not in client.get(reverse("person", args=[found.pk])).content.decode()
    assert "No template of the model pack in use" in client.get(reverse("person", args=[lost.pk])).content.decode()
    assert "Add a photo." in client.get(reverse("person", args=[bare.pk])).content.decode()


def test_the_page_tells_what_the_threshold_means_here(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = ImpostorCurve.from_scores([at / 1000 for at in range(1000)])
    told = Meaning(pack="alpha-1", threshold=0.6, templates=1, curve=curve, is_own=False)
    monkeypatch.setattr(pack_views, "meaning", lambda: told)
    sign_in(client, Role.ADMINISTRATOR)
    page = client.get(reverse("models")).content.decode()
    assert "With 1 photo in the gallery, about 1 in 2 strangers would reach" in html.unescape(page)
    assert "manage.py calibrate" in page
    monkeypatch.setattr(pack_views, "meaning", lambda: None)
    assert "manage.py calibrate" not in client.get(reverse("models")).content.decode()
