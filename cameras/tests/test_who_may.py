"""Who may ask for the addresses of identities, history, evidence, search, movement, follows and routes.

They are taken from the site itself, so that an address that is added is asked as well: unless it stands in _LOOKING,
only who may do more than look gets to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.roles import Role
from accounts.tests.clients import key_client
from accounts.tests.factories import sign_in

pytestmark = pytest.mark.django_db

_PACKAGES: Final = ("evidence", "follow", "history", "identities", "movement", "photo_search", "topology")
_LOOKING: Final = re.compile(
    r"/(people/1/|history/|identities/1/|identities/1/corrections/|movement/.*|api/v1/movement/.*"
    r"|api/v1/identities(/1(/sightings|/path)?)?)"
)
_UUID: Final = "01234567-89ab-4cde-8f01-23456789abcd"
_GROUP: Final = re.compile(r"\(\?P<\w+>((?:\[[^]]*\]|[^][()])*)\)")
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def _addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """The addresses of the packages, each with a value for its parts."""
    for one in resolver.url_patterns:
        text = f"{before}{one.pattern}"
        if isinstance(one, URLResolver):
            yield from _addresses(one, text)
        elif isinstance(one, URLPattern) and _is_ours(one):
            yield _filled(text)


def _is_ours(one: URLPattern) -> bool:
    view = getattr(one.callback, "cls", getattr(one.callback, "view_class", one.callback))
    return view.__module__.startswith(tuple(f"cameras.{name}." for name in _PACKAGES))


def _filled(text: str) -> str:
    text = _GROUP.sub(lambda found: _UUID if "{36}" in found[1] else "1", text)
    text = re.sub(r"<uuid:\w+>", _UUID, re.sub(r"<slug:\w+>", "csv", re.sub(r"<int:\w+>", "1", text)))
    return text.replace("^", "").replace("\\Z", "").replace("$", "").replace("\\", "")


ADDRESSES: Final = sorted(set(_addresses(get_resolver())))
PAGES: Final = [one for one in ADDRESSES if not one.startswith("/api/")]
APIS: Final = [one for one in ADDRESSES if one.startswith("/api/")]


def test_all_are_found() -> None:
    assert len(PAGES) >= 35
    assert len(APIS) >= 25
    assert {"/follow/1/start/", f"/search/{_UUID}/cancel/", "/history/export.csv", "/places/routes/1/"} <= set(PAGES)
    assert {f"/api/v1/photo-searches/{_UUID}", "/api/v1/identities/1/export", "/api/v1/routes/1"} <= set(APIS)
    assert not [one for one in ADDRESSES if re.search(r"[<>()\[\]?]", one)]


@pytest.mark.parametrize("address", PAGES)
def test_pages(client: Client, address: str) -> None:
    asked = [getattr(client, method)(address) for method in ("get", "post")]
    assert {answer.status_code for answer in asked} <= {302, 405}
    signing_in = [answer for answer in asked if answer.status_code == 302]
    assert signing_in
    assert all(answer["Location"].startswith("/accounts/login/") for answer in signing_in)
    for role in (None, Role.VIEWER):
        sign_in(client, role)
        found = {method: getattr(client, method)(address).status_code for method in ("get", "post")}
        if role is not None and _LOOKING.fullmatch(address):
            assert found.pop("get") in {200, 404}
            assert found == {"post": 405}
        else:
            assert 403 in found.values()
            assert set(found.values()) <= {403, 405}


@pytest.mark.parametrize("address", APIS)
def test_api(address: str) -> None:
    nobody = Client()
    assert {getattr(nobody, method)(address).status_code for method in _METHODS} == {401}
    for role in (None, Role.VIEWER):
        program = key_client(role)
        found = {method: getattr(program, method)(address).status_code for method in _METHODS}
        if role is not None and _LOOKING.fullmatch(address):
            assert found.pop("get") in {200, 400, 404}
        assert set(found.values()) <= {403, 405}, found
        assert found.get("get") != 200
