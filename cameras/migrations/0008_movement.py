"""Sums from which pages about movement are drawn."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cameras", "0007_identities")]
    operations = [
        migrations.CreateModel(
            name="DirtySlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.DateTimeField()),
            ],
            options={"ordering": ["start", "id"]},
        ),
        migrations.CreateModel(
            name="SumsState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "settled",
                    models.DateTimeField(help_text="Slots before it change only where they are marked as dirty."),
                ),
                ("looked_back_at", models.DateTimeField(help_text="When the last days were summed up anew.")),
                ("summed_at", models.DateTimeField(help_text="When the sums were last up to date.")),
            ],
        ),
        migrations.CreateModel(
            name="CameraDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(help_text="In UTC.")),
                ("counts", models.BinaryField(help_text="Sightings, people and presence by slot.")),
                ("dwells", models.BinaryField(help_text="How many were in view how long, by slot.")),
                ("dwells_day", models.BinaryField(help_text="The same for the whole day.")),
                (
                    "arrivals",
                    models.BinaryField(help_text="Who came to this camera, from which, how fast, by slot."),
                ),
                ("arrivals_day", models.BinaryField(help_text="The same for the whole day.")),
                (
                    "heat",
                    models.BinaryField(help_text="Where in the picture faces were, by slot; empty: nowhere."),
                ),
                (
                    "camera",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="days",
                        to="cameras.camera",
                    ),
                ),
            ],
            options={
                "ordering": ["day", "camera_id"],
                "indexes": [models.Index(fields=["camera", "day"], name="days_of_a_camera")],
                "constraints": [
                    models.UniqueConstraint(fields=("day", "camera"), name="one_row_a_camera_and_day"),
                ],
            },
        ),
    ]
