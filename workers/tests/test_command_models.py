"""`manage.py models`: what each action prints, for people and for programs, and the code it ends with."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django import Settings

from config.redis import client
from recognition import gallery, manager, packs, services, watchlist_services
from recognition.engine import FaceDetections, Image, load_pack
from recognition.engine.store import file_path
from recognition.models import PackInUse, PackLicence, PackSwitch, Template, Watchlist
from recognition.tests.photos import astronaut
from workers.management import download_progress, models_install
from workers.management.download_progress import progress_on

BUFFALO_SC = "InsightFace models: non-commercial research only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command printed, and the code it ended with."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def run(*words: str, capsys: pytest.CaptureFixture[str] | None = None) -> Done:
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("models", *words, stdout=out, stderr=err)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except CommandError as error:
        code, _ = error.returncode, err.write(str(error))
    said = capsys.readouterr().err if capsys is not None else ""
    return Done(code=code, out=out.getvalue(), err=said + err.getvalue())


@pytest.fixture(scope="session")
def converted() -> Path:
    """The folder with the networks of `compact`, converted once for all tests."""
    from django.conf import settings

    compact = load_pack(cache=settings.MODELS_DIR)
    compact.warm_up()
    return file_path(settings.MODELS_DIR, compact.manifest, compact.manifest.files[0]).parent


@pytest.fixture(autouse=True)
def models_dir(settings: Settings, tmp_path: Path, converted: Path) -> Iterator[Path]:
    """A models' folder of the test's own, in which `compact` is ready."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / converted.name).symlink_to(converted)
    settings.MODELS_DIR = folder
    settings.GALLERY_POLL_SECONDS = 0
    _forget()
    yield folder
    _forget()


def _forget() -> None:
    for name in packs.loaded():
        packs.forget(name)
    gallery.forget()


@pytest.fixture
def own(tmp_path: Path, converted: Path) -> Path:
    """A user's own pack in a folder: the networks of `compact` under another name."""
    folder = tmp_path / "my pack"
    folder.mkdir()
    lines, skip = [], False
    shipped = resources.files("recognition.engine").joinpath("manifests/compact.toml").read_text("utf-8")
    text = shipped.replace('name = "compact"', 'name = "mine"').replace("compact-1", "mine-1")
    for line in text.splitlines():
        skip = line == "[files.package]" or (skip and not line.startswith("["))
        if skip or line.startswith(("convert = ", "bytes = ")):
            continue
        lines.append(line)
        if line.startswith("name = ") and line.endswith('.onnx"'):
            name = line.split('"')[1]
            content = (converted / name).read_bytes()
            (folder / name).write_bytes(content)
            lines.append(f'sha256 = "{hashlib.sha256(content).hexdigest()}"')
    (folder / "pack.toml").write_text("\n".join(lines))
    return folder


class Blind:
    """Finds nobody."""

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        return FaceDetections.none()


class Terminal(io.StringIO):
    """A person who types this."""

    def isatty(self) -> bool:
        return True


@pytest.mark.django_db
def test_the_list_tells_state_licence_and_size_of_every_pack() -> None:
    facts = {each["name"]: each for each in run("list", "--json").facts}

    assert {"compact", "opencv", "yunet-compact", "buffalo_l", "antelopev2", "face_recognition"} <= set(facts)
    assert facts["compact"] | {"why": ""} == {
        "name": "compact",
        "title": "Compact: MTCNN and dlib's ResNet",
        "state": "ready",
        "in_use": True,
        "why": "",
        "version": "compact-1",
        "licence": "MTCNN MIT, dlib's models CC0-1.0",
        "licence_url": "https://github.com/davisking/dlib-models",
        "commercial": True,
        "acceptance": False,
        "to_accept": False,
        "pinned": True,
        "bytes": facts["compact"]["bytes"],
        "dimension": 128,
        "threshold": 0.83755,
        "shipped": True,
    }
    assert 20e6 < facts["compact"]["bytes"] < 30e6
    assert (facts["buffalo_l"]["commercial"], facts["buffalo_l"]["to_accept"]) == (False, True)
    assert facts["buffalo_l"]["state"] == "not installed"

    table = run("list")
    lines = [line.split() for line in table.out.splitlines()]
    assert lines[0] == ["NAME", "STATE", "LICENCE", "SIZE", "NUMBERS", "THRESHOLD", "VERSION"]
    assert ["compact", "in", "use", "commercial", "24.4", "MB", "128", "0.838", "compact-1"] in lines
    assert "non-commercial, to accept" in table.out
    assert table.err == ""


