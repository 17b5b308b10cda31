"""Forms with which identities are put right. They check what was typed; services decide and write."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django import forms

from accounts.ids import MAX_ID
from cameras.models import REASON_LENGTH
from recognition.models import NAME_LENGTH, Person, Watchlist


class ReasonForm(forms.Form):
    """Why something is put right."""

    reason = forms.CharField(
        label="Why",
        max_length=REASON_LENGTH,
        help_text="Whoever looks at this later has to understand it. It is kept with the correction.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class MergeForm(ReasonForm):
    """Who is the same person."""

    other = forms.IntegerField(
        label="Number of the other one",
        min_value=1,
        max_value=MAX_ID,
        help_text="It stands in their name, or in the address of their page.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    field_order = ("other", "reason")


class SightingsField(forms.Field):
    """Sightings that were ticked; cleans to their ids."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[uuid.UUID]:
        try:
            found = [uuid.UUID(str(one)) for one in value or ()]
        except ValueError:
            raise forms.ValidationError("What was chosen is no sighting. Load the page again.") from None
        if self.required and not found:
            raise forms.ValidationError("Choose at least one.")
        return list(dict.fromkeys(found))


class SplitForm(ReasonForm):
    """Which sightings are somebody else's."""

    sightings = SightingsField()
    field_order = ("sightings", "reason")


class NameForm(forms.Form):
    """Who somebody unknown is: a name for a new person, or somebody who is enrolled."""

    person = forms.ModelChoiceField(Person.objects.all(), required=False, widget=forms.HiddenInput)
    name = forms.CharField(label="Name", max_length=NAME_LENGTH, required=False)
    watchlist = forms.ModelChoiceField(
        Watchlist.objects.all(), required=False, empty_label="No watchlist", help_text="Onto which the person comes."
    )
    shots = SightingsField(required=False)
    reason = forms.CharField(
        label="How it is known", max_length=REASON_LENGTH, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    all_the_same = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("person") is None and not (values.get("name") or "").strip() and "person" not in self.errors:
            self.add_error("name", "Give a name, or choose somebody who is enrolled.")
        return values

    @property
    def chosen(self) -> Sequence[uuid.UUID]:
        """The shots that are ticked, also where something else is wrong."""
        if not self.is_bound:
            return ()
        return self.cleaned_data.get("shots") or () if hasattr(self, "cleaned_data") else ()
