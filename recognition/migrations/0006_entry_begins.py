"""From when a watchlist entry holds; the log of what changes the gallery notes that too."""

from importlib import import_module

from django.db import migrations, models

_LOG = import_module("recognition.migrations.0005_gallery_changes")
_ENTRIES = next(logged for logged in _LOG.LOGGED if logged.table == "recognition_watchlistentry")
_WITH_BEGIN = _ENTRIES._replace(columns="person_id, watchlist_id, starts_at, expires_at")


def _replace(logged):
    return _LOG.function(logged).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("recognition", "0005_gallery_changes")]
    operations = [
        migrations.AddField(
            model_name="watchlistentry",
            name="starts_at",
            field=models.DateTimeField(blank=True, help_text="Until then the entry has no effect.", null=True),
        ),
        migrations.AddConstraint(
            model_name="watchlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("starts_at__isnull", True),
                    ("expires_at__isnull", True),
                    ("starts_at__lt", models.F("expires_at")),
                    _connector="OR",
                ),
                name="entry_begins_before_it_ends",
                violation_error_message="The entry would be over before it begins. Choose a later end.",
            ),
        ),
        migrations.AddIndex(
            model_name="watchlistentry",
            index=models.Index(
                models.F("starts_at"), condition=models.Q(("starts_at__isnull", False)), name="entry_begins"
            ),
        ),
        migrations.RunSQL(_replace(_WITH_BEGIN), _replace(_ENTRIES)),
    ]
