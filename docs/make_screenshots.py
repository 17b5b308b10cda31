"""Makes the pictures of docs/screenshots from a running Lynceus: every page, wide and narrow, light and dark.

    python docs/make_screenshots.py --url http://127.0.0.1:8000 --user demo --password ...

The account should be an administrator, and the demo should have run for a minute, so that there is something to see.
With `--photo`, a photo of somebody who is enrolled, it also shows what a search finds and what is asked before the
same face is enrolled under another name; that is cancelled afterwards, so that only the record of the searches stays.
Needs the `dev` extra (Playwright) and a Chromium on PATH.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {1440: 900, 390: 844}
LIVE = ("dashboard", "cameras", "camera", "wall", "follow", "identity")
DRAWN = {"identity": "On Station", "movement-identity": "On Station", "movement-plan": "Where people were seen"}
SETTLE_MS = 2500  # live pictures and the WebSocket have arrived by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A page to photograph: its file name and its address."""

    name: str
    path: str


def main() -> int:
    arguments = _arguments()
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        print("No Chromium was found on PATH. Install one, then run this again.", file=sys.stderr)  # noqa: T201
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=ARGS)
        for (width, height), scheme in product(SIZES.items(), ("light", "dark")):
            _one_look(browser, arguments, width, height, scheme)
        browser.close()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Photographs every page of a running Lynceus.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "screenshots")
    parser.add_argument("--photo", type=Path, help="a photo of somebody who is enrolled")
    parser.add_argument("--only", default="", help="parts of the names of the pages wanted, comma between")
    return parser.parse_args()


def _one_look(browser: Browser, arguments: argparse.Namespace, width: int, height: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2 if width < 500 else 1,
        base_url=arguments.url,
    )
    page = context.new_page()
    page.on("console", _complain)
    page.goto("/accounts/login/")
    wanted = str(arguments.only)
    _take(page, arguments.out, Shot(name="login", path="/accounts/login/"), width, scheme, wanted)
    page.fill("input[name=username]", arguments.user)
    page.fill("input[name=password]", arguments.password)
    page.click("button[type=submit]")
    for shot in list(_shots(page)):
        _take(page, arguments.out, shot, width, scheme, wanted)
    if arguments.photo:
        _show_answers(page, arguments, width, scheme)
    context.close()


def _show_answers(page: Page, arguments: argparse.Namespace, width: int, scheme: str) -> None:
    """The pages that answer to a photo: what a search found, and the question before somebody is enrolled twice."""
    for name, path in (("photo-search", "/search/"), ("enrol-decide", "/people/enrol/")):
        if not _is_wanted(name, str(arguments.only)):
            continue
        page.goto(path)
        page.set_input_files("main input[type=file]", arguments.photo)
        if name == "enrol-decide":
            page.fill("main input[name=name]", "Somebody new")
        else:
            page.fill("main input[name=case_number]", "2026/0417")
            page.fill("main input[name=reason]", "Asked for by the police")
        page.click("main form.sheet button[type=submit]")
        page.wait_for_selector(".found, .compare", timeout=60_000)
        page.wait_for_timeout(900)
        _save(page, arguments.out, name, width, scheme)
        if name == "enrol-decide":
            page.click("button[value=cancel]")


def _complain(message: ConsoleMessage) -> None:
    if message.type == "error":
        print(f"console: {message.text}", file=sys.stderr)  # noqa: T201


