"""Cameras that attach clips to their alerts; off until somebody wants it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cameras", "0005_a_zone_revision")]
    operations = [
        migrations.AddField(
            model_name="camera",
            name="clips",
            field=models.BooleanField(
                default=False,
                help_text="Attach to each alert about somebody the moving picture from 10 s before to 10 s after, "
                "with the faces of others made unrecognisable.",
            ),
        ),
    ]
