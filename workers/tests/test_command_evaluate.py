"""`evaluate` with the real pack: what it prints, where, and the code it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command, load_command_class

from recognition.tests.photos import astronaut, changed, nobody
from workers.management.commands import evaluate
from workers.tests.test_commands_people import Done, run

KEYS = ["pack", "pairs", "genuine", "impostor", "not_found", "auc", "eer", "threshold", "fmr", "fnmr", "accuracy"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One person twice, a wall, and a file that is no photo."""
    (tmp_path / "set" / "eileen").mkdir(parents=True)
    (tmp_path / "set" / "wall").mkdir()
    (tmp_path / "set" / "eileen" / "1.jpg").write_bytes(astronaut())
    (tmp_path / "set" / "eileen" / "2.jpg").write_bytes(changed(astronaut()))
    (tmp_path / "set" / "wall" / "1.jpg").write_bytes(nobody())
    (tmp_path / "set" / "wall" / "2.jpg").write_text("only words")
    return tmp_path


def test_a_folder_is_measured(photos: Path) -> None:
    done = run("evaluate", str(photos / "set"), "--json", "--plot", str(photos / "det.svg"))

    assert done.code == 0
    (facts,) = done.lines
    assert set(KEYS) <= set(facts)
    assert (facts["pack"], facts["pairs"], facts["genuine"], facts["impostor"]) == ("compact", 3, 1, 2)
    assert (facts["not_found"], facts["unreadable"], facts["fnmr"], facts["accuracy"]) == (1, 1, 0.0, 1.0)
    assert "DET curve" in done.err
    assert "<desc" in (photos / "det.svg").read_text()


def test_a_list_is_measured_in_words(photos: Path) -> None:
    (photos / "pairs.csv").write_text(
        "x;y;z\nset/eileen/1.jpg;set/eileen/2.jpg;true\nset/eileen/1.jpg;set/wall/1.jpg;false\n"
    )
    done = run("evaluate", str(photos / "pairs.csv"))

    assert done.code == 0
    assert done.out.startswith("Pack compact-1: 3 photos of 2 people, 2 pairs")
    assert "0 of 1 genuine pairs: below 95 %" in done.out
    assert "needs at least 300" in done.out


def test_several_packs_stand_side_by_side(photos: Path) -> None:
    done = run("evaluate", str(photos / "set"), "--pack", "compact", "--pack", "compact", "--json")
    (facts,) = done.lines
    assert [one["pack"] for one in facts["packs"]] == ["compact", "compact"]
    assert facts["packs"][0] == facts["packs"][1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["gone"], "neither a folder nor a file"),
        (["set", "--pack", "nonsense"], "nonsense"),
        (["set", "--plot", "det.pdf"], "must end in .svg or .png"),
        (["set", "--plot", "gone/det.svg"], "Choose another place"),
        (["set", "--groups", "gone.csv"], "can not be read"),
    ],
)
def test_what_can_not_be_done_gets_a_sentence(photos: Path, words: list[str], why: str) -> None:
    place = [str(photos / word) if word not in ("nonsense",) and not word.startswith("--") else word for word in words]
    done = run("evaluate", *place, "--json")

    assert done.code == 1
    assert why in done.err
    assert done.out == ""


@pytest.mark.parametrize("words", [["--plot", "gone/det.svg"], ["--pack", "compact", "--pack", "opencv"]])
def test_what_can_not_end_well_is_said_before_photos_are_measured(
    photos: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*args: object, **kwargs: object) -> None:
        raise AssertionError("photos were measured")

    monkeypatch.setattr(evaluate, "embed_photos", measured)
    with pytest.raises(CommandError, match=r"Choose another place|is not installed"):
        call_command("evaluate", str(photos / "set"), *words)


def test_it_needs_neither_database_nor_redis(photos: Path, tmp_path: Path) -> None:
    """As its own process, with both out of reach."""
    environment = os.environ | {
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models").symlink_to(configured.MODELS_DIR, target_is_directory=True)
    done = subprocess.run(
        [sys.executable, "manage.py", "evaluate", str(photos / "set"), "--json"],
        cwd=configured.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["genuine"] == 1


def test_the_portraits_tell_people_apart(real_portraits: Path) -> None:
    done: Done = run("evaluate", str(real_portraits), "--json")

    (facts,) = done.lines
    assert (facts["people"], facts["pairs"], facts["genuine"], facts["impostor"]) == (4, 10, 1, 9)
    assert (facts["auc"], facts["not_found"], facts["fmr"], facts["fnmr"]) == (1.0, 0, 0.0, 0.0)


@pytest.fixture
def real_portraits() -> Path:
    data = Path(os.environ.get("LYNCEUS_TEST_DATA") or Path(configured.BASE_DIR).parent / "shared" / "data")
    if not (data / "portraits").is_dir():
        pytest.skip(f"real photos are not at {data}; name their folder in LYNCEUS_TEST_DATA")
    return data / "portraits"


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_help_explains_every_argument_and_the_exit_code(command: str) -> None:
    text = " ".join(load_command_class("workers", command).create_parser("manage.py", command).format_help().split())
    assert "Exit code 0 when" in text


def test_without_arguments_it_says_what_is_missing() -> None:
    with pytest.raises(CommandError, match="required"):
        call_command("evaluate")
