"""What was there before gets its place among rules of all kinds."""

from __future__ import annotations

from django.db import migrations


CAMERA_RULES = (
    ("Camera trouble", "high", ["down", "frozen", "black", "covered"]),
    ("Camera view changed", "medium", ["defocused", "moved"]),
)


def carry_over(apps, schema_editor):
    """Rules keep their one watchlist, alerts the name of their rule, and camera troubles get a rule of their own."""
    Rule, Alert = apps.get_model("alerts", "Rule"), apps.get_model("alerts", "Alert")
    Policy = apps.get_model("alerts", "ListPolicy")
    for watchlist in apps.get_model("recognition", "Watchlist").objects.all():
        Policy.objects.get_or_create(watchlist=watchlist)
    for rule in Rule.objects.exclude(own_list=None):
        rule.watchlists.add(rule.own_list_id)
        Alert.objects.filter(rule=rule).update(rule_name=rule.name, watchlist=rule.own_list_id)
    for name, severity, kinds in CAMERA_RULES:
        made = Rule.objects.create(
            name=name, trigger="camera", who="anybody", severity=severity, cooldown_seconds=0, event_kinds=kinds
        )
        Alert.objects.filter(event__kind__in=kinds).update(rule=made, rule_name=name, trigger="camera")


class Migration(migrations.Migration):
    dependencies = [("alerts", "0006_triggers")]
    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
