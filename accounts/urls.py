"""Signing in and out, and one's own account."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import views

urlpatterns = [
    path("login/", views.SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("", views.account, name="account"),
    path("password/", views.ChangePasswordView.as_view(), name="password_change"),
]
