"""Who of many that are connected may still be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.standing import Close, Standing, standings
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
SEE, CHANGE = "alerts.view_alert", "alerts.change_alert"


def session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return str(client.session.session_key)


def test_everybody_is_told_what_they_may() -> None:
    viewer, operator, root = (
        UserFactory.create(role=Role.VIEWER),
        UserFactory.create(role=Role.OPERATOR),
        UserFactory.create(is_superuser=True),
    )
    keys = {user: session(user) for user in (viewer, operator, root)}
    found = standings(keys.values(), needed=SEE, asked=[CHANGE])
    assert found[keys[viewer]] == Standing(user=viewer.pk, permissions=frozenset({SEE}))
    assert found[keys[operator]] == Standing(user=operator.pk, permissions=frozenset({SEE, CHANGE}))
    assert found[keys[root]] == Standing(user=root.pk, permissions=frozenset({SEE, CHANGE}))


def test_who_may_not_any_more_is_told_why() -> None:
    keys = {name: session(UserFactory.create(username=name, role=Role.VIEWER)) for name in ("a", "b", "c", "d", "e")}
    keys["nobody"], keys["never"], keys["without"] = "", "x" * 32, session(UserFactory.create())
    assert isinstance(standings([keys["a"]], needed=SEE)[keys["a"]], Standing)
    User.objects.filter(username="a").update(is_active=False)
    changed = User.objects.get(username="b")
    changed.set_password("another-long-password")
    changed.save()
    Session.objects.filter(session_key=keys["c"]).update(expire_date=timezone.now() - timedelta(seconds=1))
    Session.objects.filter(session_key=keys["d"]).delete()
    User.objects.get(username="e").groups.clear()
    found = standings(keys.values(), needed=SEE)
    signed_out = {name for name, key in keys.items() if found[key] is Close.SIGNED_OUT}
    assert signed_out == {"a", "b", "c", "d", "nobody", "never"}
    assert {name for name, key in keys.items() if found[key] is Close.NOT_ALLOWED} == {"e", "without"}


def test_many_are_as_few_queries_as_one() -> None:
    keys = [session(UserFactory.create(role=Role.VIEWER)) for _ in range(8)]
    with CaptureQueriesContext(connection) as one:
        standings(keys[:1], needed=SEE, asked=[CHANGE])
    with CaptureQueriesContext(connection) as many:
        standings(keys, needed=SEE, asked=[CHANGE])
    assert len(many) == len(one) == 4
