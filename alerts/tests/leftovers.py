"""Where something of a person may be left: every column of every table, every sealed thing, every file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.db import connection
from psycopg import sql

from accounts import vault
from accounts.models import DataKey
from alerts.attachments import _bind as attachment_bind
from alerts.models import Attachment, NotThisPerson
from cameras.models import Sighting, UnknownTemplate, shot_scope, unknown_bind, unknown_scope
from cameras.services import shot_bind

_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns AS c
JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
"""
_TEXTS = ("text", "character varying", "jsonb", "json", "ARRAY")


def tables_with(text: str) -> set[str]:
    """`table.column` of every column in which the text stands, as text or as bytes."""
    found = set()
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        for table, column, kind in cursor.fetchall():
            if kind in _TEXTS:
                condition = sql.SQL("{}::text ILIKE %s").format(sql.Identifier(column))
                value: str | bytes = f"%{text}%"
            elif kind == "bytea":
                condition = sql.SQL("position(%s::bytea IN {}) > 0").format(sql.Identifier(column))
                value = text.encode()
            else:
                continue
            query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {})").format(sql.Identifier(table), condition)
            cursor.execute(query, [value])
            if cursor.fetchone() == (True,):
                found.add(f"{table}.{column}")
    return found


def tables_pointing_to(pk: int, table: str = "recognition_person") -> set[str]:
    """`table.column` of every foreign key that holds this id of the table."""
    query = """
    SELECT conrelid::regclass::text, attname FROM pg_constraint
    JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE contype = 'f' AND confrelid = %s::regclass
    """
    found = set()
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        for own, column in cursor.fetchall():
            wanted = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {} = %s)")
            cursor.execute(wanted.format(sql.Identifier(own.strip('"')), sql.Identifier(column)), [pk])
            if cursor.fetchone() == (True,):
                found.add(f"{own}.{column}")
    return found


def sealed_things() -> Iterator[tuple[str, bytes]]:
    """Everything sealed that can still be opened, by what it is."""
    for row in Sighting.objects.defer(None).exclude(sealed_shot=None):
        if row.shot_day is not None and row.sealed_shot is not None:
            yield f"shot {row.pk}", vault.unseal(shot_scope(row.shot_day), row.sealed_shot, bind=shot_bind(row.pk))
    for template in UnknownTemplate.objects.defer(None):
        bind = unknown_bind(template.sighting_id, template.pack)
        yield f"template {template.pk}", vault.unseal(unknown_scope(template.seen_at), template.sealed, bind=bind)
    for attached in Attachment.objects.all():
        yield f"attachment {attached.pk}", vault.unseal(attached.scope, attached.sealed, bind=attachment_bind(attached))
    for mistake in NotThisPerson.objects.select_related("person"):
        bind = f"mistake|{mistake.pk}|{mistake.pack}"
        yield f"mistake {mistake.pk}", vault.unseal(mistake.person.scope, mistake.sealed, bind=bind)


def keys() -> set[str]:
    """The scopes of all keys; each of them opens."""
    scopes = set(DataKey.objects.values_list("scope", flat=True))
    for scope in scopes:
        vault.seal(scope, b"x", bind="test")
    return scopes


def files_with(root: Path, texts: Iterable[bytes]) -> set[Path]:
    """Files below a directory, but for those of the database and of Redis, in which one of these stands."""
    found = set()
    wanted = [text for text in texts if text]
    for path in root.rglob("*"):
        if not path.is_file() or {"postgres", "redis"} & set(path.parts):
            continue
        content = path.read_bytes()
        if any(text in content for text in wanted):
            found.add(path)
    return found
