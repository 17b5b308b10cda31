"""Which sightings are shown: the same words in an address, in a form, in the API and in an export.

Days and times are in the site's time zone unless they name another one. A day stands for all of it, also where it has
23 or 25 hours; a time that comes twice, because clocks are set back, means the first one as a beginning and the second
one as an end, so that a span never loses an hour. What makes no sense is refused in words, never left out: an export
that forgot a filter would tell of everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from accounts.ids import MAX_ID
from cameras.models import Camera, CameraGroup, CameraPlace, Ground, Link, Verdict, Zone
from cameras.selectors import shape_of
from cameras.zones import contains_geo, contains_plan
from recognition.models import Watchlist

KNOWN, UNKNOWN = "known", "unknown"
WHO: Final = [(KNOWN, "Enrolled people"), (UNKNOWN, "Unknown people")]
NEWEST, OLDEST = "newest", "oldest"
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_MOMENT: Final = {"type": "datetime-local", "step": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All of them must hold. Ids, not rows; `begins` and `ends` are about when a sighting began."""

    identity: int | None = None
    person: int | None = None
    watchlist: int | None = None
    camera: int | None = None
    group: int | None = None
    zone: int | None = None
    begins: datetime | None = None
    ends: datetime | None = None  # not part of the span
    similarity: float | None = None  # at least
    quality: float | None = None  # at least
    verdict: str = ""
    link: str = ""
    who: str = ""
    doubted: bool = False  # only those
    present: bool = False  # only those that are still in view
    oldest_first: bool = False

    @property
    def tells_who(self) -> bool:
        """Whether being found by it tells whose a sighting may be: then leads are held back altogether."""
        asked = (self.identity, self.person, self.watchlist, self.similarity)
        return any(value is not None for value in asked) or bool(self.who or self.link or self.doubted)

    def said(self) -> dict[str, str | int | float | bool]:
        """Those that are given, as addresses and the audit trail say them; HistoryForm reads it back."""
        values: dict[str, str | int | float | bool | None] = {
            "identity": self.identity,
            "person": self.person,
            "watchlist": self.watchlist,
            "camera": self.camera,
            "group": self.group,
            "zone": self.zone,
            "from": self.begins.isoformat() if self.begins else "",
            "to": self.ends.isoformat() if self.ends else "",
            "similarity": self.similarity,
            "quality": self.quality,
            "verdict": self.verdict,
            "link": self.link,
            "who": self.who,
            "doubted": self.doubted,
            "present": self.present,
            "order": OLDEST if self.oldest_first else "",
        }
        return {name: value for name, value in values.items() if value not in ("", None, False)}


class MomentField(forms.Field):
    """A day or a time. `is_end`: of a day, its end."""

    def __init__(self, *, is_end: bool = False, label: str) -> None:
        super().__init__(required=False, label=label, widget=forms.TextInput(attrs=_MOMENT))
        self.is_end = is_end

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            moment = _moment(str(value).strip(), is_end=self.is_end)
        except (ValueError, OverflowError):
            moment = None
        if moment is None:
            raise forms.ValidationError("This is no day or time. Write it as 2026-03-29 or 2026-03-29T14:30.")
        return moment

    def prepare_value(self, value: Any) -> Any:
        """As the browser's own field for times takes it."""
        try:
            moment = self.to_python(value)
        except forms.ValidationError:
            return value
        return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S") if moment is not None else value


def can_be_kept(*moments: datetime | None) -> bool:
    """Whether the database and every time zone can say these times; those that are not given are no obstacle."""
    return all(moment is None or _EARLIEST <= moment <= _LATEST for moment in moments)


def _moment(text: str, *, is_end: bool) -> datetime | None:
    """The moment in UTC; None or ValueError where the text is none."""
    day = None if "T" in text or " " in text else parse_date(text)
    moment = parse_datetime(text) if day is None else datetime.combine(day + timedelta(days=int(is_end)), time.min)
    if moment is None:
        return None
    if timezone.is_naive(moment):
        moment = moment.replace(tzinfo=timezone.get_current_timezone(), fold=int(is_end and day is None))
    return min(_LATEST, max(_EARLIEST, moment.astimezone(UTC)))


