"""The alerts room: who must be told?"""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AlertsConfig(AppConfig):
    name = "alerts"
    verbose_name = "Alerts"

    def ready(self) -> None:
        from alerts import receivers, reviews  # noqa: F401  (connects: rules, merged people, cameras)
        from alerts.channels import email, guard
        from cameras import release

        guard.network()  # a wrong setting stops the start
        email.check_settings()
        release.hold_back(reviews.of_leads)
        from alerts.services import give_camera_rules

        post_migrate.connect(give_camera_rules, sender=self, dispatch_uid="alerts.camera_rules")
