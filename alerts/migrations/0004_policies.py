"""Rules get a name and may be about more than one watchlist; deliveries begin anew as an outbox of many channels."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


def name_rules(apps, schema_editor):
    for rule in apps.get_model("alerts", "Rule").objects.select_related("own_list"):
        rule.name = rule.own_list.name
        rule.save(update_fields=["name"])


class Migration(migrations.Migration):
    dependencies = [("alerts", "0003_watching"), ("cameras", "0004_places")]
    operations = [
        migrations.DeleteModel("Delivery"),
        migrations.RenameField("rule", "watchlist", "own_list"),
        migrations.AlterField(
            "rule",
            "own_list",
            models.OneToOneField(
                blank=True,
                editable=False,
                help_text="The watchlist that it was made with: it goes when that goes.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rule",
                to="recognition.watchlist",
            ),
        ),
        migrations.AddField("rule", "name", models.CharField(default="", max_length=200), preserve_default=False),
        migrations.RunPython(name_rules, migrations.RunPython.noop),
        migrations.AlterField("rule", "name", models.CharField(max_length=200, unique=True)),
    ]
