"""The page about model packs: what there is, what each process has loaded, and going over to another pack."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.htmx import PageRequest, go_to, render_page, wants_partial
from recognition import pack_selectors, pack_services, packs
from recognition.engine import EngineError, Manifest
from recognition.errors import RecognitionError
from recognition.meaning import meaning
from recognition.models import PackLicence, PackSwitch

_HISTORY = 10
_NAMES = 20
_UNUSABLE = 50
_LOOK = "recognition.view_packinuse"
_CHANGE = "recognition.change_packinuse"


@require_safe
@permission_required(_LOOK, raise_exception=True)
def models(request: PageRequest) -> HttpResponse:
    """Every pack, every process, and how far a switch is. HTMX asks for the part that changes every two seconds."""
    status = pack_selectors.model_status()
    now = str(status.switch.pk) if status.switch is not None else ""
    if wants_partial(request) and request.GET.get("switch", now) != now:
        return HttpResponseClientRefresh()  # a switch began or ended: the rest of the page is another too
    hidden = pack_selectors.not_found(status.version)
    context: dict[str, object] = {
        "status": status,
        "device": settings.MODEL_DEVICE,
        "fallbacks": _fallbacks(status),
        "switch": status.switch,
        "losses": pack_selectors.losses(status.switch.version) if status.switch is not None else None,
        "hidden": hidden[:_NAMES],
        "hidden_count": hidden.count(),
    }
    if not wants_partial(request):
        subject = status.switch.version if status.switch is not None else status.version
        unusable = pack_selectors.unusable_photos(subject)
        context |= {
            "packs": pack_selectors.pack_statuses(),
            "threshold_means": found.of_threshold() if (found := meaning()) is not None else "",
            "unusable": unusable[:_UNUSABLE],
            "unusable_count": unusable.count(),
            "unusable_version": subject,
            "unusable_name": status.switch.name if status.switch is not None else status.name,
            "history": pack_selectors.switches()[:_HISTORY],
        }
    return render_page(request, "recognition/models.html", context, partial="now")


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(_CHANGE, raise_exception=True)
def use_model(request: PageRequest, name: str) -> HttpResponse:
    """Says what a switch to the pack would mean, and then asks for it."""
    manifest = _manifest(name)
    problem = ""
    if request.method == "POST":
        try:
            pack_services.use_pack(actor=request.user, name=name)
        except RecognitionError as error:
            problem = str(error)
        else:
            messages.success(request, f"The switch to {manifest.title} begins. Until it is done nothing changes.")
            return go_to(request, reverse("models"))
    context = {
        "manifest": manifest,
        "problem": problem,
        "consequences": pack_selectors.consequences(manifest.version),
        "needs_licence": not pack_selectors.licence_accepted(name),
    }
    return render_page(request, "recognition/models_use.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(_CHANGE, raise_exception=True)
def accept_licence(request: PageRequest, name: str) -> HttpResponse:
    """Shows the pack's licence, and records that it was accepted."""
    manifest = _manifest(name)
    problem = ""
    if request.method == "POST":
        if request.POST.get("accept") == "yes":
            try:
                pack_services.accept_licence(actor=request.user, name=name)
            except (OSError, EngineError) as error:
                problem = f"The acceptance could not be kept beside the models, and is not recorded: {error}"
            else:
                messages.success(request, f"The licence of {manifest.title} was accepted.")
                return go_to(request, reverse("models"))
        else:
            problem = "Tick the box to accept the licence, or leave the page without accepting it."
    context = {
        "manifest": manifest,
        "problem": problem,
        "accepted": PackLicence.objects.filter(name=name, licence=manifest.licence.name).first(),
    }
    return render_page(request, "recognition/models_licence.html", context)


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def cancel_switch(request: PageRequest, pk: int) -> HttpResponse:
    """Ends a switch; the pack in use stays."""
    if pack_services.cancel_switch(actor=request.user, switch=get_object_or_404(PackSwitch, pk=pk)):
        messages.success(request, "The switch was cancelled. The pack in use stayed.")
    else:
        messages.info(request, "The switch was over already.")
    return go_to(request, reverse("models"))


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def confirm_switch(request: PageRequest, pk: int) -> HttpResponse:
    """Goes on with a switch although people are not found afterwards."""
    if pack_services.confirm_switch(actor=request.user, switch=get_object_or_404(PackSwitch, pk=pk)):
        messages.success(request, "The switch goes on.")
    else:
        messages.info(request, "The switch does not wait for a decision any more.")
    return go_to(request, reverse("models"))


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def forget_templates(request: PageRequest, name: str) -> HttpResponse:
    """Deletes the templates of a pack that is not in use."""
    try:
        gone = pack_services.forget_templates(actor=request.user, version=_manifest(name).version)
    except RecognitionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{gone} template{'' if gone == 1 else 's'} of {name} deleted.")
    return go_to(request, reverse("models"))


@require_POST
@permission_required(_CHANGE, raise_exception=True)
def retry_unusable(request: PageRequest, name: str) -> HttpResponse:
    """Has the photos that the pack could not use looked at again."""
    count = pack_services.retry_unusable(actor=request.user, version=_manifest(name).version)
    messages.success(request, f"{count} photo{'' if count == 1 else 's'} will be looked at again within a minute.")
    return go_to(request, reverse("models"))


def _fallbacks(status: pack_selectors.ModelStatus) -> list[str]:
    """What the processes say of models that do not run on the device that was asked for, each sentence once."""
    models = [model for process in status.processes or [] for model in process.models]
    return sorted({model.fallback for model in models if model.fallback})


def _manifest(name: str) -> Manifest:
    try:
        return packs.known_manifest(name)
    except EngineError as error:
        raise Http404(str(error)) from error
