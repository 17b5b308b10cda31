"""Users for tests: plain ones, and one for each role."""

# factory_boy says that it is typed, but most of its functions are not.
# mypy: disable-error-code="attr-defined,no-untyped-call,untyped-decorator"

from __future__ import annotations

from typing import Any

import factory
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from accounts.roles import Role, ensure_roles


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A user who may sign in and, without a role, may see nothing. `role=Role.VIEWER` gives one."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    password = factory.django.Password("a-long-password")

    @factory.post_generation
    def role(self: User, create: bool, extracted: Role | None, **kwargs: Any) -> None:
        if create and extracted is not None:
            if not Group.objects.filter(name=extracted.value, permissions__isnull=False).exists():
                ensure_roles()  # a transactional test before this one emptied the tables
            self.groups.add(Group.objects.get(name=extracted.value))


def sign_in(client: Client, role: Role | None) -> User:
    """Signs the client in as a new user with this role."""
    user = UserFactory.create(role=role)
    client.force_login(user)
    return user
