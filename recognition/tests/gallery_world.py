"""What can happen to a gallery, at random, for tests that compare one that followed with one that is read anew."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

from django.db import connection, transaction
from django.utils import timezone

from accounts import vault
from recognition import gallery, services, tasks
from recognition.engine import Pack
from recognition.models import GalleryRevision, Person, Template, Watchlist, WatchlistEntry
from recognition.tests.factories import DIMENSION, PACK, PersonFactory, TemplateFactory, WatchlistFactory, embedding

OTHER = "another-1"


class World:
    """The pack in use, the time, and what can happen to a gallery."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.vectors = seed * 1000
        self.packs = {version: self._pack(version) for version in (PACK, OTHER)}
        self.version = PACK
        self.later = timedelta(0)

    @staticmethod
    def _pack(version: str) -> Pack:
        return cast(
            "Pack",
            SimpleNamespace(version=version, dimension=DIMENSION, threshold=0.8, margin=0.02, models=()),
        )

    def pack(self) -> Pack:
        return self.packs[self.version]

    def now(self) -> datetime:
        return NOW() + self.later

    def person(self) -> Person:
        return self.random.choice(list(Person.objects.all())) if Person.objects.exists() else PersonFactory.create()

    def watchlist(self) -> Watchlist:
        return self.random.choice(list(Watchlist.objects.all()) or [WatchlistFactory.create(threshold=0.9)])

    def template(self) -> Template:
        return self.random.choice(list(Template.objects.all()) or [self.add()])

    def add(self) -> Template:
        self.vectors += 1
        person = self.person() if self.random.random() < 0.4 else PersonFactory.create()
        version = self.random.choice([PACK, PACK, OTHER])
        return TemplateFactory.create(person=person, pack=version, vector=embedding(self.vectors))

    def add_some_at_once(self) -> None:
        with transaction.atomic():
            for _ in range(3):
                self.add()

    def take_back(self) -> None:
        with transaction.atomic():
            self.add()
            self.rename()
            gallery.gallery()  # sees what will never have been
            transaction.set_rollback(True)

    def delete_person(self) -> None:
        services.delete_person(actor=None, person=self.person())

    def delete_template(self) -> None:
        Template.objects.filter(pk=self.template().pk).delete()

    def move(self) -> None:
        self._reseal(self.template(), PersonFactory.create())

    def replace_embedding(self) -> None:
        template = self.template()
        self.rename()  # a revision that was lost is there again
        gallery.gallery()  # comparing ids would not tell, the log does
        self._reseal(template, template.person)
        gallery.gallery()

    def _reseal(self, template: Template, person: Person) -> None:
        self.vectors += 1
        content = embedding(self.vectors).astype("<f4").tobytes()
        sealed = vault.seal(person.scope, content, bind=gallery.template_bind(person.pk, template.pack))
        Template.objects.filter(pk=template.pk).update(person=person, sealed=sealed)

    def change_pack_of_template(self) -> None:
        Template.objects.filter(pk=self.template().pk).update(pack=OTHER)

    def rename(self) -> None:
        Person.objects.filter(pk=self.person().pk).update(name=f"Name {self.random.random()}")

    def rename_all(self) -> None:
        sql("UPDATE recognition_person SET name = name || '!' WHERE id % 2 = 0")

    def list_person(self) -> None:
        watchlist = self.watchlist() if self.random.random() < 0.7 else WatchlistFactory.create(threshold=0.85)
        WatchlistEntry.objects.update_or_create(
            watchlist=watchlist,
            person=self.person(),
            defaults={
                "starts_at": self.random.choice([None, self.now() + timedelta(hours=self.random.randint(0, 2))]),
                "expires_at": self.random.choice([None, self.now() + timedelta(hours=self.random.randint(3, 6))]),
            },
        )

    def unlist(self) -> None:
        WatchlistEntry.objects.filter(person=self.person()).delete()

    def change_watchlist(self) -> None:
        Watchlist.objects.filter(pk=self.watchlist().pk).update(
            threshold=self.random.choice([None, 0.7, 0.75, 0.95]),
            threshold_pack=self.random.choice([PACK, OTHER]),
            is_active=self.random.random() < 0.7,
        )

    def delete_watchlist(self) -> None:
        self.watchlist().delete()

    def pass_time(self) -> None:
        self.later += timedelta(hours=2)

    def switch_pack(self) -> None:
        self.version = OTHER if self.version == PACK else PACK
        sql("DELETE FROM recognition_packinuse")  # any statement raises the revision

    def empty_templates(self) -> None:
        sql("TRUNCATE recognition_template")

    def prune(self) -> None:
        tasks.prune_gallery_changes()

    def lose_revision(self) -> None:
        GalleryRevision.objects.all().delete()

    def steps(self) -> list[Callable[[], object]]:
        often = [self.add, self.move, self.replace_embedding, self.rename, self.list_person, self.change_watchlist]
        rarely = [self.add_some_at_once, self.take_back, self.delete_person, self.delete_template, self.rename_all]
        rarely += [self.change_pack_of_template, self.unlist, self.delete_watchlist, self.pass_time, self.switch_pack]
        return [*often * 3, *rarely * 2, self.empty_templates, self.prune, self.lose_revision]


NOW = timezone.now


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
