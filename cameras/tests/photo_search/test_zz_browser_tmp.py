from __future__ import annotations
import time, hashlib, io, zipfile
from datetime import timedelta
import pytest
from django.utils import timezone
from playwright.sync_api import sync_playwright
from workers.tests.test_browser import web, port, ARGS, BROWSERS  # noqa
import shutil
from accounts import vault
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from cameras.models import Identity, Link, shot_scope, Sighting
from cameras.services import shot_bind
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.photo_search.looks import in_memory, unknown
from cameras.photo_search.running import run_waiting
from recognition.engine import decode_photo
from recognition.packs import current_pack
from recognition.photos import portrait_jpeg
from recognition.services import enrol
from recognition.tests.photos import astronaut, changed, crowd, upload

@pytest.mark.django_db(transaction=True)
def test_look(port, tmp_path):
    user = UserFactory.create(username="ada", role=Role.OPERATOR)
    image = decode_photo(astronaut()); pack = current_pack()
    f = pack.analyse(image)[0]
    jpeg = portrait_jpeg(image, f.box)
    person = enrol(actor=None, name="Eileen Collins", photos=[upload(astronaut())]).person
    ident = Identity.objects.create(person=person)
    def shot(row):
        row.sealed_shot = vault.seal(shot_scope(row.shot_day), jpeg, bind=shot_bind(row.pk)); row.save()
    now = timezone.now()
    for n in range(8):
        row = SightingFactory.create(person=person, identity=ident, camera=CameraFactory.create(name=f"Hall {n}"), link=Link.RECOGNISED, first_seen=now - timedelta(minutes=9*n+2))
        shot(row)
    them = Identity.objects.create()
    cimg = decode_photo(changed(astronaut()))
    g = pack.analyse(cimg)[0]
    for n in range(3):
        t = unknown(g.embedding, identity=them, camera=CameraFactory.create(name=f"Gate {n}")); shot(t.sighting)
    with web(port, tmp_path / "log"), sync_playwright() as p:
        found = next(x for x in map(shutil.which, BROWSERS) if x)
        b = p.chromium.launch(executable_path=found, args=ARGS)
        ctx = b.new_context(viewport={"width": 1440, "height": 1000}, base_url=f"http://127.0.0.1:{port}")
        page = ctx.new_page()
        said = []
        page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        page.goto("/accounts/login/"); page.fill("input[name=username]", "ada"); page.fill("input[name=password]", "a-long-password"); page.click("button[type=submit]")
        page.goto("/search/")
        page.screenshot(path="/tmp/w/d/s1.png", full_page=True)
        page.set_input_files("main input[type=file]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": astronaut()})
        page.fill("input[name=case_number]", "2026/0417"); page.fill("input[name=reason]", "Bag left at the gate")
        page.click("main form.sheet button[type=submit]")
        page.wait_for_selector("#found", timeout=60000)
        page.wait_for_timeout(500)
        page.screenshot(path="/tmp/w/d/s2.png", full_page=True)
        assert run_waiting(in_memory())
        page.wait_for_selector("#search-state:has-text('Done')", timeout=20000)
        page.wait_for_timeout(800)
        page.screenshot(path="/tmp/w/d/s3.png", full_page=True)
        address = page.url
        ov = {}
        for w, scheme in ((390, "light"), (390, "dark"), (1440, "dark")):
            page.set_viewport_size({"width": w, "height": 844}); page.emulate_media(color_scheme=scheme)
            for path, name in ((address, "found"), ("/search/", "list"), (f"/identities/{ident.pk}/evidence/", "evidence")):
                page.goto(path); page.wait_for_timeout(600)
                ov[(w, name)] = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                page.screenshot(path=f"/tmp/w/d/{name}-{w}-{scheme}.png", full_page=True)
        print("overflow", ov, "console", said)
        # several faces
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto("/search/"); page.set_input_files("main input[type=file]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": crowd()})
        page.fill("input[name=case_number]", "2026/0417"); page.fill("input[name=reason]", "Bag left at the gate")
        page.click("main form.sheet button[type=submit]"); page.wait_for_selector(".faces-to-choose", timeout=60000)
        page.screenshot(path="/tmp/w/d/choose.png", full_page=True)
        # evidence
        page.goto(f"/identities/{ident.pk}/evidence/"); page.fill("input[name=case_number]", "2026/0417"); page.fill("input[name=reason]", "Asked for by the police")
        with page.expect_download() as d:
            page.click("main form.sheet button[type=submit]")
        data = open(d.value.path(), "rb").read()
        z = zipfile.ZipFile(io.BytesIO(data)); print(z.namelist(), z.testzip())
        z.extractall("/tmp/w/d/ev")
        time.sleep(1)
        ev = AuditEvent.objects.get(verb="took evidence"); assert ev.detail["sha256"] == hashlib.sha256(data).hexdigest()
        page.goto("file:///tmp/w/d/ev/report.html"); page.screenshot(path="/tmp/w/d/report.png", full_page=True)
        # the other side goes away
        for n in range(150):
            row = SightingFactory.create(person=person, identity=ident, camera=None, link=Link.RECOGNISED, first_seen=now - timedelta(minutes=9*n+2)); shot(row)
        import http.client, urllib.parse
        cookies = {c["name"]: c["value"] for c in ctx.cookies()}
        body = urllib.parse.urlencode({"case_number": "1", "reason": "cut off", "csrfmiddlewaretoken": cookies["csrftoken"]})
        conn = http.client.HTTPConnection("127.0.0.1", port)
        conn.request("POST", f"/identities/{ident.pk}/evidence/", body, {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
        r = conn.getresponse(); print(r.status, r.getheader("Content-Type")); got = r.read(3000); r.close(); conn.close()
        for _ in range(60):
            time.sleep(0.5)
            cut = AuditEvent.objects.filter(verb="evidence was cut").first()
            if cut: break
        print("cut", cut and cut.detail)
        print(open(tmp_path / "log").read()[-2500:])
        b.close()
