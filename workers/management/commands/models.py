"""`manage.py models`: the model packs of this machine, from the list to the switch."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from recognition import packs
from recognition.engine import EngineError, manifest_problems
from recognition.pack_selectors import model_status
from recognition.pack_services import confirm_switch
from workers.management import models_bench, models_use
from workers.management.base import JsonCommand, whole
from workers.management.models_install import Asked, Result, run_install
from workers.management.models_list import (
    list_facts,
    list_table,
    pack_in_use,
    status_facts,
    status_lines,
    verify,
    verify_facts,
    worth_verifying,
)


class Command(JsonCommand):
    help = (
        "Lists, installs, checks, measures, uses and removes model packs. `models ACTION --help` tells more. "
        "Exit code 0 when it was done, 1 when not, 130 when it was stopped with Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        self._add(actions, "list", "all packs: state, licence, size, threshold. Needs no database")
        self._add_install(actions)
        checked = self._add(actions, "verify", "hashes every file, loads every network, compares known answers")
        checked.add_argument("name", metavar="NAME", nargs="?", help="which pack; without it all that are here")
        self._add_use(actions)
        gone = self._add(actions, "remove", "deletes the files of a pack that is not in use")
        gone.add_argument("name", metavar="NAME", help="which pack")
        gone.add_argument("--templates", action="store_true", help="deletes the templates made with it as well")
        gone.add_argument("--yes", action="store_true", help="does not ask")
        measured = self._add(actions, "bench", "how fast packs are on this machine, on pictures that are packaged")
        measured.add_argument("names", metavar="NAME", nargs="*", help="which packs; without them all that are ready")
        measured.add_argument(
            "--repeat", metavar="N", type=whole(3, 1000), default=15, help="how often each is measured (default 15)"
        )
        self._add(actions, "status", "the models that each running process holds, and a switch under way")

    def _add(self, actions: Any, name: str, text: str) -> ArgumentParser:
        parser: ArgumentParser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        super().add_arguments(parser)
        return parser

    def _add_install(self, actions: Any) -> None:
        parser = self._add(actions, "install", "fetches a pack, or takes it from a file, folder or address")
        parser.add_argument("name", metavar="NAME", nargs="?", help="which pack; not needed for a pack of your own")
        parser.add_argument(
            "--from",
            dest="source",
            metavar="PATH|URL",
            help="a model file, a ZIP archive or a folder that holds them, or the http(s) address of one; "
            "a folder with a pack.toml is a pack of your own",
        )
        parser.add_argument(
            "--accept-licence", action="store_true", help="accepts the licence of the pack; recorded with your name"
        )
        parser.add_argument(
            "--trust",
            action="store_true",
            help="accepts files whose SHA-256 the manifest does not know, and records it",
        )

    def _add_use(self, actions: Any) -> None:
        parser = self._add(actions, "use", "switches to another pack; every enrolment photo is embedded anew first")
        parser.add_argument("name", metavar="NAME", help="which pack")
        parser.add_argument("--wait", action="store_true", help="works on the switch and waits for its end")
        parser.add_argument("--yes", action="store_true", help="does not ask")
        parser.add_argument(
            "--accept-losses",
            action="store_true",
            help="agrees that people whom the new pack can not find are left out",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        used = pack_in_use()
        facts = [list_facts(manifest, used) for manifest in packs.manifests().values()]
        if options["json"]:
            for each in facts:
                self.print_json(each)
            return
        self.stdout.write(list_table(facts))
        for why in manifest_problems(settings.MODELS_DIR).values():
            self.note(f"Left out: {why}")
        if not used.known:
            self.note(f"No database answers: that {used.name} is in use is what the setting MODEL_PACK says.")
        if any(not each["pinned"] for each in facts):
            self.note("*: nobody has published which bytes its files must have; installing it asks for your trust.")

    def _install(self, options: dict[str, Any]) -> None:
        asked = Asked(
            name=options["name"],
            source=options["source"],
            accept_licence=options["accept_licence"],
            trust=options["trust"],
        )
        self._tell_installed(run_install(asked), options["json"])

    def _tell_installed(self, result: Result, as_json: bool) -> None:
        name, checked = result.manifest.name, result.verified
        why = checked.why if checked is not None else f"Still missing: {', '.join(result.missing)}."
        if result.licence_note:
            self.note(result.licence_note)
        if as_json:
            facts = {"pack": name, "ok": not why, "why": why, "placed": list(result.placed)}
            self.print_json(facts | {"sha256": result.hashes, "missing": list(result.missing)})
        else:
            for file in result.placed:
                self.stdout.write(f"{file}: SHA-256 {result.hashes[file]}")
        if checked is None:
            raise CommandError(f"{why} Install the rest: models install {name} [--from PATH]")
        if why:
            raise CommandError(why)
        if not as_json:
            state = "is installed" if result.placed else "was complete already"
            self.stdout.write(f"{name} {state} and works. To use it: manage.py models use {name}")

    def _verify(self, options: dict[str, Any]) -> None:
        known, name = packs.manifests(), options["name"]
        if name is not None and name not in known:
            raise CommandError(f"There is no model pack {name!r}. Known packs: {', '.join(sorted(known))}.")
        found = [verify(one) for one in ([known[name]] if name else worth_verifying(known, pack_in_use()))]
        for each in found:
            if options["json"]:
                self.print_json(verify_facts(each))
            elif each.ok:
                self.stdout.write(
                    f"{each.manifest.name}: right. {len(each.check.files)} files were hashed, loaded and tried "
                    f"in {each.seconds:.1f} s."
                )
            else:
                self.stdout.write(f"{each.manifest.name}: WRONG. {each.why}")
        if not all(each.ok for each in found):
            raise SystemExit(1)

    def _use(self, options: dict[str, Any]) -> None:
        name = options["name"]
        switch = models_use.held_switch_to(name)
        if switch is not None and options["accept_losses"]:
            confirm_switch(actor=None, switch=switch)
            switch.refresh_from_db()
        elif switch is None:
            switch = models_use.ask_for(
                name, yes=options["yes"], accepts_losses=options["accept_losses"], say=self.note
            )
        if options["wait"]:
            switch = models_use.follow(switch, say=self.note)
            if models_use.decide_about_losses(switch):
                switch.refresh_from_db()
                switch = models_use.follow(switch, say=self.note)
            said = models_use.outcome(switch)
        else:
            said = (
                f"The switch to {switch.version} was asked for. A running Lynceus works on it; `models status` shows "
                "how far it is."
            )
        if options["json"]:
            self.print_json({"pack": name, "version": switch.version, "state": switch.state, "failed": switch.failed})
        else:
            self.stdout.write(said)

    def _remove(self, options: dict[str, Any]) -> None:
        said = models_use.remove_pack(options["name"], templates=options["templates"], yes=options["yes"])
        if options["json"]:
            self.print_json({"pack": options["name"], "removed": True})
        else:
            self.stdout.write(said)

    def _bench(self, options: dict[str, Any]) -> None:
        try:
            rows = models_bench.measure(options["names"], repeat=options["repeat"], say=self.note)
        except EngineError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            for row in rows:
                self.print_json(models_bench.facts(row))
            return
        self.stdout.write(models_bench.report(rows))

    def _status(self, options: dict[str, Any]) -> None:
        status = model_status()
        if options["json"]:
            self.print_json(status_facts(status))
            return
        self.stdout.write("\n".join(status_lines(status)))
