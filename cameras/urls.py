"""Pages below /cameras/."""

from __future__ import annotations

from django.urls import path

from cameras import editing, pictures, stream, views

urlpatterns = [
    path("", views.camera_list, name="cameras"),
    path("add/", editing.add_camera, name="camera_add"),
    path("test/", editing.test_source, name="camera_test"),
    path("schedule/", editing.schedule_said, name="camera_schedule"),
    path("states/", views.states, name="camera_states"),
    path("sightings/<uuid:pk>/shot.jpg", pictures.shot, name="sighting_shot"),
    path("<int:pk>/", views.camera, name="camera"),
    path("<int:pk>/edit/", editing.edit_camera, name="camera_edit"),
    path("<int:pk>/enable/", editing.enable_camera, name="camera_enable"),
    path("<int:pk>/restart/", editing.restart_camera, name="camera_restart"),
    path("<int:pk>/remove/", editing.remove_camera, name="camera_remove"),
    path("<int:pk>/live.jpg", pictures.live_picture, name="camera_live"),
    path("<int:pk>/stream.mjpg", stream.stream, name="camera_stream"),
]
