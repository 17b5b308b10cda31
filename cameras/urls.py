"""Pages below /cameras/."""

from __future__ import annotations

from django.urls import path

from cameras import pictures, views

urlpatterns = [
    path("", views.camera_list, name="cameras"),
    path("add/", views.add_camera, name="camera_add"),
    path("test/", views.test_source, name="camera_test"),
    path("states/", views.states, name="camera_states"),
    path("sightings/<uuid:pk>/shot.jpg", pictures.shot, name="sighting_shot"),
    path("<int:pk>/", views.camera, name="camera"),
    path("<int:pk>/edit/", views.edit_camera, name="camera_edit"),
    path("<int:pk>/enable/", views.enable_camera, name="camera_enable"),
    path("<int:pk>/remove/", views.remove_camera, name="camera_remove"),
    path("<int:pk>/live.jpg", pictures.live_picture, name="camera_live"),
]
