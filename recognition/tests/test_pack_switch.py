"""Going over to another pack: whole, resumable, without anybody lost unsaid, and never a comparison across packs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.models.functions import Now

from accounts import vault
from accounts.models import AuditEvent
from accounts.tests.factories import UserFactory
from recognition import gallery, pack_selectors, pack_services, packs, re_embedding, services, tasks
from recognition.models import PackInUse, PackSwitch, Template
from recognition.pack_services import cancel_switch, confirm_switch, run_switch, use_pack
from recognition.tests.fake_packs import (
    Eyes,
    embedding,
    enrolled,
    eyes,  # noqa: F401  (a fixture)
    found,
    reread,
    upload,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eyes")]
State = PackSwitch.State


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No worker runs: the tests run what is sent themselves."""
    sent: list[int] = []
    monkeypatch.setattr(tasks.switch_pack, "delay", sent.append)
    return sent


def test_a_switch_embeds_everybody_and_then_swaps_at_once(eyes: Eyes, by_hand: list[int]) -> None:  # noqa: F811
    people = [enrolled(seed) for seed in range(20)]
    actor = UserFactory.create(username="ada")
    served: list[str] = []
    eyes.before_look[10] = lambda: served.append(gallery.gallery().pack.version)
    switch = use_pack(actor=actor, name="beta")
    assert by_hand == [switch.pk]
    assert (switch.state, switch.total, switch.before) == (State.WAITING, 20, "alpha-1")
    assert gallery.gallery().pack.version == "alpha-1"

    run_switch(switch.pk)

    assert served == ["alpha-1"]
    done = reread(switch)
    assert (done.state, done.done, done.total, done.failed, done.why) == (State.DONE, 20, 20, 0, "")
    assert done.finished_at is not None
    assert PackInUse.objects.get().version == "beta-1"
    assert gallery.gallery().pack.version == "beta-1"
    assert [found(seed) for seed in range(20)] == [person.pk for person in people]
    assert Template.objects.filter(pack="alpha-1").count() == 20  # kept, to go back
    verbs = AuditEvent.objects.filter(target="pack beta-1").values_list("verb", "actor_name")
    assert list(verbs.order_by("id")) == [("asked for", "ada"), ("switched to", "ada")]


def test_going_back_embeds_only_what_is_new(eyes: Eyes) -> None:  # noqa: F811
    first = enrolled(1)
    run_switch(use_pack(actor=None, name="beta").pk)
    second = enrolled(2)
    looks = eyes.looks
    run_switch(use_pack(actor=None, name="alpha").pk)
    assert eyes.looks == looks
    assert PackSwitch.objects.latest("id").total == 1
    assert (found(1), found(2)) == (first.pk, second.pk)


def test_templates_are_never_compared_across_packs() -> None:
    """Searching threads take probe and gallery from one snapshot; whatever happens beside them, the answer is right."""
    people = {seed: enrolled(seed).pk for seed in range(4)}
    wrong: list[object] = []
    over = threading.Event()

    def search(seed: int) -> None:
        try:
            while not over.is_set():
                who = found(seed)
                if who != people[seed]:
                    wrong.append((seed, who))
        except Exception as error:
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=search, args=(seed,)) for seed in people]
    for thread in threads:
        thread.start()
    for name in ("beta", "alpha", "beta"):
        run_switch(use_pack(actor=None, name=name).pk)
    over.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    snapshot = gallery.gallery()
    lengths = {len(embedding(0, packs.pack_named(name))) for name in ("alpha", "beta")}
    assert len(lengths) == 2
    assert snapshot.templates.templates == set(Template.objects.filter(pack="beta-1").values_list("pk", flat=True))