class HistoryForm(forms.Form):
    """The filters as they are typed or as they stand in an address."""

    watchlist = forms.ModelChoiceField(Watchlist.objects.all(), required=False, empty_label="All")
    camera = forms.ModelChoiceField(Camera.objects.all(), required=False, empty_label="All")
    group = forms.ModelChoiceField(CameraGroup.objects.all(), required=False, empty_label="All", label="Camera group")
    zone = forms.ModelChoiceField(Zone.objects.all(), required=False, empty_label="All")
    verdict = forms.ChoiceField(choices=[("", "All"), *Verdict.choices], required=False)
    who = forms.ChoiceField(choices=[("", "Everybody"), *WHO], required=False)
    link = forms.ChoiceField(choices=[("", "All"), *Link.choices], required=False, label="How it was told whose it is")
    similarity = forms.FloatField(required=False, min_value=-1, max_value=1, label="Similarity, at least")
    quality = forms.FloatField(required=False, min_value=0, max_value=1, label="Quality, at least")
    identity = forms.IntegerField(required=False, min_value=1, max_value=MAX_ID, label="Identity, by its number")
    person = forms.IntegerField(required=False, min_value=1, max_value=MAX_ID, widget=forms.HiddenInput)
    doubted = forms.BooleanField(required=False, label="Only doubted ones")
    present = forms.BooleanField(required=False, label="Only who is still in view")
    order = forms.ChoiceField(choices=[("", "Newest first"), (OLDEST, "Oldest first")], required=False)

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        # Without a prefix of its own `from`, a word of Python, could not be the name of an attribute.
        super().__init__(data, auto_id="h-%s")
        self.fields["from"] = MomentField(label="From")
        self.fields["to"] = MomentField(label="To", is_end=True)
        for name in ("similarity", "quality"):
            self.fields[name].widget.attrs |= {"step": "any", "inputmode": "decimal"}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        begins, ends = values.get("from"), values.get("to")
        if begins is not None and ends is not None and begins >= ends:
            self.add_error("to", "The span ends before it begins. Choose a later end.")
        return values

    @property
    def filters(self) -> Filters:
        """What was asked for; only after `is_valid`."""
        values = self.cleaned_data
        rows = {name: getattr(values[name], "pk", None) for name in ("watchlist", "camera", "group", "zone")}
        return Filters(
            **rows,
            identity=values["identity"],
            person=values["person"],
            begins=values["from"],
            ends=values["to"],
            similarity=values["similarity"],
            quality=values["quality"],
            verdict=values["verdict"],
            link=values["link"],
            who=values["who"],
            doubted=values["doubted"],
            present=values["present"],
            oldest_first=values["order"] == OLDEST,
        )

    @property
    def rarely_used(self) -> bool:
        """Whether one of those is given that the page folds away."""
        return any(self.data.get(name) for name in ("group", "link", "quality", "identity", "doubted", "order"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where: cameras (None: all of them), and the zone of a picture that must have been passed."""

    cameras: frozenset[int] | None = None
    zone: int | None = None


def place_of(filters: Filters) -> Place:
    """The cameras that camera, group and zone leave, and the zone where it is one of a picture."""
    cameras = None if filters.camera is None else frozenset({filters.camera})
    if filters.group is not None:
        cameras = _both(cameras, CameraGroup.cameras.through.objects.filter(cameragroup=filters.group), "camera")
    if filters.zone is None:
        return Place(cameras=cameras)
    zone = Zone.objects.filter(pk=filters.zone).first()
    if zone is not None and zone.ground == Ground.PICTURE:
        return Place(cameras=cameras, zone=zone.pk)
    inside = cameras_in(zone) if zone is not None else frozenset()
    return Place(cameras=inside if cameras is None else cameras & inside)


def cameras_in(zone: Zone) -> frozenset[int]:
    """The cameras that are in a zone on a plan or on coordinates."""
    shape = shape_of(zone)
    if zone.ground == Ground.PLAN:
        if zone.plan_id is None:
            return frozenset()
        places = CameraPlace.objects.filter(plan=zone.plan_id)
        return frozenset(one.camera_id for one in places if contains_plan(shape, one.x, one.y))
    located = Camera.objects.filter(latitude__isnull=False, longitude__isnull=False)
    found = located.values_list("pk", "latitude", "longitude")
    return frozenset(
        pk for pk, lat, lon in found if lat is not None and lon is not None and contains_geo(shape, lat, lon)
    )


def _both(known: frozenset[int] | None, rows: Any, column: str) -> frozenset[int]:
    found = frozenset(rows.values_list(column, flat=True))
    return found if known is None else known & found
