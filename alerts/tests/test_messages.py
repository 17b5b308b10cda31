"""What messages say, on each channel, and what they keep to themselves."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import messages, shortening
from alerts.channels.base import Message
from alerts.channels.email import PICTURE
from alerts.facts import disclosure
from alerts.messages import Told, Wording
from alerts.models import Alert, AlertState, Channel, ListPolicy, Occasion, Severity, Trigger
from alerts.tests.outboxes import alert
from cameras.models import CameraEvent, EventKind
from cameras.tests.factories import NOON, CameraFactory
from recognition.tests.factories import WatchlistEntryFactory, WatchlistFactory

WHEN = datetime(2026, 3, 29, 0, 30, 5, tzinfo=UTC)
KEY = uuid.UUID(int=7)


@pytest.fixture
def ada(db: None) -> Alert:
    return alert(
        person_name="Ada Lovelace",
        camera_name="Gate",
        zone_name="Yard",
        rule_name="Night watch",
        detail="Has stayed for 5 minutes.",
        captured_at=WHEN,
        similarity=0.934,
        threshold=0.86,
    )


def policy(one: Alert, **values: bool) -> Alert:
    assert one.watchlist is not None
    for name, value in values.items():
        setattr(one.watchlist.policy, name, value)
    one.watchlist.policy.save()
    return one


def say(
    *alerts: Alert,
    channel: Channel = Channel.EMAIL,
    occasion: Occasion = Occasion.RAISED,
    wording: Wording | None = None,
    picture: bytes | None = None,
) -> Message:
    told = [Told(alert=one, occasion=occasion) for one in alerts]
    wording = wording or messages.default_wording(channel)
    return messages.compose(told, channel, key=KEY, wording=wording, picture=picture)


def test_an_email_says_who_where_when_and_links_to_the_page(ada: Alert, settings: Any) -> None:
    settings.TIME_ZONE, settings.SITE_URL = "Europe/Vienna", "https://lynceus.example.org"
    said = say(ada)

    link = f"https://lynceus.example.org/alerts/{ada.pk}/"
    assert said.subject == "Alert (High): Ada Lovelace, Gate, Yard"
    assert said.text.splitlines()[:5] == [
        "Alert: Ada Lovelace",
        "Has stayed for 5 minutes.",
        "",
        "Where: Gate, Yard",
        "Place: 52.52000, 13.40500",
    ]
    assert "When: Sun 29 Mar 2026 01:30:05 +01:00" in said.text
    assert "Similarity: 0.93, asked for: 0.86" in said.text
    assert "Times:" not in said.text
    assert said.text.endswith(link)
    assert (said.key, said.link, said.severity, said.occasion) == (KEY, link, Severity.HIGH, Occasion.RAISED)


def test_the_facts_are_for_programs(ada: Alert) -> None:
    (facts,) = say(ada, channel=Channel.WEBHOOK).facts
    assert (facts.alert, facts.who, facts.person) == (ada.pk, "Ada Lovelace", ada.person_id)
    assert (facts.where, facts.camera_name, facts.camera) == ("Gate, Yard", "Gate", ada.camera_id)
    assert (facts.captured_at, facts.state, facts.lead) == (WHEN, "new", False)


@pytest.mark.parametrize(("hour", "said"), [(0, "02:30:00 +02:00"), (1, "02:30:00 +01:00")])
def test_an_hour_that_comes_twice_is_told_apart(ada: Alert, settings: Any, hour: int, said: str) -> None:
    settings.TIME_ZONE = "Europe/Vienna"
    ada.captured_at = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    assert said in say(ada).text


# What stays inside


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS, Channel.WEBHOOK, Channel.CHAT, Channel.MQTT])
def test_a_name_that_stays_inside_is_nowhere_in_the_message(ada: Alert, channel: Channel) -> None:
    assert ada.watchlist is not None
    ada.watchlist_name = ada.watchlist.name
    ada.rule_name = f"{ada.watchlist.name} seen"
    ada.detail = "Ada Lovelace was not seen by 18:00."
    said = say(policy(ada, names_outside=False), channel=channel)

    (facts,) = said.facts
    assert (facts.who, facts.person, facts.watchlist, facts.rule) == ("Somebody on a watchlist", None, "", "")
    for text in (repr(said.facts), said.subject, said.text, said.short, said.html):
        assert "Lovelace" not in text
        assert ada.watchlist_name not in text
    assert "Somebody on a watchlist" in said.short


def test_the_log_in_the_house_holds_the_name(ada: Alert) -> None:
    (facts,) = say(policy(ada, names_outside=False), channel=Channel.LOG).facts
    assert facts.who == "Ada Lovelace"


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.LOG, Channel.SYSLOG, Channel.SMS])
def test_a_lead_names_nobody_anywhere(ada: Alert, channel: Channel) -> None:
    ada.reviews_needed = 2
    said = say(policy(ada, names_outside=True, pictures_outside=True), channel=channel)

    (facts,) = said.facts
    assert (facts.who, facts.person, facts.lead) == ("A possible match", None, True)
    assert "waits for review by 2 trained people" in facts.detail
    assert said.subject.startswith("To review (High): A possible match")
    for text in (repr(said.facts), said.subject, said.text, said.short, said.html):
        assert "Lovelace" not in text
    ada.state = AlertState.CONFIRMED
    assert say(ada, channel=channel).facts[0].who == "Ada Lovelace"


def test_a_watchlist_that_was_deleted_gives_no_name_away(ada: Alert) -> None:
    ada.watchlist = None
    assert say(ada).facts[0].who == "Somebody on a watchlist"
    ada.watchlist_name = ""  # the rule names the person
    assert say(ada).facts[0].who == "Ada Lovelace"


@pytest.mark.django_db
def test_what_is_no_person_is_called_what_it_is() -> None:
    unknown = alert(person=None, person_name="", watchlist=None, watchlist_name="")
    assert say(unknown).facts[0].who == "Unknown face"
    crowd = alert(person=None, person_name="", watchlist=None, watchlist_name="", trigger=Trigger.CROWD)
    assert say(crowd).facts[0].who == "Too many people"


@pytest.mark.django_db
def test_trouble_of_a_camera_and_its_end() -> None:
    camera = CameraFactory.create(name="Gate")
    event = CameraEvent.objects.create(
        camera=camera, camera_name="Gate", kind=EventKind.DOWN, began_at=NOON, detail="It does not answer."
    )
    one = Alert.objects.create(
        event=event, camera=camera, camera_name="Gate", severity="high", captured_at=NOON, trigger=Trigger.CAMERA
    )
    assert say(one).subject == "Alert (High): No pictures, Gate"
    assert "It does not answer." in say(one).text
    assert say(one, occasion=Occasion.ENDED, channel=Channel.SMS).short.startswith("Over (High): No pictures, Gate, ")


@pytest.mark.django_db
def test_an_absence_is_nowhere() -> None:
    one = Alert.objects.create(
        person_name="Ada", severity="low", captured_at=NOON, trigger=Trigger.ABSENT, day=NOON.date()
    )
    said = say(one)
    assert said.facts[0].where == ""
    assert "Where: anywhere" in said.text
    assert "Similarity" not in said.text
    assert "Place" not in said.text


# Several at once


def test_a_digest_has_everything_oldest_first(ada: Alert) -> None:
    other = alert(person_name="Bob", camera_name="Hall", severity=Severity.LOW)
    said = say(ada, other, channel=Channel.CHAT)

    assert [facts.alert for facts in said.facts] == [ada.pk, other.pk]
    assert said.subject == "2 alerts (High): Ada Lovelace, Bob"
    assert said.text.index("Gate") < said.text.index("Hall")
    assert said.link.endswith("/alerts/")
    assert said.short.startswith("2 alerts: Ada Lovelace, Gate, Yard, ")
    assert said.severity == Severity.HIGH


def test_a_long_digest_fits_in_one_sms(ada: Alert) -> None:
    said = say(*[ada] * 30, channel=Channel.SMS)
    assert said.short.startswith("30 alerts: Ada Lovelace")
    assert said.short.endswith(" more")
    assert shortening.fits(said.short)
    assert say(ada, ada, ada, ada, ada).subject == "5 alerts (High): Ada Lovelace"


# Texts of the site's own


def test_placeholders_are_filled_and_empty_lines_left_out(ada: Alert) -> None:
    ada.detail = ""
    wording = Wording(subject="$who!", body="$who at $zone\nBecause: $detail\n\n\nCosts $$5, $nothing\nLast")
    said = say(ada, wording=wording)
    assert said.subject == "Ada Lovelace!"
    assert said.text == "Ada Lovelace at Yard\n\nCosts $5, $nothing\nLast"


def test_an_sms_of_ones_own(ada: Alert) -> None:
    wording = Wording(subject="", body="$when $who @ $where\n$link")
    short = say(ada, channel=Channel.SMS, wording=wording).short
    assert short.startswith("Sun 29 Mar 00:30 +00:00 Ada Lovelace @ Gate")


@pytest.mark.parametrize("channel", list(Channel))
def test_the_texts_that_come_with_it_are_right(channel: Channel) -> None:
    wording = messages.default_wording(channel)
    assert messages.check_template(channel, wording.subject, wording.body) == []


@pytest.mark.parametrize(
    ("channel", "subject", "body", "problem"),
    [
        (Channel.EMAIL, "$who", "$name was seen", "“$name” is no placeholder. There are: $occasion, $severity, $who"),
        (Channel.EMAIL, "$wer", "$who", "“$wer” is no placeholder"),
        (Channel.EMAIL, "", "costs 5 $", "A “$” stands alone"),
        (Channel.EMAIL, "", " \n", "The text is empty"),
        (Channel.EMAIL, "a\r\nBcc: all@example.org", "$who", "The subject has more than one line"),
        (Channel.SMS, "", "$who was seen", "An SMS must say who, where and when"),
    ],
)
def test_texts_that_can_not_be_used(channel: Channel, subject: str, body: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in messages.check_template(channel, subject, body))


@pytest.mark.parametrize("channel", [channel for channel in Channel if channel is not Channel.LIVE])
def test_a_sample_is_marked_as_a_test(channel: Channel) -> None:
    said = messages.sample_message(channel, "", "")
    assert said.is_test
    assert said.subject.startswith("Test: ")
    assert len(said.facts) == 1
    assert shortening.fits(said.short)


def test_a_sample_shows_the_text_that_is_tried() -> None:
    said = messages.sample_message(Channel.EMAIL, "Look: $who", "$who at $where")
    assert (said.subject, said.text) == ("Test: Look: Ada Example", "Ada Example at Main entrance, Door")


# What names may hold


@pytest.mark.parametrize("name", ["Ada\r\nBcc: all@example.org", "Ada\u2028x", "Ada\x00\x1b[31m", "Ada\u202egnp.exe"])
def test_a_name_can_not_break_out_of_its_line(ada: Alert, name: str) -> None:
    ada.person_name = name
    said = say(ada)
    assert said.subject.isprintable()
    assert all(line.isprintable() for line in said.text.splitlines())
    assert len(said.text.splitlines()) == len(say(alert_named(ada, "Ada")).text.splitlines())


def alert_named(one: Alert, name: str) -> Alert:
    one.person_name = name
    return one


def test_html_is_escaped_and_shows_the_picture_that_comes_with_it(ada: Alert) -> None:
    ada.person_name = "<script>alert(1)</script> & $who"
    said = say(ada, picture=b"jpeg")
    assert "<script>" not in said.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $who" in said.html
    assert f"cid:{PICTURE}" in said.html
    assert "cid:" not in say(ada).html
    assert 'content="light dark"' in said.html
    assert said.picture == b"jpeg"
    assert said.link in said.html


def test_only_emails_need_html(ada: Alert) -> None:
    assert say(ada, channel=Channel.CHAT).html == ""


# One SMS


def test_an_sms_says_who_where_when_and_links(ada: Alert) -> None:
    short = say(ada, channel=Channel.SMS).short
    assert short.startswith("Alert (High): Ada Lovelace, Gate, Yard, Sun 29 Mar 00:30 +00:00. http")
    assert len(short) <= 160


def test_a_long_link_is_left_out_before_anything_else(ada: Alert, settings: Any) -> None:
    settings.SITE_URL = "https://lynceus." + "very-" * 30 + "long.example.org"
    short = say(ada, channel=Channel.SMS).short
    assert short == "Alert (High): Ada Lovelace, Gate, Yard, Sun 29 Mar 00:30 +00:00."


def test_names_are_written_without_accents_that_sms_lacks(ada: Alert) -> None:
    ada.person_name, ada.camera_name = "Łukasz Šťastný “Žižka”", "Türkenstraße"
    short = say(ada, channel=Channel.SMS).short
    assert 'Lukasz Stastny "Zizka", Türkenstraße, Yard' in short
    assert len(short) <= 160


def test_other_scripts_are_kept_in_the_room_that_they_have(ada: Alert) -> None:
    ada.person_name = "Анна Ахматова"
    short = say(ada, channel=Channel.SMS).short
    assert "Анна Ахматова, Gate" in short
    assert "29 Mar 00:30 +00:00" in short
    assert len(short) <= 70


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(who=st.text(min_size=1, max_size=200), where=st.text(min_size=1, max_size=200), link=st.text(max_size=200))
def test_every_sms_fits_and_says_when(who: str, where: str, link: str) -> None:
    values = {"who": who, "where": where, "when": "Sun 29 Mar 00:30", "link": link}
    text = shortening.fit(lambda given: "{who}, {where}, {when}. {link}".format_map(given), values)
    assert shortening.fits(text)
    assert "Sun 29 Mar 00:30" in text


@pytest.mark.parametrize(("character", "most"), [("a", 160), ("€", 80), ("я", 70), ("😀", 35)])
def test_room_is_counted_as_phones_do(character: str, most: int) -> None:
    assert shortening.fits(character * most)
    assert not shortening.fits(character * (most + 1))


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS, Channel.WEBHOOK])
def test_what_one_list_keeps_inside_no_other_rule_lets_out(ada: Alert, channel: Channel) -> None:
    """By a rule about anybody, or another list's, the name is the same person's."""
    policy(ada, names_outside=True, pictures_outside=True)
    other = WatchlistEntryFactory.create(person=ada.person, watchlist=WatchlistFactory.create(name="Missing children"))
    ListPolicy.objects.update_or_create(
        watchlist=other.watchlist, defaults={"names_outside": False, "pictures_outside": False}
    )
    of_anybody = alert(person=ada.person, person_name="Ada Lovelace", watchlist=None, watchlist_name="", rule=None)

    for one in (Alert.objects.get(pk=ada.pk), of_anybody):
        said = say(one, channel=channel)
        assert "Ada" not in f"{said.subject} {said.text} {said.short}"
        assert said.facts[0].person is None
        assert not disclosure(one, channel).picture


def test_a_lead_tells_neither_its_list_where_that_stays_inside_nor_who_by_the_name_of_its_rule(ada: Alert) -> None:
    ada.reviews_needed, ada.rule_name = 2, "Is Ada Lovelace there"
    ada.save()
    (facts,) = say(policy(ada, names_outside=False)).facts
    assert (facts.watchlist, facts.rule) == ("", "")

    (facts,) = say(policy(ada, names_outside=True)).facts
    assert (facts.watchlist, facts.rule) == (ada.watchlist_name, "")
