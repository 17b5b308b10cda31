"""The vault: what is sealed opens in its own place with its own key, and nowhere else."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import vault
from accounts.models import DataKey
from accounts.vault import KeyRing, VaultError

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_key_ring(settings: Settings) -> Iterator[None]:
    """A ring of the test's own, and nothing opened by the tests before."""
    settings.VAULT_KEYS = f"1:{key(1)}"
    renew()
    yield
    renew()


def key(seed: int) -> str:
    return base64.b64encode(bytes([seed]) * 32).decode()


def renew() -> None:
    """What a new process starts with: no ring read."""
    vault.key_ring.cache_clear()


def test_what_is_sealed_opens_again_and_does_not_show() -> None:
    sealed = vault.seal("person:1", b"the plain text", bind="photo|1")

    assert b"plain" not in sealed
    assert vault.unseal("person:1", sealed, bind="photo|1") == b"the plain text"
    assert vault.seal("person:1", b"the plain text", bind="photo|1") != sealed


def test_another_place_does_not_open_it() -> None:
    sealed = vault.seal("person:1", b"x", bind="photo|1")

    with pytest.raises(VaultError, match="changed, moved"):
        vault.unseal("person:1", sealed, bind="portrait|1")


def test_swapped_rows_do_not_open() -> None:
    one = vault.seal("person:1", b"one", bind="template|1|p")
    two = vault.seal("person:2", b"two", bind="template|2|p")

    for scope, sealed, bind in [("person:1", two, "template|1|p"), ("person:2", one, "template|2|p")]:
        with pytest.raises(VaultError):
            vault.unseal(scope, sealed, bind=bind)


def test_swapped_data_keys_do_not_open() -> None:
    vault.seal("person:1", b"one", bind="b")
    sealed = vault.seal("person:2", b"two", bind="b")
    DataKey.objects.filter(scope="person:2").update(wrapped=DataKey.objects.get(scope="person:1").wrapped)
    renew()

    with pytest.raises(VaultError, match="does not open"):
        vault.unseal("person:2", sealed, bind="b")


