"""The form of a route. It checks what was typed; the services decide and write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from cameras.models import Camera, Route
from cameras.topology.services import LONGEST

_SECONDS = {"step": "any", "inputmode": "decimal"}
VALUES = ("both_ways", "overlaps", "fastest", "usual")


def _seconds(label: str, help_text: str) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        help_text=help_text,
        required=False,
        min_value=0,
        max_value=LONGEST,
        widget=forms.NumberInput(attrs=_SECONDS),
    )


class RouteForm(forms.Form):
    """A way between two cameras. Of one that there is, the cameras stay."""

    start = forms.ModelChoiceField(queryset=Camera.objects.all(), label="From", empty_label="Choose a camera")
    end = forms.ModelChoiceField(queryset=Camera.objects.all(), label="To", empty_label="Choose a camera")
    both_ways = forms.BooleanField(required=False, label="And back the same way")
    overlaps = forms.BooleanField(
        required=False,
        label="Their views overlap",
        help_text="One person may be seen by both at the same time. Then being at both at once is no conflict.",
    )
    fastest = _seconds("Fastest, in seconds", "Nobody gets there in fewer. Empty: as the distance says.")
    usual = _seconds("Usual, in seconds", "Most people take about so long. What is learned later counts before it.")

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, route: Route | None = None, initial: Mapping[str, Any] = {}
    ) -> None:
        known = {name: getattr(route, name) for name in VALUES} if route else {"both_ways": True, **initial}
        super().__init__(data, initial=known)
        if route is not None:
            del self.fields["start"], self.fields["end"]

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, for the services."""
        return dict(self.cleaned_data)