def _shots(page: Page) -> Iterator[Shot]:
    """Every page; those of one person, camera or alert are found by following the lists."""
    fixed = {
        "dashboard": "/",
        "alerts": "/alerts/",
        "figures": "/alerts/figures/",
        "rules": "/rules/",
        "rule-add": "/rules/add/",
        "places": "/places/",
        "routes": "/places/routes/",
        "history": "/history/",
        "movement": "/movement/",
        "proposals": "/identities/proposals/",
        "follows": "/follow/",
        "channels": "/channels/",
        "channel-add": "/channels/add/",
        "notifications": "/channels/mine/",
        "people": "/people/",
        "enrol": "/people/enrol/",
        "imports": "/people/imports/",
        "duplicates": "/people/duplicates/",
        "photo-searches": "/search/",
        "watchlists": "/people/watchlists/",
        "watchlist-add": "/people/watchlists/add/",
        "cameras": "/cameras/",
        "wall": "/wall/",
        "camera-add": "/cameras/add/",
        "models": "/models/",
        "account": "/accounts/",
        "not-found": "/nothing-here/",
    }
    for name, path in fixed.items():
        yield Shot(name=name, path=path)
    found = {
        "alert": _first_link(page, "/alerts/", r"^/alerts/\d+/$"),
        "camera": _first_link(page, "/cameras/", r"^/cameras/\d+/$"),
        "import": _first_link(page, "/people/imports/", r"^/people/imports/\d+/$"),
        "merge": _first_link(page, "/people/duplicates/", r"^/people/\d+/merge/"),
        "model-use": _first_link(page, "/models/", r"^/models/[\w-]+/use/$"),
        "model-licence": _first_link(page, "/models/", r"^/models/[\w-]+/licence/$"),
    }
    found["person"] = _first_link(page, found["alert"] or "/people/", r"^/people/\d+/$")
    found["plan"] = _first_link(page, "/places/", r"^/places/plans/\d+/$")
    found["movement-plan"] = _first_link(page, "/movement/", r"^/movement/plans/\d+/")
    found["movement-camera"] = _first_link(page, "/movement/", r"^/movement/cameras/\d+/")
    found |= _who(page)
    parts = {"person": ("edit", "delete"), "camera": ("edit",)}
    for name, link in found.items():
        if link is None:
            print(f"There is no page to show as {name}.", file=sys.stderr)  # noqa: T201
            continue
        yield Shot(name=name, path=link)
        for part in parts.get(name, ()):
            yield Shot(name=f"{name}-{part}", path=f"{link}{part}/")


def _who(page: Page) -> dict[str, str | None]:
    """The pages of somebody unknown, who was seen most lately."""
    identity = _first_link(page, "/history/?who=unknown", r"^/identities/\d+/$")
    number = identity.strip("/").rpartition("/")[2] if identity else ""
    if not number:
        return {"identity": None}
    page.goto(f"/follow/{number}/")
    if (begin := page.get_by_role("button", name="Follow them")).count():
        begin.click()
    return {
        "identity": identity,
        "identity-name": f"/identities/{number}/name/",
        "identity-split": f"/identities/{number}/split/",
        "evidence": f"/identities/{number}/evidence/",
        "movement-identity": f"/movement/identities/{number}/",
        "movement-compare": f"/movement/compare/?a={number}&b=1",
        "follow": f"/follow/{number}/",
    }


def _first_link(page: Page, start: str, pattern: str) -> str | None:
    page.goto(start)
    links = [link.get_attribute("href") or "" for link in page.locator("main a[href]").all()]
    return next((link for link in links if re.match(pattern, link)), None)


def _take(page: Page, out: Path, shot: Shot, width: int, scheme: str, wanted: str) -> None:
    if not _is_wanted(shot.name, wanted):
        return
    page.goto(shot.path)
    page.wait_for_timeout(SETTLE_MS if shot.name in LIVE else 900)
    if shot.name in DRAWN and (heading := page.get_by_role("heading", name=DRAWN[shot.name])).count():
        heading.evaluate("heading => heading.scrollIntoView()")
    _save(page, out, shot.name, width, scheme)


def _is_wanted(name: str, wanted: str) -> bool:
    return any(part in name for part in wanted.split(","))


def _save(page: Page, out: Path, name: str, width: int, scheme: str) -> None:
    """Photographs what is shown, and complains where it is wider than the window."""
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        print(f"{name} is {overflow} px too wide at {width} px.", file=sys.stderr)  # noqa: T201
    picture = Image.open(io.BytesIO(page.screenshot()))
    dark = "-dark" if scheme == "dark" else ""
    picture.save(out / f"{name}-{width}{dark}.webp", quality=86, method=6)


if __name__ == "__main__":
    sys.exit(main())
