"""Pages that put identities right, below /identities/."""

from __future__ import annotations

from django.urls import path

from cameras.identities import naming_views, views

urlpatterns = [
    path("proposals/", views.proposals, name="merge_proposals"),
    path("apart/", views.apart, name="identities_apart"),
    path("together/", views.together, name="identities_together"),
    path("<int:pk>/merge/", views.merge, name="identity_merge"),
    path("<int:pk>/split/", views.split, name="identity_split"),
    path("<int:pk>/name/", naming_views.name, name="identity_name"),
    path("<int:pk>/erase/", views.erase, name="identity_erase"),
    path("<int:pk>/corrections/", views.corrections_of, name="identity_corrections"),
    path("sightings/<uuid:pk>/not-them/", views.not_them, name="sighting_not_them"),
    path("corrections/<int:pk>/undo/", views.undo_correction, name="correction_undo"),
]
