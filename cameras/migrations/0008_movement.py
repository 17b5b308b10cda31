"""Sums from which pages about movement are drawn."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cameras", "0007_identities")]
    operations: list[migrations.operations.base.Operation] = []
