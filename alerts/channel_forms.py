"""Forms about places that messages go to and what they say. They check what was typed; services decide and write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from django import forms
from django.utils.html import escape

from alerts.channels.base import Field, Sender
from alerts.models import Channel, Endpoint, ListPolicy, MessageTemplate, Severity
from recognition.models import NAME_LENGTH

_AT = "at_"  # before what a channel asks for: its names can not meet the form's own
_FORGET = "forget_"
_TYPED = 2000
_TYPED_LONG = 65_536  # certificates of several authorities
_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class Values(TypedDict):
    """How a place is called, whether it is told at all, from which severity on, and how often."""

    name: str
    enabled: bool
    min_severity: Severity
    most_per_hour: int | None
    digest_minutes: int


class UnseenText(forms.Textarea):
    """A secret of several lines: what was typed does not come back, as with a password."""

    def format_value(self, value: object) -> str:
        return ""


class EndpointForm(forms.Form):
    """A place on one channel, with what that asks for. Secrets are never shown again; left empty they stay."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="What lists and rules call it, such as “Control room” or “My phone”.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Send messages there")
    min_severity = forms.ChoiceField(
        choices=Severity.choices, initial=Severity.LOW, label="From which severity on", help_text="Less is not sent."
    )
    digest_minutes = forms.IntegerField(
        min_value=0,
        max_value=1440,
        initial=0,
        label="Collect for so many minutes",
        help_text="0: at once. Otherwise one message tells of everything in that time; critical alerts go at once.",
    )
    most_per_hour = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=3600,
        label="At most so many an hour",
        help_text="What is more waits and goes as one message. Empty: no limit.",
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        sender: Sender,
        endpoint: Endpoint | None = None,
        config: Mapping[str, str] | None = None,
        name: str = "",
        has_place: bool = True,
    ) -> None:
        """`config`: what is known of the endpoint, without secrets. Not `has_place`: where it goes is not asked for."""
        self._asked = sender.fields if has_place else ()
        self._has_place = has_place
        kept = {n: getattr(endpoint, n) for n in self.base_fields} if endpoint is not None else {"name": name}
        super().__init__(data, initial=kept | {_AT + n: value for n, value in (config or {}).items()})
        for asked in self._asked:
            self._ask(asked, is_kept=endpoint is not None and asked.secret)
        if not sender.digests:
            del self.fields["digest_minutes"], self.fields["most_per_hour"]

    @property
    def asked(self) -> list[forms.BoundField]:
        """The fields about where it goes, in the order in which the channel asks for them."""
        names = [name for f in self._asked for name in (_AT + f.name, _FORGET + f.name)]
        return [self[name] for name in names if name in self.fields]

    @property
    def manner(self) -> list[forms.BoundField]:
        """The fields about when and how often it is told."""
        names = ("enabled", "min_severity", "digest_minutes", "most_per_hour")
        return [self[name] for name in names if name in self.fields]

    @property
    def values(self) -> Values:
        """What was typed about the manner of telling, once it is valid."""
        found = self.cleaned_data
        return {
            "name": found["name"],
            "enabled": found["enabled"],
            "min_severity": Severity(found["min_severity"]),
            "most_per_hour": found.get("most_per_hour"),
            "digest_minutes": found.get("digest_minutes", 0),
        }

    @property
    def given(self) -> dict[str, str] | None:
        """What was typed about where it goes, once it is valid; None where that was not asked for."""
        if not self._has_place:
            return None
        return {f.name: self.cleaned_data[_AT + f.name] for f in self._asked}

    @property
    def left_empty(self) -> list[str]:
        """The secrets for which nothing was typed."""
        return [f.name for f in self._asked if f.secret and not self.cleaned_data[_AT + f.name]]

    @property
    def forgotten(self) -> list[str]:
        """The secrets that it shall not have any more."""
        return [f.name for f in self._asked if self.cleaned_data.get(_FORGET + f.name)]

    def add_config_error(self, field: str, why: str) -> None:
        """Says at the right field what the channel says of it."""
        self.add_error(_AT + field if _AT + field in self.fields else None, why)

    def _ask(self, asked: Field, *, is_kept: bool) -> None:
        required = asked.required and not is_kept
        help_text = "Left empty, it stays as it is." if is_kept else escape(asked.help)
        shared: dict[str, Any] = {"label": asked.label, "help_text": help_text, "initial": asked.default}
        field: forms.Field
        if asked.choices:
            choices = asked.choices if required or not all(c[0] for c in asked.choices) else (("", "—"), *asked.choices)
            field = forms.ChoiceField(choices=choices, required=required, **shared)
        else:
            most = _TYPED_LONG if asked.long else _TYPED
            field = forms.CharField(required=required, max_length=most, widget=_widget(asked), **shared)
        self.fields[_AT + asked.name] = field
        if is_kept and not asked.required:
            self.fields[_FORGET + asked.name] = forms.BooleanField(required=False, label=f"Forget: {asked.label}")


def _widget(asked: Field) -> forms.Widget:
    attrs = dict(_PLAIN)
    if asked.long:
        attrs |= {"rows": "4"}
        return UnseenText(attrs=attrs) if asked.secret else forms.Textarea(attrs=attrs)
    if asked.secret:
        return forms.PasswordInput(attrs=attrs | {"autocomplete": "new-password"})
    return forms.TextInput(attrs=attrs)


class TemplateForm(forms.ModelForm[MessageTemplate]):
    """What the messages of a channel say."""

    class Meta:
        model = MessageTemplate
        fields = ["subject", "body"]
        widgets = {"body": forms.Textarea(attrs={"rows": 12, "spellcheck": "true"})}
        labels = {"body": "Text"}
        help_texts = {"subject": "Empty: the one that Lynceus comes with."}

    def __init__(self, *args: Any, channel: Channel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if channel is Channel.SMS:
            del self.fields["subject"]

    def clean_body(self) -> str:
        """Browsers send the ends of lines as Windows writes them."""
        return str(self.cleaned_data["body"]).replace("\r\n", "\n")


class PolicyForm(forms.ModelForm[ListPolicy]):
    """What a watchlist asks of the alerts about its people."""

    class Meta:
        model = ListPolicy
        fields = ["two_person", "pictures_outside", "names_outside"]
        labels = {
            "two_person": "Two trained people must confirm a match",
            "pictures_outside": "Messages may carry the picture",
            "names_outside": "Messages may carry the name",
        }
