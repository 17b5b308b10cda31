"""People, watchlists and templates for tests, sealed as in life, without any model."""

# factory_boy says that it is typed, but most of its functions are not.
# mypy: disable-error-code="attr-defined,no-untyped-call,untyped-decorator"

from __future__ import annotations

from functools import cache
from typing import Any

import factory
import numpy as np

from accounts import vault
from recognition.engine import Embedding, encode_jpeg
from recognition.gallery import template_bind
from recognition.models import Category, Person, Photo, Template, Watchlist, WatchlistEntry
from recognition.selectors import photo_bind, portrait_bind

PACK = "compact-1"
DIMENSION = 128


def embedding(seed: int) -> Embedding:
    """A random vector of the length that dlib's network gives its own; the same for the same seed."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector) * np.float32(1.46), np.float32)


@cache
def picture(seed: int = 0, side: int = 48) -> bytes:
    """A small JPEG of coloured noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encode_jpeg(noise)


class PersonFactory(factory.django.DjangoModelFactory[Person]):
    class Meta:
        model = Person

    name = factory.Sequence(lambda n: f"Person {n}")


class WatchlistFactory(factory.django.DjangoModelFactory[Watchlist]):
    class Meta:
        model = Watchlist

    name = factory.Sequence(lambda n: f"Watchlist {n}")
    category = Category.WANTED
    threshold_pack = factory.LazyAttribute(lambda made: "" if getattr(made, "threshold", None) is None else PACK)


class WatchlistEntryFactory(factory.django.DjangoModelFactory[WatchlistEntry]):
    class Meta:
        model = WatchlistEntry

    watchlist = factory.SubFactory(WatchlistFactory)
    person = factory.SubFactory(PersonFactory)


class PhotoFactory(factory.django.DjangoModelFactory[Photo]):
    """A photo and its portrait, sealed under the person's key."""

    class Meta:
        model = Photo

    person = factory.SubFactory(PersonFactory)

    @classmethod
    def _adjust_kwargs(cls, **kwargs: Any) -> dict[str, Any]:
        person: Person = kwargs["person"]
        if person.pk is not None:
            seed = person.pk
            kwargs.setdefault("sealed", vault.seal(person.scope, picture(seed), bind=photo_bind(person.pk)))
            kwargs.setdefault("sealed_portrait", vault.seal(person.scope, picture(seed), bind=portrait_bind(person.pk)))
        return kwargs


class TemplateFactory(factory.django.DjangoModelFactory[Template]):
    """A template with a random embedding (`vector=` gives another), and its photo."""

    class Meta:
        model = Template

    class Params:
        vector = None

    person = factory.SubFactory(PersonFactory)
    photo = factory.SubFactory(PhotoFactory, person=factory.SelfAttribute("..person"))
    pack = PACK
    quality = 0.8
    box = factory.LazyFunction(lambda: [0.2, 0.2, 0.8, 0.8])

    @factory.lazy_attribute
    def sealed(self) -> bytes:
        found: Embedding = embedding(self.person.pk) if self.vector is None else self.vector
        bind = template_bind(self.person.pk, self.pack)
        return vault.seal(self.person.scope, found.astype("<f4").tobytes(), bind=bind)
