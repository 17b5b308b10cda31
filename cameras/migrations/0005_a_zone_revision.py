"""Every change of zones raises their revision, in the transaction that makes it."""

from __future__ import annotations

from django.db import migrations, models

RAISE = """
CREATE FUNCTION cameras_raise_zone_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cameras_zonerevision SET revision = revision + 1;
    IF NOT FOUND THEN -- the tables were emptied
        INSERT INTO cameras_zonerevision (revision) VALUES (extract(epoch FROM clock_timestamp()) * 1000);
    END IF;
    RETURN NULL;
END $$;
INSERT INTO cameras_zonerevision (revision) VALUES (1);
CREATE TRIGGER raise_zone_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cameras_zone
    FOR EACH STATEMENT EXECUTE FUNCTION cameras_raise_zone_revision();
"""
UNRAISE = """
DROP TRIGGER raise_zone_revision ON cameras_zone;
DROP FUNCTION cameras_raise_zone_revision();
DELETE FROM cameras_zonerevision;
"""


class Migration(migrations.Migration):
    dependencies = [("cameras", "0004_places")]
    operations = [
        migrations.CreateModel(
            name="ZoneRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunSQL(RAISE, UNRAISE),
    ]
