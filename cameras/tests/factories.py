"""Cameras and sightings for tests, sealed as in life."""

# factory_boy says that it is typed, but most of its functions are not.
# mypy: disable-error-code="attr-defined,no-untyped-call,untyped-decorator"

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import factory

from accounts import vault
from cameras.models import (
    CAMERA_SCOPE,
    Camera,
    CameraGroup,
    CameraLease,
    Ground,
    Shape,
    Sighting,
    SitePlan,
    Verdict,
    Zone,
    shot_scope,
)
from cameras.services import shot_bind
from cameras.sources import parse_source
from recognition.tests.factories import PACK, PersonFactory, picture

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


class CameraFactory(factory.django.DjangoModelFactory[Camera]):
    """A camera that nobody runs, with its free lease. `source=` may hold a password: it is sealed."""

    class Meta:
        model = Camera
        skip_postgeneration_save = True

    class Params:
        source = "rtsp://viewer:secret-word@camera.example/stream1"

    name = factory.Sequence(lambda n: f"Camera {n}")
    latitude = 52.52
    longitude = 13.405
    address = factory.LazyAttribute(lambda o: parse_source(o.source).shown)
    sealed_source = factory.LazyAttribute(lambda o: vault.seal(CAMERA_SCOPE, o.source.encode(), bind="source"))
    lease = factory.RelatedFactory("cameras.tests.factories.CameraLeaseFactory", factory_related_name="camera")


class CameraLeaseFactory(factory.django.DjangoModelFactory[CameraLease]):
    class Meta:
        model = CameraLease

    camera = factory.SubFactory(CameraFactory, lease=None)


class SightingFactory(factory.django.DjangoModelFactory[Sighting]):
    """A closed sighting of a known person, with a best shot; each one a minute after the one before."""

    class Meta:
        model = Sighting

    id = factory.LazyFunction(uuid.uuid4)
    camera = factory.SubFactory(CameraFactory)
    camera_name = factory.LazyAttribute(lambda o: o.camera.name if o.camera else "A removed camera")
    latitude = factory.LazyAttribute(lambda o: o.camera.latitude if o.camera else None)
    longitude = factory.LazyAttribute(lambda o: o.camera.longitude if o.camera else None)
    track = factory.Sequence(lambda n: n)
    first_seen = factory.Sequence(lambda n: NOON + timedelta(minutes=n))
    last_seen = factory.LazyAttribute(lambda o: o.first_seen + timedelta(seconds=8))
    frames = 40
    is_open = False
    verdict = Verdict.KNOWN
    person = factory.SubFactory(PersonFactory)
    similarity = 0.93
    threshold = 0.86
    pack = PACK
    quality = 0.7
    shot_day = factory.LazyAttribute(lambda o: o.first_seen.date())
    sealed_shot = factory.LazyAttribute(
        lambda o: vault.seal(shot_scope(o.shot_day), picture(o.track), bind=shot_bind(o.id))
    )


class ZoneFactory(factory.django.DjangoModelFactory[Zone]):
    """An area in a camera's picture."""

    class Meta:
        model = Zone

    name = factory.Sequence(lambda n: f"Zone {n}")
    ground = Ground.PICTURE
    camera = factory.SubFactory(CameraFactory)
    shape = Shape.POLYGON
    points = factory.LazyFunction(lambda: [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]])


class SitePlanFactory(factory.django.DjangoModelFactory[SitePlan]):
    """A small plan."""

    class Meta:
        model = SitePlan

    name = factory.Sequence(lambda n: f"Floor {n}")
    image = factory.LazyFunction(picture)
    media_type = "image/jpeg"
    width = 48
    height = 48


class CameraGroupFactory(factory.django.DjangoModelFactory[CameraGroup]):
    """A group, empty until cameras are added."""

    class Meta:
        model = CameraGroup

    name = factory.Sequence(lambda n: f"Group {n}")
