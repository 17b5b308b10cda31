"""Two trained people look at a match before it is more than a lead (EU AI Act, Article 14(5)).

Each answers alone: what one has answered is shown to nobody, on no page, in no push, in no API and in no audit trail,
until the alert is decided; until then only how many have answered. As many equal answers as `Alert.reviews_needed` says
decide: "the same person" confirms the alert, "not this person" dismisses it. Where the first ones differ, or could not
tell, it stays a lead and a further reviewer is asked; "I can not tell" never counts towards either.

Answering neither acknowledges the alert nor depends on its being acknowledged: while nobody has, further people are
told, as of any other alert.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services import Actor, record
from alerts import feedback_tasks, lifecycle, outbox
from alerts.errors import AlertError
from alerts.models import Alert, AlertRepeat, AlertState, Dismissal, Occasion, Review, StepKind, Training
from config.transactions import brief_transaction

LEADS = Q(reviews_needed__gt=0) & ~(
    Q(state=AlertState.CONFIRMED) | Q(state=AlertState.CLOSED, decided_at__isnull=False, dismissal="")
)
"""The alerts that `Alert.is_lead` is true of, for queries."""

SHOWN = Q(settled=True) & (
    Q(alert__dismissal=Dismissal.NOT_THIS_PERSON)
    | Q(alert__state=AlertState.CONFIRMED)
    | Q(alert__state=AlertState.CLOSED, alert__decided_at__isnull=False, alert__dismissal="")
)
"""The reviews that may be seen: reviewers have decided by now. Who dismisses a lead for another reason, or opens one
again, does not come to see what somebody answered before the next one has."""

UNTRAINED = (
    "You may not review: there is no valid record of your training in comparing faces. Ask an administrator to record "
    "it under Alerts, Trainings."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the review of an alert is. It says how many have answered and nothing of what."""

    answered: int
    needed: int
    has_answered: bool  # the one who asks

    @property
    def asks_for_more(self) -> bool:
        """Whether as many as are needed have answered without agreeing."""
        return self.answered >= self.needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the alert by an answer. `verdict` None: it is not decided yet."""

    progress: Progress
    verdict: Review.Answer | None


def of_leads() -> Q:
    """The sightings that a lead is about, or counts as repeats: of these programs are not told whom they show."""
    leads = Alert.objects.filter(LEADS)
    repeats = AlertRepeat.objects.filter(alert__in=leads)
    return Exists(leads.filter(sighting=OuterRef("pk"))) | Exists(repeats.filter(sighting=OuterRef("pk")))


def may_review(user: User) -> bool:
    """Whether this user may answer reviews today: they have the right to, and their training is valid."""
    today = timezone.localdate()
    return user.has_perm("alerts.review_alert") and (
        Training.objects.filter(user=user, trained_on__lte=today, valid_until__gte=today).exists()
    )


def with_the_right() -> QuerySet[User]:
    """Those who have the right to review, trained or not."""
    return User.objects.with_perm("alerts.review_alert", backend="django.contrib.auth.backends.ModelBackend")


def progress(alert: Alert, user: User | None = None) -> Progress:
    """How many have answered so far, and whether this user has."""
    open_ones = list(Review.objects.filter(alert=alert, settled=False).values_list("reviewer_id", flat=True))
    mine = user is not None and user.pk in open_ones
    return Progress(answered=len(open_ones), needed=alert.reviews_needed, has_answered=mine)


@brief_transaction()
def review(*, actor: User, alert: Alert, answer: Review.Answer, note: str = "") -> Outcome:
    """Takes one reviewer's answer, and decides the alert where enough agree. Raises AlertError."""
    if not may_review(actor):
        raise AlertError(UNTRAINED)
    row = lifecycle.touched(alert)  # from here on nobody else answers until this is committed
    if not row.reviews_needed:
        raise AlertError("This alert needs no reviews: confirm or dismiss it.")
    if row.state not in lifecycle.OPEN:
        raise AlertError(lifecycle.too_late(row))
    if Review.objects.filter(alert=row, reviewer=actor, settled=False).exists():
        raise AlertError("You have answered already. It takes another trained person now.")
    Review.objects.create(
        alert=row,
        reviewer=actor,
        reviewer_name=actor.get_username(),
        answer=answer,
        note=lifecycle.clean_text(note),
    )
    lifecycle.add_step(row.pk, StepKind.REVIEWED, actor)
    record(actor=actor, verb="reviewed", target=f"alert {row.pk}")
    verdict = _verdict(row)
    told = progress(row, actor)
    if verdict is Review.Answer.SAME:
        _confirm(actor, row)
    elif verdict is Review.Answer.DIFFERENT:
        _dismiss(actor, row)
    return Outcome(progress=told, verdict=verdict)


