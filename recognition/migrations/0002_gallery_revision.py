"""Triggers that raise the gallery's revision in the transaction of every change, whoever makes it."""

from django.db import migrations

TABLES = ("recognition_person", "recognition_template", "recognition_watchlist", "recognition_watchlistentry")

FUNCTION = """
CREATE FUNCTION recognition_raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recognition_galleryrevision SET revision = revision + 1;
    IF NOT FOUND THEN -- the tables were emptied
        INSERT INTO recognition_galleryrevision (revision) VALUES (extract(epoch FROM clock_timestamp()) * 1000);
    END IF;
    RETURN NULL;
END $$;
INSERT INTO recognition_galleryrevision (revision) VALUES (1);
"""


class Migration(migrations.Migration):
    dependencies = [("recognition", "0001_initial")]
    operations = [
        migrations.RunSQL(
            FUNCTION, "DROP FUNCTION recognition_raise_revision(); DELETE FROM recognition_galleryrevision;"
        ),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER raise_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION recognition_raise_revision();",
                f"DROP TRIGGER raise_revision ON {table};",
            )
            for table in TABLES
        ),
    ]