def test_a_killed_switch_goes_on_where_it_was(eyes: Eyes) -> None:  # noqa: F811
    people = [enrolled(seed) for seed in range(20)]
    switch = use_pack(actor=None, name="beta")

    def kill() -> None:
        raise SystemExit  # no `except Exception` runs, as in a process that is gone

    eyes.before_look[13] = kill
    with pytest.raises(SystemExit):
        run_switch(switch.pk)
    assert reread(switch).state == State.EMBEDDING
    assert Template.objects.filter(pack="beta-1").count() == re_embedding.CHUNK
    assert pack_services.stale_switches() == []  # it may be alive: its heartbeat is fresh
    run_switch(switch.pk)
    assert reread(switch).state == State.EMBEDDING

    PackSwitch.objects.update(heartbeat_at=Now() - timedelta(seconds=pack_services.STALE_SECONDS + 1))
    assert pack_services.stale_switches() == [switch.pk]
    looks = eyes.looks
    run_switch(switch.pk)
    assert reread(switch).state == State.DONE
    assert eyes.looks - looks == len(people) - re_embedding.CHUNK + 1  # and the look of warming up
    assert all(found(seed) == person.pk for seed, person in enumerate(people))


SWITCH_ELSEWHERE = """
import sys, time
import django; django.setup()
import pytest
from recognition.pack_services import run_switch
from recognition.tests import fake_packs
from django.conf import settings

seen = fake_packs.Eyes()
patch = pytest.MonkeyPatch()
fake_packs.install(patch, seen)
patch.setattr(settings, "MODEL_PACK", "alpha")
seen.before_look[13] = lambda: (print("looking", flush=True), time.sleep(600))
run_switch(int(sys.argv[1]))
"""


def test_a_switch_whose_process_was_killed_is_taken_up_by_another(eyes: Eyes) -> None:  # noqa: F811
    people = [enrolled(seed) for seed in range(20)]
    switch = use_pack(actor=None, name="beta")
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "recognition.tests.other_process"}
    environment["OTHER_PROCESS_DATABASE"] = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-c", SWITCH_ELSEWHERE, str(switch.pk)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "looking\n"
        run_switch(switch.pk)  # while that one lives, this one leaves it alone
        assert eyes.looks == 0
        other.kill()
    assert Template.objects.filter(pack="beta-1").count() == re_embedding.CHUNK
    PackSwitch.objects.update(heartbeat_at=Now() - timedelta(seconds=pack_services.STALE_SECONDS + 1))
    assert pack_services.stale_switches() == [switch.pk]
    run_switch(switch.pk)
    assert reread(switch).state == State.DONE
    assert all(found(seed) == person.pk for seed, person in enumerate(people))


def test_beat_sends_what_nobody_works_on(by_hand: list[int]) -> None:
    switch = use_pack(actor=None, name="beta")
    by_hand.clear()
    tasks.take_up_switches()
    assert by_hand == [switch.pk]


def test_who_is_enrolled_in_the_middle_is_found_after_the_swap(eyes: Eyes) -> None:  # noqa: F811
    enrolled(1)
    late: list[int] = []

    def enrol_somebody() -> None:
        late.append(services.enrol(actor=None, name="Late", photos=[upload(7)]).person.pk)  # type: ignore[union-attr]

    eyes.before_look[2] = enrol_somebody  # the first look is the warm-up's
    run_switch(use_pack(actor=None, name="beta").pk)
    assert PackInUse.objects.get().version == "beta-1"
    assert [found(7)] == late
    assert set(Template.objects.filter(person=late[0]).values_list("pack", flat=True)) == {"alpha-1", "beta-1"}


def test_an_enrolment_that_began_before_the_swap_is_embedded_with_the_new_pack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolled(1)
    check, checked = services.check_photo, []

    def slow(one: services.Upload) -> services.UsablePhoto:
        usable = check(one)
        checked.append(usable.pack)
        if len(checked) == 1:  # the swap comes between looking and storing
            run_switch(use_pack(actor=None, name="beta").pk)
        return usable

    monkeypatch.setattr(services, "check_photo", slow)
    person = services.enrol(actor=None, name="Late", photos=[upload(7)]).person
    assert person is not None
    assert checked == ["alpha-1", "beta-1"]
    assert [template.pack for template in person.templates.all()] == ["beta-1"]
    assert found(7) == person.pk


def test_who_is_deleted_in_the_middle_leaves_nothing(eyes: Eyes) -> None:  # noqa: F811
    goes, stays = enrolled(1), enrolled(2)
    scope = goes.scope
    eyes.before_look[2] = lambda: services.delete_person(actor=None, person=goes)
    run_switch(use_pack(actor=None, name="beta").pk)
    assert PackSwitch.objects.get().state == State.DONE
    assert set(Template.objects.values_list("person", flat=True)) == {stays.pk}
    with pytest.raises(vault.VaultError, match="was deleted"):
        vault.unseal(scope, b"", bind="")
    assert found(2) == stays.pk


