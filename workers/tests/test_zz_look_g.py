import pytest
from datetime import timedelta
from django.urls import reverse
from django.utils import timezone
from alerts.tests.factories import AlertFactory
from workers.tests.test_browser import operator, page, port, sign_in, web
pytestmark = [pytest.mark.django_db(transaction=True)]
def test_look(page, port, tmp_path, operator):
    n = timezone.now()
    AlertFactory.create(captured_at=n, person_name="Ada Lovelace", severity="critical", reviews_needed=2)
    AlertFactory.create(captured_at=n, person=None, person_name="", severity="medium", count=3, last_at=n, zone_name="Yard", trigger="enters", detail="Somebody unknown entered Yard.")
    AlertFactory.create(captured_at=n, sighting=None, camera=None, camera_name="", person=None, person_name="Bob", trigger="absent", similarity=None, threshold=None, detail="Bob was not seen by 09:00.", severity="low")
    AlertFactory.create(captured_at=n, state="dismissed", dismissal="test", decided_at=n, assigned_to=operator)
    AlertFactory.create(captured_at=n, named_at=n, state="acknowledged", acknowledged_by=operator, acknowledged_at=n)
    with web(port, tmp_path/"w.log"):
        sign_in(page)
        for w in (1440, 390):
            page.set_viewport_size({"width": w, "height": 1000})
            page.goto(reverse("alerts")); page.wait_for_timeout(1500)
            page.keyboard.press("j"); page.keyboard.press("x")
            page.screenshot(path=f"/tmp/w/G/list{w}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
            page.locator("#listening summary").click(); page.wait_for_timeout(200)
            page.screenshot(path=f"/tmp/w/G/listen{w}.png")
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
            page.goto(reverse("dashboard")); page.wait_for_timeout(1500)
            page.keyboard.press("j"); page.keyboard.press("d")
            page.wait_for_timeout(300)
            page.emulate_media(color_scheme="dark")
            page.screenshot(path=f"/tmp/w/G/dash{w}.png")
            page.emulate_media(color_scheme="light")
    page.wait_for_timeout(1500)
