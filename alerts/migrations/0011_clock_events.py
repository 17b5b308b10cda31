"""That a clock is wrong is camera trouble, too: the rule that was given for it gets it, where nobody has changed it."""

from __future__ import annotations

from django.db import migrations, models

BEFORE = ["down", "frozen", "black", "covered"]


def widen(apps, schema_editor):
    Rule = apps.get_model("alerts", "Rule")
    Rule.objects.filter(trigger="camera", event_kinds=BEFORE).update(event_kinds=[*BEFORE, "clock"])


def narrow(apps, schema_editor):
    Rule = apps.get_model("alerts", "Rule")
    for rule in Rule.objects.filter(trigger="camera", event_kinds__contains="clock"):
        rule.event_kinds = [kind for kind in rule.event_kinds if kind != "clock"]
        rule.save(update_fields=["event_kinds"])


class Migration(migrations.Migration):
    dependencies = [("alerts", "0010_b_digests"), ("cameras", "0010_following")]
    operations = [
        migrations.AlterField(
            model_name="rule",
            name="event_kinds",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Of down, frozen, black, covered, defocused, moved, clock; none: all of them.",
            ),
        ),
        migrations.RunPython(widen, narrow),
    ]
