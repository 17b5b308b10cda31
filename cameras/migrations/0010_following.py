"""Whom operators follow, how wide plans are, and how far the clocks of workers are off."""

from __future__ import annotations

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cameras", "0009_photo_searches"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="siteplan",
            name="metres_wide",
            field=models.FloatField(
                blank=True,
                help_text="So many metres is the site from the plan's left edge to its right one.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.1),
                    django.core.validators.MaxValueValidator(100000.0),
                ],
            ),
        ),
        migrations.AddField(
            model_name="cameralease",
            name="clock_offset",
            field=models.FloatField(
                help_text="By so many seconds the owner's clock is ahead of the database's.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="cameraevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("down", "No pictures"),
                    ("frozen", "The picture stands still"),
                    ("black", "The picture is black"),
                    ("covered", "The view is covered"),
                    ("defocused", "The picture is out of focus"),
                    ("moved", "The camera was moved"),
                    ("clock", "The clock is wrong"),
                ],
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="Follow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                (
                    "identity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="follows", to="cameras.identity"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="follows",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-since", "-id"]},
        ),
        migrations.AddConstraint(
            model_name="follow",
            constraint=models.UniqueConstraint(
                condition=models.Q(("until", None)), fields=("user", "identity"), name="one_open_follow_a_user"
            ),
        ),
    ]
