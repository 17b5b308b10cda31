"""What the messages of each channel say: the list, and changing one with a preview as one types."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page, wants_partial
from accounts.models import User
from alerts import channel_views, shortening, trials, wording
from alerts import messages as texts
from alerts.channel_forms import TemplateForm
from alerts.messages import Wording
from alerts.models import Channel, Endpoint
from alerts.wording import TextError

PAGE = "alerts/channels/message.html"


@require_safe
@permission_required("alerts.view_messagetemplate", raise_exception=True)
def message_templates(request: PageRequest) -> HttpResponse:
    """The channels with what their messages say."""
    found = wording.texts(wording.templated())
    return render_page(request, "alerts/channels/messages.html", {"texts": list(found.items())})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.change_messagetemplate", raise_exception=True)
def message_template(request: PageRequest, kind: str) -> HttpResponse:
    """Changes what the messages of a channel say."""
    channel = channel_views.chosen(kind, wording.templated())
    if request.method == "POST":
        form = TemplateForm(request.POST, channel=channel)
        if form.is_valid() and _saved(request, channel, form):
            messages.success(request, f"{channel.label}: messages say this from now on.")
            return go_to(request, reverse("message_templates"))
    else:
        now = wording.text_of(channel).wording
        form = TemplateForm(initial={"subject": now.subject, "body": now.body}, channel=channel)
    return _page(request, channel, form)


@require_POST
@permission_required("alerts.change_messagetemplate", raise_exception=True)
def preview_template(request: PageRequest, kind: str) -> HttpResponse:
    """How a message with this text looks; the whole form again for who has no scripts."""
    channel = channel_views.chosen(kind, wording.templated())
    form = TemplateForm(request.POST, channel=channel)
    context = _context(request, channel, form)
    form.errors.clear()  # nobody asked to save it yet
    return render_page(request, PAGE, context, partial="preview")


@require_POST
@permission_required("alerts.change_messagetemplate", raise_exception=True)
def test_template(request: PageRequest, kind: str) -> HttpResponse:
    """Sends a test message with the text that stands in the form."""
    channel = channel_views.chosen(kind, wording.templated())
    form = TemplateForm(request.POST, channel=channel)
    row = get_object_or_404(_places(request.user, channel), pk=_asked_for(request.POST.get("to", "")))
    if form.is_valid():
        text = _text(form)
        problems = texts.check_template(channel, text.subject, text.body)
        problem = " ".join(problems) or trials.send_test(actor=request.user, endpoint=row, text=text)
    else:
        problem = "There is nothing to send yet: write a text first."
    if wants_partial(request):
        return channel_views.tested(request, row, problem or None, back="")
    context = _context(request, channel, form) | {"tested": row, "problem": problem}
    form.errors.clear()
    return render_page(request, PAGE, context)


@require_POST
@permission_required("alerts.change_messagetemplate", raise_exception=True)
def reset_template(request: PageRequest, kind: str) -> HttpResponse:
    """Gives a channel the text back that Lynceus comes with."""
    channel = channel_views.chosen(kind, wording.templated())
    wording.reset_template(actor=request.user, channel=channel)
    messages.success(request, f"{channel.label}: messages say again what Lynceus comes with.")
    return go_to(request, reverse("message_template", args=[channel.value]))


def _text(form: TemplateForm) -> Wording:
    return Wording(subject=form.cleaned_data.get("subject", ""), body=form.cleaned_data.get("body", ""))


def _saved(request: PageRequest, channel: Channel, form: TemplateForm) -> bool:
    text = _text(form)
    try:
        wording.change_template(actor=request.user, channel=channel, subject=text.subject, body=text.body)
    except TextError as error:
        form.add_error("body", error.problems)
        return False
    return True


def _asked_for(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _places(user: User, channel: Channel) -> QuerySet[Endpoint]:
    """Where this user may send a test: their own places, and the site's for who may change those."""
    may = Q(user=user)
    if user.has_perm("alerts.change_endpoint"):
        may |= Q(user=None)
    return Endpoint.objects.filter(may, channel=channel)


def _page(request: PageRequest, channel: Channel, form: TemplateForm) -> HttpResponse:
    return render_page(request, PAGE, _context(request, channel, form))


def _context(request: PageRequest, channel: Channel, form: TemplateForm) -> dict[str, object]:
    if form.is_bound:
        form.is_valid()
        text = _text(form)
    else:
        text = Wording(subject=str(form.initial["subject"]), body=str(form.initial["body"]))
    problems = texts.check_template(channel, text.subject, text.body) if text.body else []
    message = texts.sample_message(channel, text.subject, text.body) if text.body and not problems else None
    return {
        "form": form,
        "channel": channel,
        "changed": wording.text_of(channel).changed_at is not None,
        "problems": problems,
        "message": message,
        "is_short": channel is Channel.SMS,
        "fits": message is not None and shortening.fits(message.short),
        "placeholders": texts.PLACEHOLDERS,
        "places": _places(request.user, channel),
    }
