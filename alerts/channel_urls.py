"""Pages below /channels/: where messages go, what they say, and what became of them."""

from __future__ import annotations

from django.urls import path

from alerts import (
    channel_views,
    delivery_views,
    notification_views,
    policy_views,
    push_views,
    wording_views,
)

urlpatterns = [
    path("", channel_views.channels, name="channels"),
    path("add/", channel_views.add_channel, name="channel_add"),
    path("add/<slug:kind>/", channel_views.add_channel, name="channel_add"),
    path("<uuid:pk>/", channel_views.edit_channel, name="channel_edit"),
    path("<uuid:pk>/remove/", channel_views.remove_channel, name="channel_remove"),
    path("<uuid:pk>/test/", channel_views.test_channel, name="channel_test"),
    path("mine/", notification_views.my_notifications, name="my_notifications"),
    path("mine/add/<slug:kind>/", notification_views.add_notification, name="my_notification_add"),
    path("mine/browser/", push_views.push_subscribe, name="push_subscribe"),
    path("mine/<uuid:pk>/", notification_views.edit_notification, name="my_notification_edit"),
    path("mine/<uuid:pk>/remove/", notification_views.remove_notification, name="my_notification_remove"),
    path("mine/<uuid:pk>/test/", notification_views.test_notification, name="my_notification_test"),
    path("messages/", wording_views.message_templates, name="message_templates"),
    path("messages/<slug:kind>/", wording_views.message_template, name="message_template"),
    path("messages/<slug:kind>/preview/", wording_views.preview_template, name="message_template_preview"),
    path("messages/<slug:kind>/test/", wording_views.test_template, name="message_template_test"),
    path("messages/<slug:kind>/reset/", wording_views.reset_template, name="message_template_reset"),
    path("deliveries/", delivery_views.deliveries, name="deliveries"),
    path("deliveries/again/", delivery_views.resend, name="deliveries_resend"),
    path("policies/", policy_views.list_policies, name="list_policies"),
    path("policies/<int:pk>/", policy_views.list_policy, name="list_policy"),
]
