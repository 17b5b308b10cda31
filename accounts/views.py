"""Signing in, and one's own account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse, reverse_lazy
from django.utils.http import urlencode
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts.htmx import PageRequest, render_page


class SignInView(LoginView):
    """The sign-in page. A part of a page that is refreshed after the session ended takes the whole page here."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]  # set by HtmxMiddleware
        if htmx:
            back = htmx.current_url_abs_path or "/"
            return HttpResponseClientRedirect(f"{reverse('login')}?{urlencode({'next': back})}")
        return super().get(request, *args, **kwargs)


class ChangePasswordView(PasswordChangeView):
    """Gives one's own account another password."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        messages.success(self.request, "Your password was changed.")
        return super().form_valid(form)


@require_safe
def account(request: PageRequest) -> HttpResponseBase:
    """Who is signed in, and what they may do."""
    roles = list(request.user.groups.values_list("name", flat=True))
    return render_page(request, "accounts/account.html", {"roles": roles})