def test_the_list_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OperationalError("connection refused")

    monkeypatch.setattr(packs, "name_in_use", nobody)
    done = run("list")

    assert done.code == 0
    assert "compact" in done.out
    assert done.err == "No database answers: that compact is in use is what the setting MODEL_PACK says.\n"


@pytest.mark.django_db
def test_the_list_tells_of_broken_manifests(models_dir: Path) -> None:
    (models_dir / "broken").mkdir()
    (models_dir / "broken" / "pack.toml").write_text("name = 7\n")

    done = run("list")

    assert "Left out: The pack manifest" in done.err
    assert "`name` must be a text" in done.err


@pytest.mark.django_db
def test_a_pack_of_ones_own_from_the_folder_to_the_search(own: Path, models_dir: Path) -> None:
    installed = run("install", "--from", str(own))
    assert installed.code == 0, installed.err
    assert installed.out.splitlines()[-1] == "mine is installed and works. To use it: manage.py models use mine"
    assert installed.out.count("SHA-256") == 4

    checked = run("verify", "mine", "--json").facts[0]
    assert (checked["ok"], checked["state"], len(checked["files"])) == (True, "ready", 4)
    assert run("install", "mine", "--json").facts[0]["placed"] == []

    (models_dir / "mine" / "mtcnn-p.onnx").write_bytes(b"swapped")
    wrong = run("verify", "mine")
    assert wrong.code == 1
    assert wrong.out.startswith("mine: WRONG. The model ")
    assert "Install it again: manage.py models install mine" in wrong.out

    repaired = run("install", "mine", "--from", str(own), "--json")
    assert (repaired.code, repaired.facts[0]["placed"]) == (0, ["mtcnn-p.onnx"])


@pytest.mark.django_db
def test_a_network_that_answers_otherwise_is_noticed(own: Path, models_dir: Path) -> None:
    swapped = (own / "mtcnn-r.onnx").read_bytes()
    text = (own / "pack.toml").read_text()
    original = (own / "mtcnn-p.onnx").read_bytes()
    right = hashlib.sha256(original).hexdigest()
    (own / "mtcnn-p.onnx").write_bytes(swapped)
    (own / "pack.toml").write_text(text.replace(right, hashlib.sha256(swapped).hexdigest()))

    done = run("install", "--from", str(own))

    assert done.code == 1
    assert "mtcnn-p" in done.err
    assert "Nothing of it was kept" in done.err
    (own / "mtcnn-p.onnx").write_bytes(original)
    (own / "pack.toml").write_text(text)
    assert run("install", "--from", str(own)).code == 0


@pytest.mark.django_db
def test_names_that_do_not_fit(own: Path) -> None:
    assert "is called mine, not other. Use that name." in run("install", "other", "--from", str(own)).err
    assert "There is no model pack 'nix'. Known packs: " in run("install", "nix").err
    assert "Name the pack to install" in run("install").err
    assert "There is no model pack 'nix'" in run("verify", "nix").err
    assert "There is no model pack 'nix'" in run("remove", "nix", "--yes").err
    assert "There is no model pack 'nix'" in run("use", "nix", "--yes").err
    assert "There is no model pack 'nix'" in run("bench", "nix").err
    text = (own / "pack.toml").read_text()
    (own / "pack.toml").write_text(text.replace('kind = "mtcnn"', 'kind = "guess"'))
    assert "names the kind 'guess', which is not known" in run("install", "--from", str(own)).err
    (own / "pack.toml").write_text(text.replace('name = "mine"', 'name = "compact"'))
    taken = run("install", "--from", str(own))
    assert (taken.code, "of a pack that Lynceus ships" in taken.err) == (1, True)


@pytest.mark.django_db
def test_a_licence_is_asked_for_and_nothing_is_fetched_without(
    models_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_install, "install", lambda *args, **options: pytest.fail("nobody accepted"))
    refused = run("install", "buffalo_sc", capsys=capsys)
    assert refused.code == 1
    assert f"are under: {BUFFALO_SC}\n  It does NOT allow commercial use.\n" in refused.err
    assert "To accept it: models install buffalo_sc --accept-licence" in refused.err

    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    refused = run("install", "buffalo_sc", capsys=capsys)
    assert (refused.code, "Do you accept this licence? [y/N]" in refused.err) == (1, True)
    assert not PackLicence.objects.exists()
    assert not (models_dir / "buffalo_sc").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("typed", [None, "yes\n"])
