"""The OpenAPI schema is complete, and its page needs nothing from the network."""

from __future__ import annotations

import io
import re

import pytest
import yaml
from django.core.management import call_command
from django.test import Client

from accounts.roles import Role
from accounts.tests.factories import UserFactory

EXPECTED = {
    "/api/alerts/latest": {"get"},
    "/api/camera/status": {"get"},
    "/api/face/list": {"get"},
    "/api/face/upload": {"post"},
    "/api/v1/alerts": {"get"},
    "/api/v1/alerts/{id}": {"get"},
    "/api/v1/alerts/{id}/acknowledge": {"post"},
    "/api/v1/alerts/{id}/assign": {"post"},
    "/api/v1/alerts/{id}/close": {"post"},
    "/api/v1/alerts/{id}/comment": {"post"},
    "/api/v1/alerts/{id}/confirm": {"post"},
    "/api/v1/alerts/{id}/dismiss": {"post"},
    "/api/v1/alerts/{id}/history": {"get"},
    "/api/v1/alerts/{id}/reopen": {"post"},
    "/api/v1/alerts/{id}/review": {"post"},
    "/api/v1/batches": {"get", "post"},
    "/api/v1/batches/{id}": {"get"},
    "/api/v1/batches/{id}/cancel": {"post"},
    "/api/v1/batches/{id}/photos": {"get"},
    "/api/v1/batches/{id}/report.csv": {"get"},
    "/api/v1/identities": {"get"},
    "/api/v1/identities/{id}": {"get"},
    "/api/v1/identities/{id}/sightings": {"get"},
    "/api/v1/identities/{id}/export": {"post"},
    "/api/v1/history/export": {"post"},
    "/api/v1/cameras": {"get", "post"},
    "/api/v1/cameras/{id}": {"get", "patch", "delete"},
    "/api/v1/cameras/{camera}/events": {"get"},
    "/api/v1/cameras/{camera}/hours": {"get"},
    "/api/v1/cameras/{id}/disable": {"post"},
    "/api/v1/cameras/{id}/enable": {"post"},
    "/api/v1/cameras/{id}/restart": {"post"},
    "/api/v1/cameras/{id}/snapshot": {"get"},
    "/api/v1/zones": {"get", "post"},
    "/api/v1/zones/{id}": {"get", "patch", "delete"},
    "/api/v1/photo-searches": {"get", "post"},
    "/api/v1/photo-searches/{id}": {"get", "delete"},
    "/api/v1/plans": {"get", "post"},
    "/api/v1/plans/{id}": {"get", "patch", "delete"},
    "/api/v1/plans/{id}/image": {"get"},
    "/api/v1/camera-groups": {"get", "post"},
    "/api/v1/camera-groups/{id}": {"get", "patch", "delete"},
    "/api/v1/identify": {"post"},
    "/api/v1/models": {"get"},
    "/api/v1/models/switches/{id}": {"get", "delete"},
    "/api/v1/models/switches/{id}/confirm": {"post"},
    "/api/v1/models/{name}/use": {"post"},
    "/api/v1/people": {"get", "post"},
    "/api/v1/people/duplicates": {"get"},
    "/api/v1/people/{id}": {"get", "patch", "delete"},
    "/api/v1/people/{id}/distinct": {"post"},
    "/api/v1/people/{id}/merge": {"post"},
    "/api/v1/people/{id}/photos": {"post"},
    "/api/v1/people/{id}/portrait": {"get"},
    "/api/v1/people/{person}/sightings": {"get"},
    "/api/v1/rotas": {"get"},
    "/api/v1/rotas/{id}": {"get"},
    "/api/v1/rules": {"get", "post"},
    "/api/v1/rules/preview": {"post"},
    "/api/v1/rules/{id}": {"get", "patch", "delete"},
    "/api/v1/rules/{id}/disable": {"post"},
    "/api/v1/rules/{id}/enable": {"post"},
    "/api/v1/rules/{id}/preview": {"get"},
    "/api/v1/sightings": {"get"},
    "/api/v1/sightings/{id}": {"get"},
    "/api/v1/sightings/{id}/shot": {"get"},
    "/api/v1/watchlists": {"get", "post"},
    "/api/v1/watchlists/{id}": {"get", "patch", "delete"},
    "/api/v1/watchlists/{watchlist}/entries": {"get", "post"},
    "/api/v1/watchlists/{watchlist}/entries/{person}": {"delete"},
    "/api/v1/corrections/{id}/undo": {"post"},
    "/api/v1/identities/proposals": {"get"},
    "/api/v1/identities/proposals/{id}": {"post"},
    "/api/v1/identities/{identity}/corrections": {"get"},
    "/api/v1/identities/{id}/erase": {"post"},
    "/api/v1/identities/{id}/merge": {"post"},
    "/api/v1/identities/{id}/name": {"post"},
    "/api/v1/identities/{id}/split": {"post"},
    "/api/v1/movement/back-and-forth": {"get"},
    "/api/v1/movement/dwell": {"get"},
    "/api/v1/movement/heat": {"get"},
    "/api/v1/movement/loitering": {"get"},
    "/api/v1/movement/next": {"get"},
    "/api/v1/movement/nights": {"get"},
    "/api/v1/movement/occupancy": {"get"},
    "/api/v1/movement/revisits": {"get"},
    "/api/v1/movement/timeline": {"get"},
    "/api/v1/movement/transitions": {"get"},
    "/api/v1/movement/travel": {"get"},
    "/api/v1/movement/unusual": {"get"},
    "/api/v1/movement/unusual-visits": {"get"},
    "/api/v1/movement/visits": {"get"},
    "/api/v1/routes": {"get", "post"},
    "/api/v1/routes/{id}": {"delete", "get", "patch"},
    "/api/v1/sightings/{id}/not-them": {"post"},
    "/api/v1/travel-times": {"get"},
}


@pytest.fixture(scope="module")
def schema() -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """Building it fails at the first warning."""
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    built: dict[str, dict[str, dict[str, dict[str, object]]]] = yaml.safe_load(out.getvalue())
    return built


def test_every_route_is_described(schema: dict[str, dict[str, dict[str, dict[str, object]]]]) -> None:
    assert {path: set(methods) for path, methods in schema["paths"].items()} == EXPECTED


def test_the_login_by_key_is_described(schema: dict[str, dict[str, dict[str, dict[str, object]]]]) -> None:
    assert schema["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


def test_a_source_goes_in_and_does_not_come_out(
    schema: dict[str, dict[str, dict[str, dict[str, object]]]],
) -> None:
    shown = schema["components"]["schemas"]["Camera"]["properties"]
    assert isinstance(shown, dict)
    assert shown["source"]["writeOnly"] is shown["detail"]["writeOnly"] is True


@pytest.mark.django_db
def test_the_page_of_the_api_works_without_the_network() -> None:
    client = Client()
    client.force_login(UserFactory.create(role=Role.VIEWER))
    response = client.get("/api/docs/")

    assert response.status_code == 200
    page = response.content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any("swagger-ui" in address for address in loaded)
    assert all(address.startswith("/") for address in loaded)
    for address in loaded:
        assert client.get(address).status_code == 200, address
    assert client.get("/api/schema/").status_code == 200
