"""The dashboard and the pages of alerts. Mounted at the root, so the page of a person (cameras.history) is here too."""

from __future__ import annotations

from django.urls import path

from alerts import alert_views, push_views, review_views, views
from cameras.history import person as person_page

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("people/<int:pk>/", person_page.person, name="person"),
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/acknowledge/", views.acknowledge_selected, name="alerts_acknowledge"),
    path("alerts/figures/", review_views.figures, name="alert_figures"),
    path("alerts/trainings/", review_views.trainings, name="trainings"),
    path("alerts/trainings/<int:pk>/withdraw/", review_views.withdraw_training, name="training_withdraw"),
    path("alerts/mistakes/", review_views.mistakes, name="mistakes"),
    path("alerts/mistakes/<uuid:pk>/forget/", review_views.forget_mistake, name="mistake_forget"),
    path("alerts/<int:pk>/", alert_views.alert, name="alert"),
    path("alerts/<int:pk>/acknowledge/", alert_views.acknowledge, name="alert_acknowledge"),
    path("alerts/<int:pk>/confirm/", alert_views.confirm, name="alert_confirm"),
    path("alerts/<int:pk>/dismiss/", alert_views.dismiss, name="alert_dismiss"),
    path("alerts/<int:pk>/close/", alert_views.close, name="alert_close"),
    path("alerts/<int:pk>/reopen/", alert_views.reopen, name="alert_reopen"),
    path("alerts/<int:pk>/assign/", alert_views.assign, name="alert_assign"),
    path("alerts/<int:pk>/comment/", alert_views.comment, name="alert_comment"),
    path("alerts/<int:pk>/review/", alert_views.review, name="alert_review"),
    path("alerts/<int:pk>/attach/", alert_views.attach, name="alert_attach"),
    path("alerts/<int:pk>/attachments/<int:attachment_pk>/", alert_views.attachment, name="alert_attachment"),
    path(
        "alerts/<int:pk>/attachments/<int:attachment_pk>/remove/",
        alert_views.remove_attachment,
        name="alert_attachment_remove",
    ),
    path("alerts/<int:pk>/export/", alert_views.export, name="alert_export"),
    path("push-worker.js", push_views.push_worker, name="push_worker"),
]
