"""Alerts for tests."""

# factory_boy says that it is typed, but most of its functions are not.
# mypy: disable-error-code="attr-defined,no-untyped-call,untyped-decorator"

from __future__ import annotations

import factory

from alerts.models import Alert, Rule, Severity
from alerts.services import give_rule
from cameras.tests.factories import SightingFactory
from recognition.tests.factories import WatchlistFactory


def rule() -> Rule:
    """The rule of a new watchlist."""
    return give_rule(watchlist=WatchlistFactory.create())


class AlertFactory(factory.django.DjangoModelFactory[Alert]):
    """A new alert of a sighting, by the rule of a watchlist."""

    class Meta:
        model = Alert

    sighting = factory.SubFactory(SightingFactory)
    rule = factory.LazyFunction(rule)
    camera = factory.SelfAttribute("sighting.camera")
    person = factory.SelfAttribute("sighting.person")
    watchlist = factory.LazyAttribute(lambda o: o.rule.own_list)
    watchlist_name = factory.LazyAttribute(lambda o: o.rule.own_list.name)
    person_name = factory.LazyAttribute(lambda o: o.person.name if o.person else "Somebody")
    camera_name = factory.SelfAttribute("sighting.camera_name")
    severity = Severity.HIGH
    similarity = factory.SelfAttribute("sighting.similarity")
    threshold = factory.SelfAttribute("sighting.threshold")
    captured_at = factory.SelfAttribute("sighting.first_seen")
