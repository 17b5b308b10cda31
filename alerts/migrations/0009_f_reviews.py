"""Reviews that were settled may be given anew; alerts are found by their time; a lock is taken before rows are; and the
key of an alert's attachments goes with the alert."""

from __future__ import annotations

from django.db import migrations, models

# Whoever writes alerts takes the lock of their numbers before the first row, never after: two who write the same rows
# in another order can not wait for each other.
LOCK_FIRST = """
CREATE FUNCTION alerts_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1280921089); -- that of alerts_number
    RETURN NULL;
END $$;
CREATE TRIGGER lock_first BEFORE INSERT OR UPDATE OR DELETE ON alerts_alert
    FOR EACH STATEMENT EXECUTE FUNCTION alerts_lock();
"""
NO_LOCK = "DROP TRIGGER lock_first ON alerts_alert; DROP FUNCTION alerts_lock();"

SHRED = """
CREATE FUNCTION alerts_shred() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM accounts_datakey WHERE scope = 'alert:' || OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER shred_attachments AFTER DELETE ON alerts_alert FOR EACH ROW EXECUTE FUNCTION alerts_shred();
"""
NO_SHRED = "DROP TRIGGER shred_attachments ON alerts_alert; DROP FUNCTION alerts_shred();"


class Migration(migrations.Migration):
    dependencies = [("alerts", "0008_repeats"), ("accounts", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="review",
            name="settled",
            field=models.BooleanField(
                default=False,
                help_text="The alert was decided since: it may be seen, and counts no more when that is undone.",
            ),
        ),
        migrations.RemoveConstraint(model_name="review", name="one_review_a_person"),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.UniqueConstraint(
                fields=["alert", "reviewer"],
                name="one_open_review_a_person",
                condition=models.Q(settled=False),
            ),
        ),
        migrations.AddIndex(model_name="alert", index=models.Index(fields=["captured_at"], name="alerts_by_time")),
        migrations.RunSQL(LOCK_FIRST, NO_LOCK),
        migrations.RunSQL(SHRED, NO_SHRED),
    ]
