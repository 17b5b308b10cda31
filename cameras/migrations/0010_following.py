"""Whom operators follow, and how far the clocks of workers are off."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cameras", "0009_photo_searches")]
    operations: list[migrations.operations.base.Operation] = []
