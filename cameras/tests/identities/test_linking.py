"""The link decision: who it might be, whether they can have been there, and how much alike is enough."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.identities.linking import (
    FEWEST,
    LIKELY,
    LINK,
    MOST,
    OTHERS,
    SLACK,
    SOON,
    UNLIKELY,
    Contender,
    Limits,
    Span,
    Standing,
    Way,
    Ways,
    decide,
    gap,
    overall,
    standing,
)

HERE, THERE, ELSEWHERE = 1, 2, 3
LIMITS = Limits.of(0.8)
USUAL = (20.0, 30.0, 60.0)


def span(camera: int | None, first: float, last: float) -> Span:
    return Span(camera=camera, first_seen=first, last_seen=last)


def somebody(identity: int, similarity: float, *near: Span, others: int = OTHERS) -> Contender:
    return Contender(identity=identity, similarity=similarity, near=near, others=others)


NOW = span(THERE, 1000, 1010)

# --- how far apart -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "seconds"),
    [
        ((980, 990), 10),
        ((1020, 1030), 10),  # the later one may come first
        ((980, 1000), 0),
        ((980, 1004), -4),
        ((990, 1030), -20),  # all the while
        ((1003, 1005), -5),  # within it, from the nearer end
    ],
)
def test_the_gap_between_two_sightings(other: tuple[float, float], seconds: float) -> None:
    assert gap(NOW, span(HERE, *other)) == seconds
    assert gap(span(HERE, *other), NOW) == seconds


# --- how well two sightings go together ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("began", "ended", "expected"),
    [
        (980, 993, Standing.LIKELY),  # lost a moment ago
        (900, 1000 - SOON - 0.1, Standing.NEUTRAL),
        (980, 1000 + SLACK, Standing.LIKELY),  # a track that was cut in two
        (980, 1000 + SLACK + 0.1, Standing.IMPOSSIBLE),  # two faces in one picture
        (1002, 1004, Standing.IMPOSSIBLE),
        (1012, 1020, Standing.LIKELY),  # linked late: the other one came after
    ],
)
def test_at_one_camera(began: float, ended: float, expected: Standing) -> None:
    ways: Ways = {(THERE, THERE): Way(fastest=100, overlaps=True)}  # what is said of a camera and itself does not count
    assert standing(NOW, span(THERE, began, ended), {}) is expected
    assert standing(NOW, span(THERE, began, ended), ways) is expected


@pytest.mark.parametrize(
    ("way", "ended", "expected"),
    [
        # Nothing is known.
        (Way(), 990, Standing.NEUTRAL),
        (Way(), 1000 + SLACK, Standing.NEUTRAL),  # clocks are off by so much
        (Way(), 1005, Standing.UNLIKELY),  # at both at once: their views may overlap, nobody has said
        # Nobody is faster than 15 s.
        (Way(fastest=15), 985 + SLACK, Standing.NEUTRAL),
        (Way(fastest=15), 985 + SLACK + 0.1, Standing.IMPOSSIBLE),
        (Way(fastest=15), 1005, Standing.IMPOSSIBLE),
        (Way(fastest=0), 1000 + SLACK, Standing.NEUTRAL),
        (Way(fastest=0), 1005, Standing.IMPOSSIBLE),
        # The views do not overlap, or do.
        (Way(overlaps=False), 1000, Standing.NEUTRAL),
        (Way(overlaps=False), 1005, Standing.IMPOSSIBLE),
        (Way(overlaps=True), 1005, Standing.LIKELY),
        (Way(overlaps=True), 1000 - SOON - 1, Standing.NEUTRAL),
        (Way(overlaps=True, fastest=15), 1005, Standing.LIKELY),
        # What people usually take.
        (Way(usual=USUAL), 980 + SLACK, Standing.LIKELY),
        (Way(usual=USUAL), 970, Standing.LIKELY),
        (Way(usual=USUAL), 940 - SLACK, Standing.LIKELY),
        (Way(usual=USUAL), 940 - SLACK - 0.1, Standing.NEUTRAL),
        (Way(usual=USUAL), 985, Standing.NEUTRAL),  # faster than most
        (Way(usual=USUAL), 995, Standing.UNLIKELY),  # much faster
        (Way(usual=USUAL), 1005, Standing.UNLIKELY),
        (Way(usual=USUAL, overlaps=False), 1005, Standing.IMPOSSIBLE),
        (Way(usual=USUAL, fastest=15), 990, Standing.IMPOSSIBLE),
    ],
)
def test_from_camera_to_camera(way: Way, ended: float, expected: Standing) -> None:
    earlier = span(HERE, 900, ended)
    assert standing(NOW, earlier, {(HERE, THERE): way}) is expected


def test_the_way_that_counts_is_the_one_that_was_walked() -> None:
    ways: Ways = {(HERE, THERE): Way(fastest=60), (THERE, HERE): Way(fastest=5)}
    assert standing(NOW, span(HERE, 980, 990), ways) is Standing.IMPOSSIBLE
    assert standing(NOW, span(HERE, 1020, 1030), ways) is Standing.NEUTRAL
    assert standing(span(HERE, 980, 990), NOW, ways) is Standing.IMPOSSIBLE


def test_a_removed_camera_says_nothing() -> None:
    ways: Ways = {(HERE, THERE): Way(fastest=60)}
    assert standing(NOW, span(None, 1000, 1010), ways) is Standing.NEUTRAL
    assert standing(span(None, 1000, 1010), NOW, ways) is Standing.NEUTRAL
    assert standing(span(None, 1000, 1010), span(None, 1000, 1010), ways) is Standing.NEUTRAL


def test_one_impossible_sighting_outweighs_likely_ones() -> None:
    ways: Ways = {(HERE, THERE): Way(usual=USUAL), (ELSEWHERE, THERE): Way(fastest=100)}
    likely, impossible, unusual = span(HERE, 960, 970), span(ELSEWHERE, 960, 970), span(HERE, 990, 995)
    assert overall(NOW, [], ways) is Standing.NEUTRAL
    assert overall(NOW, [likely, span(None, 0, 1)], ways) is Standing.LIKELY
    assert overall(NOW, [likely, unusual], ways) is Standing.UNLIKELY
    assert overall(NOW, [likely, unusual, impossible], ways) is Standing.IMPOSSIBLE


# --- how much is asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.35, 0.6, 0.83755])
def test_limits_are_parts_of_the_way_from_the_threshold_to_one(threshold: float) -> None:
    limits, way = Limits.of(threshold), 1 - threshold
    assert limits.asked(Standing.NEUTRAL) == pytest.approx(threshold + LINK * way)
    assert limits.asked(Standing.LIKELY) == pytest.approx(threshold + LIKELY * way)
    assert limits.asked(Standing.UNLIKELY) == pytest.approx(threshold + UNLIKELY * way)
    assert limits.asked(Standing.IMPOSSIBLE) == math.inf
    assert threshold < limits.floor <= limits.asked(Standing.LIKELY) < limits.asked(Standing.NEUTRAL)
    assert limits.asked(Standing.NEUTRAL) < limits.asked(Standing.UNLIKELY) < 1


def test_the_more_it_might_be_the_more_is_asked() -> None:
    asked = [LIMITS.asked(Standing.NEUTRAL, others) for others in (FEWEST, OTHERS, 10 * OTHERS, 100 * OTHERS)]
    assert asked == sorted(set(asked))
    assert asked[3] - asked[2] == pytest.approx(asked[2] - asked[1])  # each ten times as many add as much
    assert LIMITS.asked(Standing.NEUTRAL, 0) == LIMITS.asked(Standing.NEUTRAL, 1) == asked[0]


def test_the_same_face_is_enough_however_many_it_might_be() -> None:
    for how in (Standing.UNLIKELY, Standing.NEUTRAL, Standing.LIKELY):
        assert LIMITS.asked(how, 10**12) == pytest.approx(0.8 + MOST * 0.2)
    assert LIMITS.asked(Standing.IMPOSSIBLE, 0) == math.inf


@given(others=st.integers(-5, 10**9), how=st.sampled_from([Standing.UNLIKELY, Standing.NEUTRAL, Standing.LIKELY]))
def test_nothing_below_the_floor_is_ever_enough(others: int, how: Standing) -> None:
    assert LIMITS.floor <= LIMITS.asked(how, others) < 1
    assert LIMITS.asked(how, others) <= LIMITS.asked(how, others + 1)


# --- the decision ----------------------------------------------------------------------------------------------------


def test_nobody_resembles_it() -> None:
    for contenders in ([], [somebody(1, LIMITS.link - 0.01)]):
        decision = decide(NOW, contenders, {}, LIMITS)
        assert (decision.identity, decision.similarity) == (None, None)


def test_the_most_similar_one_wins_and_of_equal_ones_the_older_identity() -> None:
    alike = LIMITS.link + 0.02
    assert decide(NOW, [somebody(1, LIMITS.link), somebody(2, alike)], {}, LIMITS).identity == 2
    decision = decide(NOW, [somebody(9, alike), somebody(4, alike), somebody(7, alike)], {}, LIMITS)
    assert (decision.identity, decision.similarity) == (4, alike)


def test_exactly_enough_is_enough() -> None:
    assert decide(NOW, [somebody(1, LIMITS.link)], {}, LIMITS).identity == 1
    assert decide(NOW, [somebody(1, math.nextafter(LIMITS.link, 0))], {}, LIMITS).identity is None


def test_somebody_who_was_elsewhere_is_passed_over_and_the_next_one_taken() -> None:
    ways: Ways = {(HERE, THERE): Way(fastest=60)}
    twin = somebody(1, LIMITS.link + 0.05, span(HERE, 985, 995))
    other = somebody(2, LIMITS.link + 0.01, span(HERE, 900, 910))
    decision = decide(NOW, [other, twin], ways, LIMITS)
    assert decision.identity == 2
    assert decide(NOW, [twin], ways, LIMITS).identity is None


def test_who_was_elsewhere_is_not_linked_with_less_either() -> None:
    ways: Ways = {(HERE, THERE): Way(fastest=60)}
    weak = somebody(1, (LIMITS.likely + LIMITS.link) / 2, span(HERE, 985, 995))
    assert decide(NOW, [weak], ways, LIMITS).identity is None


def test_somebody_expected_is_linked_with_less() -> None:
    ways: Ways = {(HERE, THERE): Way(usual=USUAL)}
    between = (LIMITS.likely + LIMITS.link) / 2
    expected, unexpected = somebody(1, between, span(HERE, 960, 970)), somebody(2, between, span(HERE, 100, 110))
    assert decide(NOW, [unexpected], ways, LIMITS).identity is None
    decision = decide(NOW, [expected, unexpected], ways, LIMITS)
    assert (decision.identity, decision.standing) == (1, Standing.LIKELY)


def test_at_two_cameras_at_once_of_which_nothing_is_known_more_is_asked() -> None:
    at_once = span(HERE, 995, 1020)
    between = (LIMITS.link + LIMITS.unlikely) / 2
    assert decide(NOW, [somebody(1, between, at_once)], {}, LIMITS).identity is None
    decision = decide(NOW, [somebody(1, LIMITS.unlikely, at_once)], {}, LIMITS)
    assert (decision.identity, decision.standing) == (1, Standing.UNLIKELY)


def test_who_was_here_just_now_is_taken_before_who_resembles_it_more_but_left_hundreds_ago() -> None:
    long_ago = somebody(1, LIMITS.link + 0.01, others=100 * OTHERS)
    just_now = somebody(2, LIMITS.link, others=3)
    assert decide(NOW, [long_ago], {}, LIMITS).identity is None
    assert decide(NOW, [long_ago, just_now], {}, LIMITS).identity == 2


def test_a_similarity_that_is_no_number_links_nothing() -> None:
    assert decide(NOW, [somebody(1, math.nan)], {}, LIMITS).identity is None


_SPANS = st.builds(
    lambda camera, first, seconds: span(camera, first, first + seconds),
    st.sampled_from([None, HERE, THERE, ELSEWHERE]),
    st.floats(0, 2000),
    st.floats(0, 100),
)
_SECONDS = st.one_of(st.none(), st.floats(0, 200))
_SOME_WAYS = st.dictionaries(
    st.tuples(st.sampled_from([HERE, THERE, ELSEWHERE]), st.sampled_from([HERE, THERE, ELSEWHERE])),
    st.builds(
        lambda fastest, usual, overlaps: Way(
            fastest=fastest, usual=(usual, 2 * usual, 3 * usual) if usual is not None else None, overlaps=overlaps
        ),
        _SECONDS,
        _SECONDS,
        st.sampled_from([None, True, False]),
    ),
)


@given(one=_SPANS, other=_SPANS, ways=_SOME_WAYS)
def test_a_pair_goes_as_well_together_from_either_side(one: Span, other: Span, ways: Ways) -> None:
    if one.first_seen != other.first_seen:
        assert standing(one, other, ways) is standing(other, one, ways)


@given(
    ways=_SOME_WAYS,
    contenders=st.lists(
        st.builds(
            lambda identity, similarity, near, others: somebody(identity, similarity, *near, others=others),
            st.integers(1, 9),
            st.floats(0.5, 1),
            st.lists(_SPANS, max_size=4),
            st.integers(0, 10**6),
        ),
        max_size=6,
    ),
)
def test_what_is_linked_was_possible_and_enough(ways: Ways, contenders: list[Contender]) -> None:
    decision = decide(NOW, contenders, ways, LIMITS)
    if decision.identity is None:
        assert decision.similarity is None
        return
    assert decision.similarity is not None
    assert decision.similarity >= LIMITS.floor
    fitting = [one for one in contenders if (one.identity, one.similarity) == (decision.identity, decision.similarity)]
    assert any(overall(NOW, one.near, ways) is decision.standing > Standing.IMPOSSIBLE for one in fitting)
    assert any(one.similarity >= LIMITS.asked(decision.standing, one.others) for one in fitting)
