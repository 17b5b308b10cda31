"""A changed mapping says what a changed dictionary would say, and leaves the one before as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition import overlay
from recognition.overlay import overlaid

keys = st.integers(0, 12)
values = st.text(max_size=2)


@given(base=st.dictionaries(keys, values), changes=st.lists(st.dictionaries(keys, st.none() | values), max_size=8))
def test_it_is_what_a_dictionary_would_be(base: dict[int, str], changes: list[dict[int, str | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlay, "_MOST", 5)
        expected, made = dict(base), overlaid(base, {})
        assert made is base
        for change in changes:
            before, said = made, dict(made)
            made = overlaid(made, change)
            expected = {key: value for key, value in {**expected, **change}.items() if value is not None}
            assert dict(before) == said
            assert dict(made) == expected
            assert len(made) == len(expected)
            assert all((key in made) == (key in expected) for key in range(13))
            assert [made.get(key, "nobody") for key in range(13)] == [expected.get(key, "nobody") for key in range(13)]


def test_what_is_the_same_makes_no_new_one() -> None:
    base = {1: "a"}
    made = overlaid(base, {1: "b", 2: None})
    assert overlaid(base, {1: "a", 2: None}) is base
    assert overlaid(made, {1: "b"}) is made
    assert base == {1: "a"}
