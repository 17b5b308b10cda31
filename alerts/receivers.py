"""Every watchlist has an alert rule from the moment it exists, however it was made."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from alerts import services
from recognition.models import Watchlist


@receiver(post_save, sender=Watchlist, dispatch_uid="alerts.rule")
def give_rule(instance: Watchlist, created: bool, raw: bool = False, **kwargs: Any) -> None:
    if created and not raw:
        services.give_rule(watchlist=instance)
