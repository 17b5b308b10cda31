"""`manage.py rotate_keys`: a new key-encryption key for the vault, and everything wrapped with it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import vault


class Command(BaseCommand):
    help = (
        "Makes a new key-encryption key and wraps every data key with it. Photos and templates are not touched, "
        "nothing stops meanwhile, and an interrupted run is continued by the next. Exit code 1 when a key is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rewrap", action="store_true", help="make no new key, only wrap what an older one wraps")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            version = vault.key_ring().current if options["rewrap"] else vault.add_key()
            changed = vault.rewrap()
        except vault.VaultError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"version": version, "rewrapped": changed}))
        else:
            self.stdout.write(f"The vault's key has version {version}; {changed} data keys were wrapped with it.")
            self.stdout.write(
                "Back up the key file in DATA_DIR/secrets: without it nothing that is sealed can be opened."
            )
