"""What the database itself sees to: alerts are numbered in the order in which their changes commit, removed ones leave
word, and every change of what rules rest on raises their revision."""

from __future__ import annotations

from django.db import migrations

NUMBER = """
CREATE SEQUENCE alerts_revision AS bigint;
CREATE FUNCTION alerts_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1280921089); -- until the commit nobody else gets a number: alerts.services
    IF TG_OP = 'DELETE' THEN
        INSERT INTO alerts_alertremoval (revision, alert, at) VALUES (nextval('alerts_revision'), OLD.id, now());
        RETURN OLD;
    END IF;
    NEW.revision := nextval('alerts_revision');
    RETURN NEW;
END $$;
CREATE TRIGGER number_alert BEFORE INSERT OR UPDATE OR DELETE ON alerts_alert
    FOR EACH ROW EXECUTE FUNCTION alerts_number();
UPDATE alerts_alert SET revision = 0;
"""
UNNUMBER = """
DROP TRIGGER number_alert ON alerts_alert;
DROP FUNCTION alerts_number();
DROP SEQUENCE alerts_revision;
"""

RAISE = """
CREATE FUNCTION alerts_raise_rule_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alerts_rulerevision SET revision = revision + 1;
    IF NOT FOUND THEN -- the tables were emptied
        INSERT INTO alerts_rulerevision (revision) VALUES (extract(epoch FROM clock_timestamp()) * 1000);
    END IF;
    RETURN NULL;
END $$;
INSERT INTO alerts_rulerevision (revision) VALUES (1);
"""
UNRAISE = "DROP FUNCTION alerts_raise_rule_revision(); DELETE FROM alerts_rulerevision;"

TABLES = (
    "alerts_rule",
    "alerts_rule_watchlists",
    "alerts_rule_people",
    "alerts_rule_never_people",
    "alerts_rule_cameras",
    "alerts_rule_groups",
    "alerts_rule_zones",
    "alerts_rule_before_cameras",
    "alerts_rule_before_groups",
    "alerts_rulestep",
    "alerts_listpolicy",
    "cameras_zone",
    "cameras_cameragroup",
    "cameras_cameragroup_cameras",
    "cameras_cameraplace",
)


class Migration(migrations.Migration):
    dependencies = [("alerts", "0005_outbox")]
    operations = [
        migrations.RunSQL(NUMBER, UNNUMBER),
        migrations.RunSQL(RAISE, UNRAISE),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER raise_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION alerts_raise_rule_revision();",
                f"DROP TRIGGER raise_revision ON {table};",
            )
            for table in TABLES
        ),
    ]
