"""Searches by photo over past sightings, and what they found."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cameras", "0008_movement")]
    operations: list[migrations.operations.base.Operation] = []