def test_an_accepted_licence_is_recorded_with_who_and_when(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, typed: str | None
) -> None:
    if typed is not None:
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    option = [] if typed is not None else ["--accept-licence"]
    empty = models_dir / "empty"
    empty.mkdir()

    done = run("install", "buffalo_sc", "--from", str(empty), *option)

    assert "holds none of the files of this pack" in done.err
    row = PackLicence.objects.get()
    assert (row.name, row.licence, row.accepted_name) == ("buffalo_sc", BUFFALO_SC, "ada (command line)")
    kept = json.loads((models_dir / "buffalo_sc" / "licence.json").read_text())
    assert (kept["licence"], kept["who"]) == (BUFFALO_SC, "ada (command line)")


@pytest.mark.django_db
def test_an_acceptance_without_a_database_is_kept_beside_the_files(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**options: object) -> None:
        raise OperationalError("connection refused\nsecond line")

    monkeypatch.setattr(models_install, "accept_licence", down)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    manifest = packs.manifests()["buffalo_sc"]
    note = models_install._record_acceptance(manifest, in_database=True)
    assert note == (
        "That ada (command line) accepted the licence was recorded beside the files, not in the database "
        "(connection refused). `models use buffalo_sc` makes up for it."
    )
    assert not PackLicence.objects.exists()

    done = run("use", "buffalo_sc", "--yes")

    assert "is not installed" in done.err
    assert PackLicence.objects.get().accepted_name == "ada (command line)"


@pytest.mark.django_db
def test_a_stop_says_that_what_came_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models_install, "install", stopped)
    done = run("install", "opencv", capsys=capsys)
    assert (done.code, done.err) == (
        130,
        "\nStopped. What has come is kept: the same command goes on there.\n",
    )


def test_progress_on_a_terminal_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.StringIO()
    lines = progress_on(plain)
    lines.begin("a.onnx", total=2_000_000, done=500_000)
    lines.advance(500_000)
    monkeypatch.setattr(download_progress, "LINE_SECONDS", 0.0)
    lines.advance(500_000)
    lines.end()
    assert plain.getvalue().splitlines() == [
        "Fetching a.onnx, 2.0 MB, 500 kB of it are here already.",
        "a.onnx: 1.5 MB of 2.0 MB (75%)",
        "a.onnx: 1.5 MB are here.",
    ]

    terminal = Terminal()
    bar = progress_on(terminal)
    bar.begin("a.onnx", total=2_000_000, done=500_000)
    bar.advance(1_500_000)
    bar.end()
    bar.say("Done.")
    assert "100%" in terminal.getvalue()
    assert terminal.getvalue().endswith("Done.\n")


def test_list_and_verify_start_no_server(tmp_path: Path) -> None:
    """As a person runs it: PostgreSQL and Redis would leave their folders."""
    environment = {key: value for key, value in os.environ.items() if key != "LYNCEUS_SERVICES"}
    environment |= {"DATA_DIR": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "models", "list"],
        cwd=Path(__file__).resolve().parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "compact" in done.stdout
    assert "is what the setting MODEL_PACK says" in done.stderr
    assert not [path.name for path in (tmp_path / "data").iterdir() if path.name in ("postgres", "redis", "run")]


@pytest.fixture
def enrolled(transactional_db: None) -> Iterator[None]:
    client().flushdb()
    watchlist = watchlist_services.create_watchlist(actor=None, name="Wanted")
    photo = services.Upload(name="eileen.jpg", data=astronaut())
    assert services.enrol(actor=None, name="Eileen", photos=[photo], watchlist=watchlist).templates == 1
    Watchlist.objects.update(threshold=0.9, threshold_pack="compact-1")
    yield
    client().flushdb()


