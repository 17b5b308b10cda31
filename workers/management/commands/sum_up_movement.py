"""`manage.py sum_up_movement`: brings the sums of movement up to date now, or makes all of them anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from cameras.movement import summing


class Command(BaseCommand):
    help = "Brings the sums from which pages about movement are drawn up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anew", action="store_true", help="forget all sums and make them from the first sighting")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["anew"]:
            summing.rebuild()
        while True:
            done = summing.sum_up()
            self.stdout.write(f"{done.days} days, {done.slots} quarters of an hour")
            if done.is_done:
                return
            if not done.days:
                self.stdout.write("Another process is summing up already. Nothing more is to be done here.")
                return
