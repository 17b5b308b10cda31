"""Pages that enrol: a new person, more photos of one, and what has to be decided before photos are stored."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from accounts.htmx import PageRequest, go_to, render_page
from accounts.ids import parse_id
from accounts.pictures import thumbnail
from accounts.vault import VaultError
from recognition import pending, services
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.forms import EnrolForm, PhotosForm
from recognition.gallery import gallery
from recognition.models import OnDuplicate, PendingEnrolment, Person, Watchlist
from recognition.names import clean_name
from recognition.photos import Treatment, Upload
from recognition.services import Enrolment

_TREATMENTS = {"picture": Treatment.ENHANCED_PICTURE, "matching": Treatment.ENHANCED_MATCHING}


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("recognition.add_person", raise_exception=True)
def enrol(request: PageRequest) -> HttpResponse:
    """Enrols a new person from uploaded photos."""
    form = EnrolForm(
        request.POST or None,
        request.FILES or None,
        content_length=content_length(request),
        initial={"watchlist": request.GET.get("watchlist")},
    )
    context: dict[str, object] = {"form": form}
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        answer = _enrol(request, form, context, values["name"], None, values["watchlist"])
        if answer is not None:
            return answer
    return render_page(request, "recognition/enrol.html", context, partial="form")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("recognition.change_person", raise_exception=True)
def add_photos(request: PageRequest, pk: int) -> HttpResponse:
    """Adds photos to somebody who is enrolled."""
    person = get_object_or_404(Person, pk=pk)
    form = PhotosForm(request.POST or None, request.FILES or None, content_length=content_length(request))
    context: dict[str, object] = {"form": form, "person": person}
    if request.method == "POST" and form.is_valid():
        answer = _enrol(request, form, context, person.name, person, None)
        if answer is not None:
            return answer
    return render_page(request, "recognition/add_photos.html", context, partial="form")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(["recognition.view_person"], raise_exception=True)
def decide(request: PageRequest, pk: uuid.UUID) -> HttpResponse:
    """Asks what shall become of photos that wait, and does it."""
    row = pending.find(request.user, pk)
    if row is None:
        messages.info(
            request, "Those photos are not waiting any more: it was decided, or they were dropped. Send anew."
        )
        return go_to(request, reverse("enrol"))
    if not request.user.has_perm(f"recognition.{'change' if row.person_id else 'add'}_person"):
        raise PermissionDenied
    if request.method == "POST":
        answer = _decided(request, row)
        if answer is not None:
            return answer
    context: dict[str, object] = {"row": row, "threshold": None, "question": None}
    try:
        question = pending.question(row)
        context |= {"question": question, "threshold": gallery().pack_threshold}
        context["photos"] = [
            {
                "photo": photo,
                "portrait": thumbnail(photo.portrait) if photo.portrait else "",
                "enhanced": thumbnail(photo.enhancement.after) if photo.enhancement else "",
            }
            for photo in question.photos
        ]
        context["usable"] = sum(not photo.why for photo in question.photos)
    except (EngineError, VaultError) as error:
        messages.error(request, str(error))
    return render_page(request, "recognition/decide.html", context)


def content_length(request: PageRequest) -> int:
    """How many bytes the request says that it has."""
    length = request.META.get("CONTENT_LENGTH") or ""
    return int(length) if length.isdigit() else 0


def _enrol(
    request: PageRequest,
    form: PhotosForm,
    context: dict[str, object],
    name: str,
    person: Person | None,
    watchlist: Watchlist | None,
) -> HttpResponse | None:
    """Enrols what the form holds; None where the form shall be shown again, with what is wrong in the context."""
    photos = form.uploads()
    try:
        result = services.enrol(
            actor=request.user,
            name=name,
            photos=photos,
            watchlist=watchlist,
            person=person,
            on_duplicate=OnDuplicate.REFUSE,
            careful=True,
        )
        name = clean_name(name)
    except RecognitionError as error:
        form.add_error("name" if "name" in form.fields else None, str(error))
        return None
    except EngineError as error:
        form.add_error(None, str(error))
        return None
    if result.person is not None and (result.photos or result.there):
        _tell(request, result)
        _offer(request, result.person, [one for one in photos if one.name in _poor(result)])
        return go_to(request, reverse("person", args=[result.person.pk]))
    asks = bool(result.duplicates or result.doubts)
    if asks or _poor(result):
        row = pending.keep(user=request.user, name=name, photos=photos, person=person, watchlist=watchlist)
        place = reverse("enrol_decide", args=[row.pk])
        if asks:
            return go_to(request, place)
        context["enhance"] = place
    context["rejected"] = result.rejected
    return None


def _decided(request: PageRequest, row: PendingEnrolment) -> HttpResponse | None:
    """Does what was chosen; None where the question shall be asked again."""
    choice = request.POST.get("choice", "")
    if choice == "cancel":
        pending.drop(row)
        messages.info(request, "Nothing was enrolled, and the photos are forgotten.")
        return go_to(request, reverse("person", args=[row.person_id]) if row.person_id else reverse("enrol"))
    person = row.person
    if choice.startswith("join:"):
        if not request.user.has_perm("recognition.change_person"):
            raise PermissionDenied
        person = get_object_or_404(Person, pk=parse_id(choice.removeprefix("join:")) or 0)
    elif choice != "go":
        messages.error(request, "Choose what shall be done with the photos.")
        return None
    wanted = {n: _TREATMENTS.get(request.POST.get(f"photo-{n}", "")) for n in row.photos.values_list("pk", flat=True)}
    treatments = {number: treatment for number, treatment in wanted.items() if treatment is not None}
    try:
        done = pending.decide(row, user=request.user, person=person, treatments=treatments)
    except (RecognitionError, EngineError, VaultError) as error:
        messages.error(request, str(error))
        return None
    if done.person is None or not (done.photos or done.there):
        messages.error(request, "No photo was chosen that can be used. Choose an enhanced one, or cancel.")
        return None
    _tell(request, done)
    return go_to(request, reverse("person", args=[done.person.pk]))


def _poor(result: Enrolment) -> set[str]:
    """The names of photos that were refused for their quality alone: enhancing may help."""
    return {one.photo for one in result.rejected if one.code == "quality"}


def _offer(request: PageRequest, person: Person, photos: Sequence[Upload]) -> None:
    """Keeps photos of poor quality for a while, and says where their enhanced form can be looked at."""
    if photos:
        row = pending.keep(user=request.user, name=person.name, photos=photos, person=person)
        text = "Enhancing may help photos of poor quality. <a href='{}'>Look at them enhanced</a> and decide."
        messages.info(request, format_html(text, reverse("enrol_decide", args=[row.pk])))


def _tell(request: PageRequest, result: Enrolment) -> None:
    if result.templates:
        photos = "1 photo was" if result.templates == 1 else f"{result.templates} photos were"
        messages.success(request, f"{photos} enrolled. Every camera knows this face within two seconds.")
    if result.photos > result.templates:
        messages.info(request, "An enhanced photo is kept to be looked at; cameras do not compare with it.")
    for name in result.there:
        messages.info(request, f"{name} is enrolled for this person already, so it was not stored again.")
    for one in result.rejected:
        messages.warning(request, f"{one.photo} was not used. {one.why}")
