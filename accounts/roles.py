"""The roles that Lynceus knows, as Django groups with permissions.

Viewers look. Operators also deal with alerts, enrol people and search by photo. Reviewers are operators who may confirm
matches as one of two, once their training is on record. Administrators do everything, cameras and watchlists included.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

_LOOK = [
    "recognition.view_person",
    "recognition.view_watchlist",
    "cameras.view_camera",
    "cameras.view_sighting",
    "alerts.view_alert",
]
_OPERATE = [
    *_LOOK,
    "recognition.add_person",
    "recognition.change_person",
    "recognition.delete_person",
    "recognition.identify_person",
    "cameras.change_identity",
    "cameras.export_identity",
    "cameras.follow_identity",
    "cameras.view_route",
    "alerts.change_alert",
    "alerts.export_alert",
    "alerts.view_rule",
    "cameras.view_zone",
    "cameras.view_siteplan",
    "cameras.view_cameragroup",
]
_REVIEW = [*_OPERATE, "alerts.review_alert"]
_ADMINISTER = [
    *_REVIEW,
    *(
        f"recognition.{verb}_{model}"
        for verb in ("add", "change", "delete")
        for model in ("watchlist", "watchlistentry")
    ),
    "recognition.view_watchlistentry",
    "recognition.view_packinuse",
    "recognition.change_packinuse",
    *(f"cameras.{verb}_camera" for verb in ("add", "change", "delete")),
    "cameras.view_cameraevent",
    "cameras.delete_photosearch",
    *(
        f"cameras.{verb}_{model}"
        for verb in ("add", "change", "delete")
        for model in ("zone", "siteplan", "cameragroup", "route")
    ),
    *(
        f"alerts.{verb}_{model}"
        for verb in ("view", "add", "change", "delete")
        for model in ("rule", "rota", "endpoint", "training")
    ),
    *(f"alerts.{verb}_{model}" for verb in ("view", "change") for model in ("listpolicy", "messagetemplate")),
    "alerts.change_delivery",
    "alerts.view_delivery",
    "accounts.view_auditevent",
    *(f"accounts.{verb}_apikey" for verb in ("view", "add", "delete")),
]


class Role(StrEnum):
    VIEWER = "Viewers"
    OPERATOR = "Operators"
    REVIEWER = "Reviewers"
    ADMINISTRATOR = "Administrators"


PERMISSIONS: dict[Role, Iterable[str]] = {
    Role.VIEWER: _LOOK,
    Role.OPERATOR: _OPERATE,
    Role.REVIEWER: _REVIEW,
    Role.ADMINISTRATOR: _ADMINISTER,
}


def ensure_roles(**kwargs: Any) -> None:
    """Creates the groups and gives them exactly their permissions, as far as these exist yet (post_migrate)."""
    from django.contrib.auth.models import Group, Permission

    known = {f"{p.content_type.app_label}.{p.codename}": p for p in Permission.objects.select_related("content_type")}
    for role, wanted in PERMISSIONS.items():
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set([known[name] for name in wanted if name in known])