@pytest.mark.parametrize("at", [0, 1, 12, 13, 20, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    sealed = bytearray(vault.seal("person:1", b"some plain text", bind="b"))
    sealed[at] ^= 1

    with pytest.raises(VaultError):
        vault.unseal("person:1", bytes(sealed), bind="b")


@pytest.mark.parametrize("stored", [b"", b"\x01", b"some plain text that was never sealed at all", b"\x01" * 28])
def test_what_was_never_sealed_is_not_returned(stored: bytes) -> None:
    vault.seal("person:1", b"x", bind="b")

    with pytest.raises(VaultError):
        vault.unseal("person:1", stored, bind="b")


def test_many_open_at_once_and_one_bad_one_spoils_no_other() -> None:
    good = vault.seal("person:1", b"one", bind="b")
    opened = vault.unseal_many([("person:1", good, "b"), ("person:1", good, "c"), ("person:9", good, "b")])

    assert opened[0] == b"one"
    assert isinstance(opened[1], VaultError)
    assert isinstance(opened[2], VaultError)
    assert "person:9" in str(opened[2])


def test_shredding_makes_it_unreadable_for_good(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sealed = vault.seal("person:1", b"x", bind="b")
    with django_capture_on_commit_callbacks(execute=True):
        vault.shred("person:1")

    with pytest.raises(VaultError, match="was deleted"):
        vault.unseal("person:1", sealed, bind="b")
    vault.seal("person:1", b"new", bind="b")  # the same scope again has another key
    with pytest.raises(VaultError):
        vault.unseal("person:1", sealed, bind="b")


def test_a_scope_made_anew_elsewhere_is_found() -> None:
    vault.seal("person:1", b"old", bind="b")
    DataKey.objects.filter(scope="person:1").delete()  # what another process does
    sealed = vault.seal("person:1", b"new", bind="b")

    assert vault.unseal("person:1", sealed, bind="b") == b"new"


def test_a_seal_that_was_rolled_back_leaves_no_key_in_use() -> None:
    with transaction.atomic():
        vault.seal("person:1", b"lost", bind="b")
        transaction.set_rollback(True)
    sealed = vault.seal("person:1", b"kept", bind="b")
    renew()

    assert vault.unseal("person:1", sealed, bind="b") == b"kept"


def test_without_its_key_nothing_opens(settings: Settings) -> None:
    sealed = vault.seal("person:1", b"x", bind="b")
    settings.VAULT_KEYS = f"2:{key(2)}"
    renew()

    with pytest.raises(VaultError, match="version 1 is missing"):
        vault.unseal("person:1", sealed, bind="b")


def test_another_key_of_the_same_version_does_not_open(settings: Settings) -> None:
    sealed = vault.seal("person:1", b"x", bind="b")
    settings.VAULT_KEYS = f"1:{key(7)}"
    renew()

    with pytest.raises(VaultError, match="does not open"):
        vault.unseal("person:1", sealed, bind="b")


def test_a_lost_key_file_is_not_made_anew(settings: Settings, tmp_path: Path) -> None:
    settings.VAULT_KEYS, settings.VAULT_KEY_FILE = "", tmp_path / "secrets" / "vault"
    renew()
    sealed = vault.seal("person:1", b"x", bind="b")
    assert settings.VAULT_KEY_FILE.stat().st_mode & 0o077 == 0
    settings.VAULT_KEY_FILE.unlink()
    renew()

    with pytest.raises(VaultError, match="Restore the file"):
        vault.unseal("person:1", sealed, bind="b")
    with pytest.raises(VaultError, match="Restore the file"):
        vault.seal("person:2", b"y", bind="b")
    assert not settings.VAULT_KEY_FILE.exists()


def test_rewrapping_goes_to_the_newest_key_and_can_be_repeated(settings: Settings) -> None:
    sealed = {scope: vault.seal(scope, scope.encode(), bind="b") for scope in ("person:1", "person:2")}
    settings.VAULT_KEYS = f"2:{key(2)},1:{key(1)}"
    renew()

    assert vault.rewrap() == 2
    assert vault.rewrap() == 0
    settings.VAULT_KEYS = f"2:{key(2)}"
    renew()
    for scope, content in sealed.items():
        assert vault.unseal(scope, content, bind="b") == scope.encode()


@pytest.mark.parametrize(
    "text",
    [
        "c2VjcmV0LWtleS1tYXRlcmlhbA==",
        "1:c2VjcmV0LWtleS1tYXRlcmlhbA==",
        f"0:{key(3)}",
        f"one:{key(3)}",
        f"1:{key(3)}!",
        f"1:{key(3)},2:short",
    ],
)
def test_a_wrong_ring_is_refused_without_showing_a_key(text: str) -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        KeyRing.parse(text)

    assert "VAULT_KEYS" in str(error.value)
    for part in text.replace(",", ":").split(":"):
        assert len(part) < 5 or part not in str(error.value)
    assert error.value.__cause__ is None


def test_an_empty_ring_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="no key"):
        KeyRing.parse(" , ")


def test_the_highest_version_seals() -> None:
    ring = KeyRing.parse(f"3:{key(3)}, 11:{key(1)}, 2:{key(2)}")

    assert ring.current == 11
    assert key(3) not in repr(vault.seal("s", os.urandom(8), bind="b"))


def test_a_key_that_another_process_shredded_opens_nothing_here() -> None:
    sealed = vault.seal("sightings:2026-01-01", b"a shot", bind="b")
    assert vault.unseal("sightings:2026-01-01", sealed, bind="b") == b"a shot"
    DataKey.objects.filter(scope="sightings:2026-01-01").delete()

    with pytest.raises(VaultError, match="was deleted"):
        vault.unseal("sightings:2026-01-01", sealed, bind="b")


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path) -> Path:
    """Keys that come from a file, not from VAULT_KEYS."""
    settings.VAULT_KEYS, settings.VAULT_KEY_FILE = "", tmp_path / "vault"
    renew()
    return tmp_path / "vault"


def test_rotating_the_key_wraps_everything_anew_and_opens_what_was_there(key_file: Path) -> None:
    sealed = vault.seal("person:1", b"before", bind="b")
    before = vault.key_ring().current
    assert vault.add_key() == before + 1
    assert vault.rewrap() == DataKey.objects.count()

    assert set(DataKey.objects.values_list("kek_version", flat=True)) == {before + 1}
    assert vault.unseal("person:1", sealed, bind="b") == b"before"
    assert key_file.stat().st_mode & 0o077 == 0
    assert vault.rewrap() == 0


def test_a_process_that_read_the_ring_before_a_rotation_goes_on(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = vault.key_ring()
    vault.add_key()
    sealed = vault.seal("person:2", b"after", bind="b")
    asked = iter([old])
    ring = vault.key_ring

    class Stale:
        """The ring as that process has it, until it is told to read it anew."""

        def __call__(self) -> vault.KeyRing:
            return next(asked, None) or ring()

        def cache_clear(self) -> None:
            ring.cache_clear()

    monkeypatch.setattr(vault, "key_ring", Stale())
    assert vault.unseal("person:2", sealed, bind="b") == b"after"


def test_keys_from_the_environment_are_rotated_there(settings: Settings) -> None:
    settings.VAULT_KEYS = f"1:{key(1)}"
    with pytest.raises(VaultError, match="VAULT_KEYS"):
        vault.add_key()
