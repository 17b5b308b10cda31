"""The page on which somebody unknown gets a name."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from cameras.identities import ledger, naming, reading
from cameras.identities.forms import NameForm
from cameras.models import Identity
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.models import Person

_SHOTS = 24


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("cameras.change_identity", raise_exception=True)
def name(request: PageRequest, pk: int) -> HttpResponse:
    """Enrols somebody unknown from chosen shots, or says that it is somebody who is enrolled (`person`)."""
    identity = get_object_or_404(Identity.objects.select_related("person"), pk=pk)
    if identity.merged_into_id is not None or identity.is_known:
        messages.info(request, f"This is {Identity.objects.get(pk=ledger.final(identity.pk))} already.")
        return redirect("identity", ledger.final(identity.pk))
    chosen = parse_id(request.POST.get("person") or request.GET.get("person"))
    person = Person.objects.filter(pk=chosen).first() if chosen else None
    form = NameForm(request.POST or None, initial={"person": person})
    context: dict[str, object] = {"answer": None}
    if form.is_valid():
        done = _named(request, identity, form)
        if done is not None and done.correction is not None:
            return _told(request, done)
        context["answer"] = done.enrolment if done is not None else None
    form.fields["name"].required = person is None  # as the page says it; the form itself knows when it is needed
    text = request.GET.get("q", "")
    shots = reading.best_shots(identity, _SHOTS)
    context |= {
        "identity": identity,
        "form": form,
        "person": person,
        "q": text,
        "people": reading.people_named(text),
        "shots": shots,
        "chosen": [str(one) for one in form.chosen] if form.is_bound else [str(row.pk) for row in shots[:3]],
    }
    return render_page(request, "cameras/identities/name.html", context)


def _named(request: PageRequest, identity: Identity, form: NameForm) -> naming.Naming | None:
    """What became of it; None where the form says what is wrong."""
    values = form.cleaned_data
    needed = "recognition.change_person" if values["person"] else "recognition.add_person"
    if not request.user.has_perm(needed):
        raise PermissionDenied
    try:
        return naming.name(
            actor=request.user,
            identity=identity,
            person=values["person"],
            name=values["name"],
            watchlist=values["watchlist"],
            shots=values["shots"],
            reason=values["reason"],
            all_the_same=values["all_the_same"],
        )
    except (RecognitionError, EngineError) as error:
        form.add_error(None, str(error))
    return None


def _told(request: PageRequest, done: naming.Naming) -> HttpResponse:
    """To the page of the person, saying what was done."""
    person = done.person
    if person is None:  # never of a naming that was done
        return go_to(request, reverse("history"))
    messages.success(request, f"This is {person.name}: all sightings so far are theirs. You can undo it on their page.")
    for one in done.enrolment.rejected if done.enrolment is not None else ():
        messages.warning(request, f"{one.photo} was not enrolled. {one.why}")
    return go_to(request, reverse("person", args=[person.pk]))
