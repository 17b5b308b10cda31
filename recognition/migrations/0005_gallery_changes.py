"""A log of what changes the gallery, written by triggers, so that a process reads what is new and nothing else."""

from typing import NamedTuple

from django.db import migrations, models


class Logged(NamedTuple):
    """What is logged of a table: of which kind, about whom, and which columns make a difference."""

    table: str
    kind: str
    subject: str
    columns: str
    pack: str = "''"


LOGGED = (
    Logged("recognition_template", "template", "id", "id, person_id, pack, sealed", pack="pack"),
    Logged("recognition_person", "person", "id", "id, name"),
    Logged("recognition_watchlistentry", "entry", "person_id", "person_id, watchlist_id, expires_at"),
    Logged("recognition_watchlist", "watchlist", "id", "id, threshold, threshold_pack, is_active"),
)
MOST = 5000  # rows; a statement that changes more is one row that says so

# The gallery's row of an emptied table is made anew, at a revision that no process can know; the log begins there.
REVISION = """
CREATE OR REPLACE FUNCTION recognition_raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recognition_galleryrevision SET revision = revision + 1;
    IF NOT FOUND THEN
        INSERT INTO recognition_galleryrevision (revision, log_after)
        SELECT now_ms, now_ms FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms) AS clock;
    END IF;
    RETURN NULL;
END $$;
"""
REVISION_BEFORE = """
CREATE OR REPLACE FUNCTION recognition_raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recognition_galleryrevision SET revision = revision + 1;
    IF NOT FOUND THEN -- the tables were emptied
        INSERT INTO recognition_galleryrevision (revision) VALUES (extract(epoch FROM clock_timestamp()) * 1000);
    END IF;
    RETURN NULL;
END $$;
"""
# Snapshots that are older than this migration know of no log.
BEGIN = "UPDATE recognition_galleryrevision SET log_after = revision;"


def changed(logged, rows):
    """Writes a row for each subject of these rows."""
    return f"""
        WITH changed AS (
            SELECT DISTINCT {logged.pack} AS pack, {logged.subject} AS subject FROM ({rows}) AS difference
        ), few AS (
            SELECT count(*) <= {MOST} AS are_few FROM changed
        )
        INSERT INTO recognition_gallerychange (revision, kind, pack, subject)
        SELECT DISTINCT at_revision, '{logged.kind}', pack, CASE WHEN are_few THEN subject END FROM changed, few;
    """  # noqa: S608 (the names above)


def function(logged):
    """The trigger's function.

    `raise_revision`, which comes first because triggers run in the order of their names, has locked the only row of
    revisions until the end of the transaction: transactions that change the gallery commit in the order of their
    revisions. Who sees a revision therefore sees the log up to it, and nothing older is ever added.
    """
    before, after = (f"SELECT {logged.columns} FROM {rows}" for rows in ("rows_before", "rows_after"))  # noqa: S608
    difference = f"({before} EXCEPT {after}) UNION ALL ({after} EXCEPT {before})"
    return f"""
CREATE FUNCTION {logged.table}_log() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at_revision bigint := (SELECT revision FROM recognition_galleryrevision ORDER BY id LIMIT 1);
BEGIN
    IF TG_OP = 'INSERT' THEN {changed(logged, after)}
    ELSIF TG_OP = 'DELETE' THEN {changed(logged, before)}
    ELSIF TG_OP = 'UPDATE' THEN {changed(logged, difference)}
    ELSE
        INSERT INTO recognition_gallerychange (revision, kind, pack, subject)
        VALUES (at_revision, '{logged.kind}', '', NULL);
    END IF;
    RETURN NULL;
END $$;
"""  # noqa: S608


def triggers(logged):
    """One for each kind of statement: a trigger with transition tables can have only one."""
    before, after = "OLD TABLE AS rows_before", "NEW TABLE AS rows_after"
    tables = {"INSERT": after, "UPDATE": f"{before} {after}", "DELETE": before, "TRUNCATE": ""}
    return "".join(
        f"CREATE TRIGGER record_{event.lower()} AFTER {event} ON {logged.table}"
        f" {'REFERENCING ' + seen if seen else ''} FOR EACH STATEMENT EXECUTE FUNCTION {logged.table}_log();\n"
        for event, seen in tables.items()
    )


class Migration(migrations.Migration):
    dependencies = [("recognition", "0004_enrolment")]
    operations = [
        migrations.CreateModel(
            name="GalleryChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.BigIntegerField(db_index=True)),
                ("kind", models.CharField(max_length=10)),
                ("pack", models.CharField(max_length=80)),
                ("subject", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="galleryrevision",
            name="log_after",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="watchlistentry",
            index=models.Index(
                models.F("expires_at"), condition=models.Q(("expires_at__isnull", False)), name="entry_is_over"
            ),
        ),
        migrations.RunSQL(REVISION + BEGIN, REVISION_BEFORE),
        *(
            migrations.RunSQL(function(one) + triggers(one), f"DROP FUNCTION {one.table}_log() CASCADE;")
            for one in LOGGED
        ),
    ]