def test_a_cancelled_switch_changes_nothing_and_keeps_its_work(eyes: Eyes) -> None:  # noqa: F811
    people = [enrolled(seed) for seed in range(20)]
    switch = use_pack(actor=None, name="beta")
    eyes.before_look[5] = lambda: cancel_switch(actor=None, switch=switch)
    run_switch(switch.pk)
    assert reread(switch).state == State.CANCELLED
    assert not PackInUse.objects.exists()
    assert gallery.gallery().pack.version == "alpha-1"
    assert found(3) == people[3].pk
    assert not cancel_switch(actor=None, switch=switch)
    assert Template.objects.filter(pack="beta-1").count() == re_embedding.CHUNK
    again = use_pack(actor=None, name="beta")
    assert again.total == 20 - re_embedding.CHUNK


def test_nobody_disappears_unsaid(eyes: Eyes) -> None:  # noqa: F811
    kept, lost = enrolled(1), enrolled(2, width=66, name="Zoe Lost")
    eyes.blind = {66}
    switch = use_pack(actor=None, name="beta")
    run_switch(switch.pk)

    held = reread(switch)
    assert held.state == State.HELD
    assert "Zoe Lost" in held.why
    assert held.failed == 1
    assert gallery.gallery().pack.version == "alpha-1"
    assert found(2) == lost.pk
    assert pack_selectors.losses("beta-1").people == (lost,)
    (unusable,) = pack_selectors.unusable_photos("beta-1")
    assert unusable.photo.person == lost
    assert "no face" in unusable.why
    assert pack_services.stale_switches() == []

    assert confirm_switch(actor=None, switch=switch)
    assert not confirm_switch(actor=None, switch=switch)
    run_switch(switch.pk)
    done = reread(switch)
    assert (done.state, done.accepts_losses) == (State.DONE, True)
    assert done.why == "Not found any more: Zoe Lost."
    assert list(pack_selectors.not_found("beta-1")) == [lost]
    assert found(1) == kept.pk


def test_a_held_switch_goes_on_by_itself_when_better_photos_come(eyes: Eyes) -> None:  # noqa: F811
    lost = enrolled(2, width=66)
    eyes.blind = {66}
    switch = use_pack(actor=None, name="beta")
    run_switch(switch.pk)
    assert reread(switch).state == State.HELD
    services.enrol(actor=None, name=lost.name, photos=[upload(2)], person=lost)
    PackSwitch.objects.update(heartbeat_at=Now() - timedelta(seconds=pack_services.STALE_SECONDS + 1))
    assert pack_services.stale_switches() == [switch.pk]
    run_switch(switch.pk)
    assert reread(switch).state == State.DONE
    assert found(2) == lost.pk


def test_a_pack_that_fails_leaves_the_old_one_in_use(eyes: Eyes) -> None:  # noqa: F811
    person = enrolled(1)
    switch = use_pack(actor=None, name="beta")
    eyes.broken = "The model beta.onnx is damaged. Install it again."
    run_switch(switch.pk)
    failed = reread(switch)
    assert (failed.state, failed.why) == (State.FAILED, eyes.broken)
    assert found(1) == person.pk
    eyes.broken = ""
    run_switch(use_pack(actor=None, name="beta").pk)
    assert found(1) == person.pk
    assert gallery.gallery().pack.version == "beta-1"


def test_a_process_that_can_not_load_the_new_pack_goes_on_with_the_old_one(
    eyes: Eyes,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    person = enrolled(1)
    assert found(1) == person.pk
    run_switch(use_pack(actor=None, name="beta").pk)
    eyes.broken = "The files of beta are not on this machine."
    packs.forget("beta")
    assert gallery.gallery().pack.version == "alpha-1"
    assert gallery.problem() == eyes.broken
    assert found(1) == person.pk
    assert caplog.text.count("stays as it was") == 1
    eyes.broken = ""
    assert gallery.gallery().pack.version == "beta-1"
    assert gallery.problem() == ""
