"""The routes with which identities are put right, below /api/."""

from __future__ import annotations

from django.urls import path

from cameras.identities import api

urlpatterns = [
    path("v1/identities/proposals", api.ProposalsView.as_view({"get": "list"})),
    path("v1/identities/proposals/<int:pk>", api.ProposalsView.as_view({"post": "answer"})),
    path("v1/identities/<int:pk>/merge", api.MergeView.as_view()),
    path("v1/identities/<int:pk>/split", api.SplitView.as_view()),
    path("v1/identities/<int:pk>/name", api.NameView.as_view()),
    path("v1/identities/<int:pk>/erase", api.EraseView.as_view()),
    path("v1/identities/<int:identity>/corrections", api.CorrectionsView.as_view({"get": "list"})),
    path("v1/sightings/<uuid:pk>/not-them", api.NotThemView.as_view()),
    path("v1/corrections/<int:pk>/undo", api.UndoView.as_view()),
]
