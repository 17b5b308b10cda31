"""What a switch to another pack asks for first, what it leaves behind, and what is caught up with."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection

from accounts.models import AuditEvent
from accounts.tests.factories import UserFactory
from recognition import gallery, pack_selectors, pack_services, tasks, watchlist_services
from recognition.engine import FaceDetections, store
from recognition.errors import RecognitionError
from recognition.models import PackLicence, PackSwitch, Photo, Template, UnusablePhoto
from recognition.pack_services import accept_licence, run_switch, use_pack
from recognition.tests.factories import WatchlistEntryFactory, WatchlistFactory
from recognition.tests.fake_packs import (
    Eyes,
    FakeDetector,
    enrolled,
    eyes,  # noqa: F401  (a fixture)
    found,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eyes")]
State = PackSwitch.State


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No worker runs: the tests run what is sent themselves."""
    sent: list[int] = []
    monkeypatch.setattr(tasks.switch_pack, "delay", sent.append)
    return sent


@pytest.mark.parametrize(("name", "why"), [("omega", "no model pack 'omega'"), ("alpha", "in use already")])
def test_what_can_not_be_used_is_refused_with_a_sentence(name: str, why: str) -> None:
    with pytest.raises(RecognitionError, match=why):
        use_pack(actor=None, name=name)
    assert not PackSwitch.objects.exists()


def test_one_switch_at_a_time() -> None:
    use_pack(actor=None, name="beta")
    with pytest.raises(RecognitionError, match="under way"):
        use_pack(actor=None, name="beta")


def test_a_licence_has_to_be_accepted_first() -> None:
    with pytest.raises(RecognitionError, match=r"licence of gamma.*was not accepted"):
        use_pack(actor=None, name="gamma")
    actor = UserFactory.create(username="ada")
    accept_licence(actor=actor, name="gamma")
    row = PackLicence.objects.get()
    assert (row.name, row.licence, row.accepted_by, row.accepted_name) == ("gamma", "Test terms", actor, "ada")
    assert pack_services.licence_accepted("gamma")
    assert AuditEvent.objects.get(target="licence of gamma").actor == actor
    use_pack(actor=actor, name="gamma")
    PackLicence.objects.update(licence="Other terms")
    assert not pack_services.licence_accepted("gamma")


def test_only_templates_of_packs_that_nobody_needs_are_forgotten() -> None:
    enrolled(1)
    with pytest.raises(RecognitionError, match="in use"):
        pack_services.forget_templates(actor=None, version="alpha-1")
    switch = use_pack(actor=None, name="beta")
    with pytest.raises(RecognitionError, match="under way"):
        pack_services.forget_templates(actor=None, version="beta-1")
    run_switch(switch.pk)
    assert pack_services.forget_templates(actor=None, version="alpha-1") == 1
    assert set(Template.objects.values_list("pack", flat=True)) == {"beta-1"}


def test_what_was_left_out_is_caught_up_with(eyes: Eyes) -> None:  # noqa: F811
    person = enrolled(1)
    Template.objects.all().delete()
    assert found(1) is None
    assert pack_services.model_status().missing == 1
    assert pack_services.catch_up() == 1
    assert pack_services.catch_up() == 0
    assert found(1) == person.pk


def test_photos_that_are_not_for_matching_stay_out() -> None:
    person = enrolled(1)
    Photo.objects.update(for_matching=False)
    Template.objects.all().delete()
    run_switch(use_pack(actor=None, name="beta").pk)
    assert not Template.objects.exists()
    assert not UnusablePhoto.objects.exists()
    assert person not in pack_selectors.not_found("beta-1")


def test_a_photo_that_does_not_open_is_named(caplog: pytest.LogCaptureFixture) -> None:
    person = enrolled(1)
    Photo.objects.update(sealed=b"\x01" + bytes(60))
    run_switch(use_pack(actor=None, name="beta", accepts_losses=True).pk)
    (unusable,) = UnusablePhoto.objects.all()
    assert "does not open" in unusable.why
    assert f"Photo {unusable.photo_id} is not used" in caplog.text
    assert list(pack_selectors.not_found("beta-1")) == [person]
    assert pack_services.retry_unusable(actor=None, version="beta-1") == 1
    assert not UnusablePhoto.objects.exists()


def test_of_several_faces_the_enrolled_one_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    person = enrolled(1)
    boxes = np.array([[0, 0, 10, 10], [11, 10, 38, 37], [30, 30, 48, 48]], np.float32)

    def several(detector: FakeDetector, image: object, *, min_face: int | None = None) -> FaceDetections:
        points = np.zeros((3, 5, 2), np.float32)
        return FaceDetections(boxes=boxes, scores=np.ones(3, np.float32), points=points)

    monkeypatch.setattr(FakeDetector, "detect", several)
    run_switch(use_pack(actor=None, name="beta").pk)
    template = Template.objects.get(person=person, pack="beta-1")
    assert template.box == pytest.approx([11 / 48, 10 / 48, 38 / 48, 37 / 48], abs=1e-4)


def test_thresholds_count_for_the_pack_they_were_set_with() -> None:
    person = enrolled(1)
    watchlist = watchlist_services.create_watchlist(actor=None, name="Strict", threshold=0.97)
    assert watchlist.threshold_pack == "alpha-1"
    WatchlistEntryFactory.create(watchlist=watchlist, person=person)
    WatchlistFactory.create(name="Usual")
    assert gallery.gallery().threshold(person.pk) == 0.97
    assert pack_selectors.consequences("beta-1").watchlists == (watchlist,)
    run_switch(use_pack(actor=None, name="beta").pk)
    assert gallery.gallery().threshold(person.pk) == 0.6
    change = {"name": "Strict", "category": watchlist.category, "purpose": "", "legal_basis": "", "is_active": True}
    watchlist_services.change_watchlist(actor=None, watchlist=watchlist, threshold=0.97, **change)  # type: ignore[arg-type]
    assert gallery.gallery().threshold(person.pk) == 0.6  # what was meant for alpha stays so until it is set anew
    watchlist_services.change_watchlist(actor=None, watchlist=watchlist, threshold=0.8, **change)  # type: ignore[arg-type]
    assert gallery.gallery().threshold(person.pk) == 0.8


def test_the_pack_in_use_raises_the_revision_by_raw_sql_too() -> None:
    before = gallery.gallery().revision
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO recognition_packinuse (id, name, version, since) VALUES (1, 'beta', 'beta-1', now())"
        )
    after = gallery.gallery()
    assert after.revision > before
    assert after.pack.version == "beta-1"


def test_a_licence_that_was_accepted_on_another_machine_counts_here_too() -> None:
    """The record beside the models is on the other machine only; the database's is for all."""
    PackLicence.objects.create(name="gamma", licence="Test terms", accepted_name="ada")
    status = {one.manifest.name: one for one in pack_selectors.pack_statuses()}["gamma"]
    assert (status.needs_licence, status.state.value, status.usable) == (False, "ready", True)
    run_switch(use_pack(actor=None, name="gamma").pk)
    assert gallery.gallery().pack.version == "gamma-1"


def test_what_can_not_be_kept_beside_the_models_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "accept_licence", full)
    with pytest.raises(OSError, match="No space left"):
        accept_licence(actor=None, name="gamma")
    assert not PackLicence.objects.exists()