def test_a_switch_is_asked_about_made_waited_for_and_undone(enrolled: None, own: Path) -> None:
    run("install", "--from", str(own))
    silent = run("use", "mine")
    assert silent.code == 1
    assert "mine-1): 1 photo is embedded anew in the background" in silent.err
    assert "fall back to the pack's own, 0.838, until you set theirs again: Wanted." in silent.err
    assert "Nothing was changed. To switch without being asked: models use mine --yes" in silent.err
    assert not PackSwitch.objects.exists()

    done = run("use", "mine", "--yes", "--wait")

    assert (done.code, done.out) == (0, "mine-1 is in use.\n")
    assert PackInUse.objects.get().name == "mine"
    assert set(Template.objects.values_list("pack", flat=True)) == {"compact-1", "mine-1"}
    assert "is in use already" in run("use", "mine", "--yes").err
    assert "mine is in use. Use another pack first" in run("remove", "mine", "--yes").err

    back = run("use", "compact", "--yes", "--wait", "--json")
    assert back.facts == [{"pack": "compact", "version": "compact-1", "state": "done", "failed": 0}]
    assert "no photo has to be embedded anew" in back.err

    kept = run("remove", "mine")
    assert "Nothing was deleted. To delete without being asked: models remove mine --yes" in kept.err
    gone = run("remove", "mine", "--yes", "--templates")
    assert gone.out.startswith("mine was removed: 24.4 MB are free again. 1 template was deleted.")
    assert not Template.objects.filter(pack="mine-1").exists()
    assert "There is no model pack 'mine'" in run("verify", "mine").err


def test_a_switch_that_loses_people_waits_for_a_decision(
    enrolled: None, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("install", "--from", str(own))
    mine = packs.pack_named("mine")
    object.__setattr__(mine, "detector", Blind())

    held = run("use", "mine", "--yes", "--wait")
    assert held.code == 1
    assert "The switch to mine-1 waits for a decision: " in held.err
    assert "Eileen" in held.err
    assert "`models use mine --accept-losses`" in held.err
    assert "Cancel it" in run("remove", "mine", "--yes").err

    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    agreed = run("use", "mine", "--yes", "--wait")

    assert agreed.code == 0, agreed.err
    assert agreed.out.startswith("mine-1 is in use. 1 photo has no face that it finds.")


def test_a_switch_without_waiting_is_only_asked_for(enrolled: None, own: Path) -> None:
    run("install", "--from", str(own))

    done = run("use", "mine", "--yes")

    assert done.out.startswith("The switch to mine-1 was asked for. A running Lynceus works on it")
    assert PackSwitch.objects.get().state == PackSwitch.State.WAITING
    status = run("status")
    assert "In use: compact (compact-1).\nSwitching to mine-1: 0 of 1 photos, Waiting." in status.out


@pytest.mark.django_db
def test_the_status_shows_what_processes_hold() -> None:
    client().flushdb()
    assert run("status").out == "In use: compact (compact-1).\nNo process has a model loaded.\n"

    packs.current_pack().warm_up()
    manager.tick()
    told = run("status")

    assert "compact/dlib-resnet.onnx" in told.out
    assert "ready" in told.out
    facts = run("status", "--json").facts[0]
    assert {model["name"] for model in facts["processes"][0]["models"]} >= {
        "compact/dlib-resnet.onnx",
        "compact/mtcnn-p.onnx",
    }


def test_the_benchmark_measures_real_faces() -> None:
    done = run("bench", "compact", "--repeat", "3", "--json")

    (row,) = done.facts
    assert (row["pack"], row["faces"], row["faces_shown"], row["threads"], row["device"]) == ("compact", 6, 6, 1, "CPU")
    assert min(row[key] for key in ("detect_360", "detect_720", "embed_1", "embed_8", "frame")) > 0
    table = run("bench", "compact", "--repeat", "3")
    assert table.out.splitlines()[1].split()[:4] == ["compact", "6", "of", "6"]


@pytest.mark.django_db
def test_the_list_says_that_a_file_was_cut_off_or_overwritten(own: Path, models_dir: Path) -> None:
    run("install", "--from", str(own))
    PackInUse.objects.create(pk=1, name="mine", version="mine-1")
    file = next((models_dir / "mine").glob("*.onnx"))
    whole = file.read_bytes()
    for spoilt in (whole[:1000], bytes([whole[0] ^ 1]) + whole[1:]):
        file.unlink()
        file.write_bytes(spoilt)

        listed = {one["name"]: one for one in run("list", "--json").facts}

        assert (listed["mine"]["state"], listed["mine"]["in_use"]) == ("damaged", True)
        assert "Install it again" in listed["mine"]["why"]
    assert "in use, damaged" in run("list").out
