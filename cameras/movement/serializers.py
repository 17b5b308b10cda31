"""What the API takes and shows of movement. Times are UTC where no offset is given; durations are seconds."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from cameras.models import Camera, CameraGroup, SitePlan
from cameras.movement.hours import STEPS
from cameras.movement.place import Period, Place, at_camera, everywhere, in_group, last_days, on_plan
from cameras.movement.unusual import FEWEST_WEEKS, MOST_WEEKS, Oddity

DAYS = 7.0
_HOUR: dict[str, Any] = {"min_value": 0, "max_value": 23}


class Filter(serializers.Serializer[Any]):
    """`from` and `to`: the period; without them the last seven days. At most one of `camera`, `group`, `plan`."""

    camera: serializers.PrimaryKeyRelatedField[Camera] = serializers.PrimaryKeyRelatedField(
        queryset=Camera.objects.all(), required=False
    )
    group: serializers.PrimaryKeyRelatedField[CameraGroup] = serializers.PrimaryKeyRelatedField(
        queryset=CameraGroup.objects.all(), required=False
    )
    plan: serializers.PrimaryKeyRelatedField[SitePlan] = serializers.PrimaryKeyRelatedField(
        queryset=SitePlan.objects.all(), required=False
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of Python, so that it can not be the name of an attribute.
        return super().get_fields() | {
            "from": serializers.DateTimeField(required=False, help_text="The beginning of the period."),
            "to": serializers.DateTimeField(required=False, help_text="Its end, which is not part of it."),
        }

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        places = [name for name in ("camera", "group", "plan") if name in values]
        if len(places) > 1:
            raise serializers.ValidationError(
                {places[1]: ["Ask for a camera, a group or a plan, not for two of them."]}
            )
        until = values.pop("to", None) or timezone.now()
        since = values.pop("from", None) or last_days(DAYS, now=until).since
        try:
            values["period"] = Period(since=since, until=until, zone=timezone.get_default_timezone())
        except ValueError as error:
            raise serializers.ValidationError({"from": [str(error)]}) from None
        return values

    @property
    def period(self) -> Period:
        period: Period = self.validated_data["period"]
        return period

    @property
    def place(self) -> Place:
        """Where it is about, once it is valid."""
        values = self.validated_data
        if "camera" in values:
            return at_camera(values["camera"].pk)
        if "group" in values:
            return in_group(values["group"].pk)
        return on_plan(values["plan"].pk) if "plan" in values else everywhere()


class TimelineFilter(Filter):
    step = serializers.ChoiceField(choices=STEPS, default="hour")


class NightFilter(Filter):
    begins = serializers.IntegerField(default=22, help_text="Hour on the wall's clock.", **_HOUR)
    ends = serializers.IntegerField(default=6, help_text="Hour on the wall's clock.", **_HOUR)


class DwellFilter(Filter):
    limit = serializers.FloatField(default=120.0, min_value=0, help_text="What is longer is counted, in seconds.")


class TravelFilter(Filter):
    start = serializers.IntegerField(help_text="The camera they came from.")
    end = serializers.IntegerField(help_text="The camera they went to.")


class OccupancyFilter(Filter):
    steps = serializers.IntegerField(default=96, min_value=1, max_value=2000)


class HeatFilter(Filter):
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), required=False, help_text="0 is Monday."
    )
    hours = serializers.ListField(child=serializers.IntegerField(**_HOUR), required=False)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if ("camera" in values) == ("plan" in values):
            raise serializers.ValidationError({"camera": ["Heat is of one camera's picture or of one plan. Name one."]})
        return super().validate(values)


class LoiteringFilter(Filter):
    limit = serializers.FloatField(default=300.0, min_value=0, help_text="In seconds.")
    gap = serializers.FloatField(default=60.0, min_value=0, max_value=3600, help_text="In seconds.")


class ReturnFilter(Filter):
    within = serializers.FloatField(required=False, min_value=1, help_text="In seconds.")
    gap = serializers.FloatField(default=60.0, min_value=0, max_value=3600, help_text="In seconds.")


class UnusualFilter(Filter):
    weeks = serializers.IntegerField(default=8, min_value=FEWEST_WEEKS, max_value=MOST_WEEKS)
    level = serializers.FloatField(default=0.05, min_value=0.0001, max_value=0.5)


class NextFilter(serializers.Serializer[Any]):
    camera = serializers.IntegerField(help_text="The camera that saw them last.")
    identity = serializers.IntegerField(required=False, help_text="Whose own habits count as well.")
    at = serializers.DateTimeField(required=False, help_text="When that was; now, where nothing is said.")


# --- What is shown ---------------------------------------------------------------------------------------------------


def _ints() -> serializers.ListField:
    return serializers.ListField(child=serializers.IntegerField())


def _floats() -> serializers.ListField:
    return serializers.ListField(child=serializers.FloatField())


class BasisSerializer(serializers.Serializer[Any]):
    """What a figure means and what it rests on."""

    definition = serializers.CharField()
    sightings = serializers.IntegerField(help_text="Of so many it was made.")
    since = serializers.DateTimeField(help_text="From here on sightings were looked at.")
    until = serializers.DateTimeField()
    computed_at = serializers.DateTimeField(help_text="Of sums: when they were last brought up to date.")
    waiting = serializers.IntegerField(help_text="Quarters of an hour that are to be summed up anew.")
    is_cut = serializers.BooleanField(help_text="There were more sightings than are looked at: only the newest were.")


class FigureSerializer(serializers.Serializer[Any]):
    basis = BasisSerializer()


class BinnedSerializer(FigureSerializer):
    edges = serializers.SerializerMethodField(help_text="Where bins begin, in seconds; the last one has no end.")
    counts = _ints()

    def get_edges(self, figure: Any) -> list[float]:
        return list(figure.edges[:-1])


class WeekHoursSerializer(FigureSerializer):
    counts = serializers.ListField(child=_ints(), help_text="7 rows, Monday first, of 24 hours.")
    hours = serializers.ListField(child=_floats(), help_text="How many such hours the period held.")


class TimelineSerializer(FigureSerializer):
    starts = serializers.ListField(child=serializers.DateTimeField())
    sightings = _ints()
    known = _ints()
    unknown = _ints()
    identities = _ints()
    presence = _floats()


class CameraNightsSerializer(serializers.Serializer[Any]):
    camera = serializers.IntegerField()
    name = serializers.CharField()
    night = serializers.IntegerField()
    sightings = serializers.IntegerField()


class NightsSerializer(FigureSerializer):
    begins = serializers.IntegerField()
    ends = serializers.IntegerField()
    night = serializers.IntegerField()
    sightings = serializers.IntegerField()
    cameras = CameraNightsSerializer(many=True)


class CameraDwellSerializer(serializers.Serializer[Any]):
    camera = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    sightings = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True)
    quantiles = _floats()
    longer = serializers.IntegerField()


class DwellSerializer(BinnedSerializer):
    shares = _floats()
    limit = serializers.FloatField()
    total = CameraDwellSerializer()
    cameras = CameraDwellSerializer(many=True)


class LegSerializer(serializers.Serializer[Any]):
    start = serializers.IntegerField()
    start_name = serializers.CharField()
    end = serializers.IntegerField()
    end_name = serializers.CharField()
    count = serializers.IntegerField()
    share = serializers.FloatField()
    at_once = serializers.IntegerField()
    recognised = serializers.IntegerField()
    hand = serializers.IntegerField()
    linked = serializers.IntegerField()
    quantiles = _floats()


class TransitionsSerializer(FigureSerializer):
    shares = _floats()
    limit = serializers.FloatField()
    cameras = serializers.SerializerMethodField(help_text="The rows and columns of the matrix.")
    counts = serializers.ListField(child=_ints())
    departures = _ints()
    leaves = _ints()
    legs = LegSerializer(many=True)

    def get_cameras(self, figure: Any) -> list[int]:
        return [spot.id for spot in figure.spots]


class TravelSerializer(BinnedSerializer):
    leg = LegSerializer()


class NextSerializer(serializers.Serializer[Any]):
    camera = serializers.IntegerField(allow_null=True, help_text="Null: they leave.")
    name = serializers.CharField()
    likelihood = serializers.FloatField()
    own = serializers.IntegerField()
    everybody = serializers.IntegerField()
    seconds = serializers.FloatField(allow_null=True)


class NextFigureSerializer(FigureSerializer):
    own = serializers.IntegerField()
    everybody = serializers.IntegerField()
    outcomes = NextSerializer(many=True)


class PlanSpotSerializer(serializers.Serializer[Any]):
    camera = serializers.IntegerField(source="spot.id")
    name = serializers.CharField(source="spot.name")
    x = serializers.FloatField(source="spot.x")
    y = serializers.FloatField(source="spot.y")
    sightings = serializers.IntegerField()
    seconds = serializers.FloatField()
    share = serializers.FloatField()


class HeatSerializer(FigureSerializer):
    """Of a picture `seconds`, of a plan `spots`."""

    seconds = serializers.ListField(
        child=_floats(), required=False, help_text="9 rows from the top, of 16 parts of the picture each."
    )
    spots = PlanSpotSerializer(many=True, required=False)


class OccupancySerializer(FigureSerializer):
    starts = serializers.ListField(child=serializers.DateTimeField())
    step = serializers.FloatField()
    most = _ints()
    mean = _floats()
    peak = serializers.IntegerField()
    peak_at = serializers.DateTimeField(allow_null=True)


class VisitSerializer(serializers.Serializer[Any]):
    identity = serializers.IntegerField(allow_null=True)
    camera = serializers.IntegerField()
    name = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    sightings = serializers.IntegerField()
    seconds = serializers.FloatField()


class PeopleSerializer(FigureSerializer):
    withheld = serializers.IntegerField(help_text="Rows that are not shown, because a match is only a lead.")


class LoiteringSerializer(PeopleSerializer):
    limit = serializers.FloatField()
    gap = serializers.FloatField()
    visits = serializers.IntegerField()
    count = serializers.IntegerField()
    rows = VisitSerializer(many=True)


class RevisitSerializer(serializers.Serializer[Any]):
    identity = serializers.IntegerField()
    camera = serializers.IntegerField()
    name = serializers.CharField()
    visits = serializers.IntegerField()
    returns = serializers.IntegerField()
    first = serializers.DateTimeField()
    last = serializers.DateTimeField()


class RevisitsSerializer(PeopleSerializer):
    within = serializers.FloatField()
    people = serializers.IntegerField()
    returned = serializers.IntegerField()
    rows = RevisitSerializer(many=True)


class ToAndFroSerializer(serializers.Serializer[Any]):
    identity = serializers.IntegerField()
    first = serializers.IntegerField()
    first_name = serializers.CharField()
    second = serializers.IntegerField()
    second_name = serializers.CharField()
    times = serializers.IntegerField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()


class BackAndForthSerializer(PeopleSerializer):
    within = serializers.FloatField()
    rows = ToAndFroSerializer(many=True)


class UnusualHourSerializer(serializers.Serializer[Any]):
    camera = serializers.IntegerField()
    name = serializers.CharField()
    start = serializers.DateTimeField()
    count = serializers.IntegerField()
    expected = serializers.FloatField()
    weeks = serializers.IntegerField()
    p = serializers.FloatField()
    q = serializers.FloatField()


class UnusualHoursSerializer(FigureSerializer):
    weeks = serializers.IntegerField()
    level = serializers.FloatField()
    tested = serializers.IntegerField()
    untested = serializers.IntegerField()
    rows = UnusualHourSerializer(many=True)


class UnusualVisitSerializer(serializers.Serializer[Any]):
    identity = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[(kind.value, kind.label) for kind in Oddity])
    camera = serializers.IntegerField()
    name = serializers.CharField()
    at = serializers.DateTimeField()
    before = serializers.IntegerField()


class UnusualVisitsSerializer(PeopleSerializer):
    people = serializers.IntegerField()
    of = serializers.IntegerField()
    rows = UnusualVisitSerializer(many=True)
