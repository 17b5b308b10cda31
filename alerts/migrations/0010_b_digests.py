"""Deliveries that went as one message stay one message, whatever is tried again."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0009_f_reviews")]
    operations = [
        migrations.AddField(
            model_name="delivery",
            name="digest",
            field=models.UUIDField(
                help_text="The message it went into with others, once that was tried: the key of that message.",
                null=True,
            ),
        ),
    ]