def shown(alert: Alert) -> list[Review]:
    """The answers that may be seen."""
    return list(Review.objects.filter(SHOWN, alert=alert))


@brief_transaction()
def record_training(*, actor: Actor, user: User, course: str, trained_on: date, valid_until: date) -> Training:
    """Puts on record that somebody was trained, in place of what was there before. Raises AlertError."""
    name = " ".join(course.replace("\x00", "").split())
    if not name or len(name) > 200:
        raise AlertError("Name the course or the test, in at most 200 characters.")
    if trained_on > timezone.localdate():
        raise AlertError("The training is in the future. Record it once it has taken place.")
    if valid_until < trained_on:
        raise AlertError("The training would be over before it took place. Check both dates.")
    values = {"course": name, "trained_on": trained_on, "valid_until": valid_until}
    recorded_by = actor if isinstance(actor, User) else None
    row, _ = Training.objects.update_or_create(user=user, defaults={**values, "recorded_by": recorded_by})
    said = {"trained_on": trained_on.isoformat(), "valid_until": valid_until.isoformat()}
    record(actor=actor, verb="recorded", target=f"training of {user.get_username()}", course=name, **said)
    return row


@brief_transaction()
def withdraw_training(*, actor: Actor, training: Training) -> None:
    """Takes a record of training away: from now on the user answers no reviews."""
    training.delete()
    record(actor=actor, verb="withdrawn", target=f"training of {training.user.get_username()}")


def _verdict(alert: Alert) -> Review.Answer | None:
    """The answer that enough reviewers have given."""
    given = Counter(Review.objects.filter(alert=alert, settled=False).values_list("answer", flat=True))
    for answer in (Review.Answer.SAME, Review.Answer.DIFFERENT):
        if given[answer.value] >= alert.reviews_needed:
            return answer
    return None


def _confirm(actor: User, alert: Alert) -> None:
    names = _settled(actor, alert, Review.Answer.SAME, AlertState.CONFIRMED)
    lifecycle.add_step(alert.pk, StepKind.CONFIRMED, actor, f"The same person, each for themselves: {names}")
    record(actor=actor, verb="confirmed", target=f"alert {alert.pk}", reviewers=names)
    alert.refresh_from_db()
    outbox.enqueue([alert], Occasion.CONFIRMED)  # it waits for who claims one of them, and may hold it, just now
    outbox.release(alert)
    transaction.on_commit(lambda: outbox.kick([alert.pk]))


def _dismiss(actor: User, alert: Alert) -> None:
    reason = Dismissal.NOT_THIS_PERSON
    names = _settled(actor, alert, Review.Answer.DIFFERENT, AlertState.DISMISSED, reason)
    text = f"{reason.label}, each for themselves: {names}"
    lifecycle.add_step(alert.pk, StepKind.DISMISSED, actor, text)
    record(actor=actor, verb="dismissed", target=f"alert {alert.pk}", reason=reason.value, reviewers=names)
    outbox.drop_held(alert)
    transaction.on_commit(lambda: feedback_tasks.send(alert.pk))


def _settled(
    actor: User, alert: Alert, answer: Review.Answer, state: AlertState, reason: Dismissal | None = None
) -> str:
    """Ends the review with this decision; who agreed on it, by name."""
    agreed = Review.objects.filter(alert=alert, settled=False, answer=answer).values_list("reviewer_name", flat=True)
    names = ", ".join(agreed)
    Alert.objects.filter(pk=alert.pk).update(**lifecycle.decided(actor, state, reason))
    lifecycle.settle(alert)
    return names
