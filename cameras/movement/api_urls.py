"""Routes below /api/: how people move, in numbers."""

from __future__ import annotations

from django.urls import URLPattern, path

from cameras.movement import api

urlpatterns: list[URLPattern] = [
    path("v1/movement/visits", api.VisitsView.as_view(), name="api-movement-visits"),
    path("v1/movement/timeline", api.TimelineView.as_view(), name="api-movement-timeline"),
    path("v1/movement/occupancy", api.OccupancyView.as_view(), name="api-movement-occupancy"),
    path("v1/movement/nights", api.NightsView.as_view(), name="api-movement-nights"),
    path("v1/movement/dwell", api.DwellView.as_view(), name="api-movement-dwell"),
    path("v1/movement/transitions", api.TransitionsView.as_view(), name="api-movement-transitions"),
    path("v1/movement/travel", api.TravelView.as_view(), name="api-movement-travel"),
    path("v1/movement/next", api.NextView.as_view(), name="api-movement-next"),
    path("v1/movement/heat", api.HeatView.as_view(), name="api-movement-heat"),
    path("v1/movement/loitering", api.LoiteringView.as_view(), name="api-movement-loitering"),
    path("v1/movement/revisits", api.RevisitsView.as_view(), name="api-movement-revisits"),
    path("v1/movement/back-and-forth", api.BackAndForthView.as_view(), name="api-movement-back-and-forth"),
    path("v1/movement/unusual", api.UnusualView.as_view(), name="api-movement-unusual"),
    path("v1/movement/unusual-visits", api.UnusualVisitsView.as_view(), name="api-movement-unusual-visits"),
]
