"""Forms about one alert, and about who was trained. They check what was typed; services decide and write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from accounts.models import User
from alerts import attachments
from alerts.lifecycle import MOST_TEXT
from alerts.models import Alert, Dismissal, Review

_NOTE = {"rows": 2, "maxlength": MOST_TEXT}


_MAY_DEAL = User.objects.with_perm("alerts.change_alert", backend="django.contrib.auth.backends.ModelBackend")


class CommentForm(forms.Form):
    text = forms.CharField(label="Comment", max_length=MOST_TEXT, widget=forms.Textarea(attrs=_NOTE))


class DismissForm(forms.Form):
    """Why nothing is to be done. What says who it is can not be chosen where nobody was named, or reviewers say it."""

    note = forms.CharField(label="Note", required=False, max_length=MOST_TEXT, widget=forms.Textarea(attrs=_NOTE))

    def __init__(self, *args: Any, alert: Alert, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {"reason": forms.ChoiceField(label="Why", choices=_reasons(alert)), **self.fields}


class AssignForm(forms.Form):
    to = forms.ModelChoiceField(
        _MAY_DEAL.order_by("username"), label="Assigned to", required=False, empty_label="Nobody"
    )


class ReviewForm(forms.Form):
    answer = forms.ChoiceField(label="Is it the same person?", choices=Review.Answer.choices, widget=forms.RadioSelect)
    note = forms.CharField(
        label="What you looked at",
        required=False,
        max_length=MOST_TEXT,
        widget=forms.Textarea(attrs=_NOTE),
        help_text="Shown to others once the alert is decided, not before.",
    )


class AttachForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text=f"A picture, a PDF or plain text, at most {attachments.MOST_MB} MB.",
        widget=forms.FileInput(attrs={"accept": attachments.ACCEPTED}),
    )

    def sent(self) -> tuple[str, bytes]:
        """The name and the content."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        return file.name or "attachment", file.read()


class ExportForm(forms.Form):
    reason = forms.CharField(
        label="What it is needed for",
        max_length=500,
        help_text="Goes into the history of the alert and the audit trail.",
    )


class TrainingForm(forms.Form):
    user = forms.ModelChoiceField(User.objects.filter(is_active=True).order_by("username"), label="Who")
    course = forms.CharField(label="Course or test", max_length=200)
    trained_on = forms.DateField(label="Trained on", widget=forms.DateInput(attrs={"type": "date"}))
    valid_until = forms.DateField(label="Valid until", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        today = timezone.localdate()
        kwargs.setdefault("initial", {"trained_on": today, "valid_until": today + timedelta(days=365)})
        super().__init__(*args, **kwargs)


def _reasons(alert: Alert) -> list[tuple[str, str]]:
    left_out = set() if alert.is_match else {Dismissal.NOT_THIS_PERSON}
    if alert.reviews_needed:
        left_out |= {Dismissal.NOT_THIS_PERSON, Dismissal.NOT_RELEVANT}
    found = [(reason.value, str(reason.label)) for reason in Dismissal if reason not in left_out]
    if alert.is_match:
        return found
    return [(value, "Nothing to act on" if value == Dismissal.NOT_RELEVANT else label) for value, label in found]
