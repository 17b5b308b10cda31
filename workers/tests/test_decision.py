"""Who a track is: from several looks, without flicker, one person in one place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from cameras.models import Verdict
from recognition.engine import Embedding, Gallery, Pack
from recognition.gallery import Snapshot
from workers.decision import ENOUGH_LOOKS, KEEP, KEEP_LOOKS, MIN_LOOKS, SURE, Decision, Evidence, decide_track

THRESHOLD = 0.84
MARGIN = 0.02
CLEARLY, HARDLY = SURE * (1 - THRESHOLD), KEEP * (1 - THRESHOLD)
ANNA, BORIS = 1, 2
NOBODY: frozenset[int] = frozenset()


def direction(angle: float) -> Embedding:
    """A unit vector: two of them are as alike as the cosine of the angle between them."""
    return np.array([np.cos(angle), np.sin(angle), 0, 0], np.float32)


def looking_like_anna(similarity: float) -> Embedding:
    return direction(float(np.arccos(similarity)))


def snapshot(
    people: dict[int, Embedding] | None = None,
    thresholds: dict[int, float] | None = None,
    revision: int = 1,
    version: str = "test-1",
    threshold: float = THRESHOLD,
) -> Snapshot:
    pack = cast("Pack", SimpleNamespace(version=version, threshold=threshold, margin=MARGIN))
    people = {ANNA: direction(0), BORIS: direction(np.pi)} if people is None else people
    return Snapshot(
        revision=revision,
        pack=pack,
        templates=Gallery.build(
            dimension=4,
            templates=list(range(10, 10 + len(people))),
            persons=list(people),
            embeddings=np.array(list(people.values()), np.float32).reshape(-1, 4),
        ),
        names={person: f"Person {person}" for person in people},
        thresholds=thresholds or {},
        expires_at=None,
    )


def evidence(*similarities: float, quality: float = 0.5) -> Evidence:
    found = Evidence()
    for similarity in similarities:
        found.add(looking_like_anna(similarity), quality)
    return found


def decide(
    found: Evidence,
    *,
    gallery: Snapshot | None = None,
    before: Decision | None = None,
    taken: frozenset[int] = NOBODY,
    ended: bool = False,
) -> Decision:
    return decide_track(found, gallery or snapshot(), before or Decision(), taken=taken, ended=ended)


KNOWN = Decision(verdict=Verdict.KNOWN, person=ANNA, similarity=0.9, threshold=THRESHOLD)


def test_one_look_just_above_the_threshold_is_not_enough() -> None:
    decision = decide(evidence(THRESHOLD + 0.01))
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.person is None
    assert decision.similarity == pytest.approx(THRESHOLD + 0.01, abs=1e-4)
    assert decision.threshold == THRESHOLD


def test_two_looks_above_the_threshold_are_enough() -> None:
    decision = decide(evidence(THRESHOLD + 0.01, THRESHOLD + 0.01))
    assert (decision.verdict, decision.person) == (Verdict.KNOWN, ANNA)


def test_one_sure_look_is_enough() -> None:
    assert decide(evidence(THRESHOLD + CLEARLY + 0.01)).person == ANNA


def test_a_face_like_two_people_is_neither() -> None:
    twins = snapshot({ANNA: direction(0.3), BORIS: direction(-0.3)})
    assert decide(evidence(*[1.0] * 6), gallery=twins).verdict is Verdict.UNKNOWN


def test_unknown_needs_several_looks() -> None:
    verdicts = [decide(evidence(*[0.5] * looks)).verdict for looks in range(1, ENOUGH_LOOKS + 1)]
    assert verdicts == [Verdict.UNDECIDED] * (ENOUGH_LOOKS - 1) + [Verdict.UNKNOWN]


def test_a_track_that_ends_is_decided_on_what_there_is() -> None:
    assert decide(evidence(0.5), ended=True).verdict is Verdict.UNKNOWN
    assert decide(Evidence(), ended=True).verdict is Verdict.UNKNOWN


def test_without_any_look_nothing_changes() -> None:
    assert decide(Evidence(), before=KNOWN) is KNOWN


def test_a_name_stays_while_the_similarity_varies_around_the_threshold() -> None:
    decision = KNOWN
    for similarity in (THRESHOLD + 0.005, THRESHOLD - 0.005, THRESHOLD - HARDLY + 0.001, THRESHOLD + 0.005):
        decision = decide(evidence(*[similarity] * 3), before=decision)
        assert (decision.verdict, decision.person) == (Verdict.KNOWN, ANNA)


def test_a_name_goes_when_the_evidence_has_gone() -> None:
    decision = decide(evidence(*[THRESHOLD - HARDLY - 0.01] * ENOUGH_LOOKS), before=KNOWN)
    assert (decision.verdict, decision.person) == (Verdict.UNKNOWN, None)


def test_an_unknown_track_becomes_known_when_better_looks_come() -> None:
    found = evidence(*[0.6] * 5, quality=0.1)
    unknown = decide(found)
    for _ in range(3):
        found.add(looking_like_anna(0.97), 0.9)
    assert unknown.verdict is Verdict.UNKNOWN
    assert decide(found, before=unknown).person == ANNA


def test_two_faces_in_view_are_not_the_same_person() -> None:
    taken = frozenset({ANNA})
    assert decide(evidence(*[0.95] * 5), taken=taken).verdict is Verdict.UNKNOWN
    assert decide(evidence(*[0.95] * 5), taken=taken, before=KNOWN).person is None


def test_a_person_who_was_deleted_from_the_gallery_is_known_no_more() -> None:
    found = evidence(*[0.95] * 5)
    without_anna = snapshot({BORIS: direction(np.pi)}, revision=2)
    decision = decide(found, gallery=without_anna, before=KNOWN)
    assert (decision.verdict, decision.person) == (Verdict.UNKNOWN, None)


def test_an_empty_gallery_knows_nobody() -> None:
    decision = decide(evidence(*[0.95] * 5), gallery=snapshot({}), before=KNOWN)
    assert decision == Decision(verdict=Verdict.UNKNOWN, pack="test-1")


def test_a_watchlist_may_ask_for_less_or_more() -> None:
    found = evidence(0.8, 0.8)
    assert decide(found, gallery=snapshot(thresholds={ANNA: 0.75})).person == ANNA
    assert decide(evidence(*[0.9] * 5), gallery=snapshot(thresholds={ANNA: 0.95})).person is None


def test_evidence_keeps_the_best_looks_and_weighs_them_by_quality() -> None:
    found = Evidence()
    for _ in range(KEEP_LOOKS + 5):
        found.add(direction(1.0), 0.1)
    found.add(direction(0.0), 0.9)
    assert found.count == KEEP_LOOKS + 6
    assert len(found.looks) == KEEP_LOOKS
    assert found.looks[0][0] == 0.9
    mean = found.mean()
    assert mean is not None
    assert float(mean @ direction(0)) > float(np.mean([direction(1.0) @ direction(0)] * KEEP_LOOKS))


def anew(*similarities: float) -> Evidence:
    """Looks with a new pack, after those with the old one were dropped."""
    found = evidence(*similarities)
    found.anew = True
    return found


OLD = Decision(verdict=Verdict.KNOWN, person=ANNA, similarity=0.93, threshold=THRESHOLD, pack="old-1")


@pytest.mark.parametrize("looks", [[], [0.1], [0.1, 0.2], [0.1] * (ENOUGH_LOOKS - 1)])
def test_what_another_pack_decided_stays_until_the_new_one_has_seen_enough(looks: list[float]) -> None:
    assert decide(anew(*looks), before=OLD) == OLD


def test_enough_looks_with_the_new_pack_decide_anew() -> None:
    unknown = decide(anew(*[0.1] * ENOUGH_LOOKS), before=OLD)
    assert (unknown.verdict, unknown.person, unknown.pack) == (Verdict.UNKNOWN, None, "test-1")


def test_one_look_with_the_new_pack_confirms_the_name() -> None:
    known = decide(anew(0.9), before=OLD)
    assert (known.verdict, known.person, known.pack) == (Verdict.KNOWN, ANNA, "test-1")
    assert known.similarity == pytest.approx(0.9, abs=1e-3)


def test_an_unknown_face_stays_unknown_at_a_change_of_packs() -> None:
    before = Decision(verdict=Verdict.UNKNOWN, similarity=0.4, threshold=THRESHOLD, pack="old-1")
    assert decide(anew(), before=before) == before
    assert decide(anew(0.3), before=before) == before


def test_a_name_that_a_better_track_has_is_given_up_also_without_a_look() -> None:
    given_up = decide(anew(), before=OLD, taken=frozenset({ANNA}))
    assert (given_up.verdict, given_up.person) == (Verdict.UNDECIDED, None)
    assert decide(anew(0.1), before=OLD, taken=frozenset({ANNA})).person is None


@pytest.mark.parametrize(
    ("looks", "verdict", "firm"),
    [
        ([THRESHOLD + 0.01] * MIN_LOOKS, Verdict.KNOWN, False),  # a name, but barely: more looks may take it back
        ([THRESHOLD + 0.01] * ENOUGH_LOOKS, Verdict.KNOWN, True),
        ([THRESHOLD + CLEARLY + 0.01], Verdict.KNOWN, False),  # one look is never the last word
        ([THRESHOLD + CLEARLY + 0.01] * MIN_LOOKS, Verdict.KNOWN, True),
        ([0.3] * (ENOUGH_LOOKS - 1), Verdict.UNDECIDED, False),
        ([0.3] * ENOUGH_LOOKS, Verdict.UNKNOWN, True),
        ([THRESHOLD - 0.01] * ENOUGH_LOOKS, Verdict.UNKNOWN, False),  # a better look may still name it
        ([THRESHOLD - 0.01] * KEEP_LOOKS, Verdict.UNKNOWN, True),
    ],
)
def test_a_decision_is_firm_when_more_looks_would_not_change_it(
    looks: list[float], verdict: Verdict, firm: bool
) -> None:
    decision = decide(evidence(*looks))
    assert (decision.verdict, decision.firm) == (verdict, firm)


def test_a_name_that_is_only_kept_is_not_firm() -> None:
    decision = decide(evidence(*[THRESHOLD - HARDLY + 0.001] * KEEP_LOOKS), before=KNOWN)
    assert (decision.person, decision.firm) == (ANNA, False)


def test_a_track_whose_name_another_one_has_is_not_firm() -> None:
    decision = decide(evidence(*[0.95] * KEEP_LOOKS), taken=frozenset({ANNA}))
    assert (decision.verdict, decision.firm) == (Verdict.UNKNOWN, False)


def test_a_firm_decision_is_equal_to_one_that_is_not() -> None:
    assert Decision(firm=True) == Decision()


@pytest.mark.parametrize("looks", [[], [0.95]])
def test_without_enough_looks_nothing_is_firm(looks: list[float]) -> None:
    undecided = Evidence() if not looks else evidence(*looks)
    assert not decide(undecided).firm


@pytest.mark.parametrize(("similarity", "person"), [(0.42 + 0.1, None), (0.42 + 0.16, ANNA)])
def test_how_clear_one_look_must_be_follows_the_packs_threshold(similarity: float, person: int | None) -> None:
    assert decide(evidence(similarity), gallery=snapshot(threshold=0.42)).person == person


@pytest.mark.parametrize(("similarity", "person"), [(0.42 - 0.04, ANNA), (0.42 - 0.06, None)])
def test_how_long_a_name_stays_follows_the_packs_threshold(similarity: float, person: int | None) -> None:
    looks = evidence(*[similarity] * ENOUGH_LOOKS)
    assert decide(looks, before=KNOWN, gallery=snapshot(threshold=0.42)).person == person
