"""/metrics: what runs, in Prometheus' text format, for whoever may look at the models.

What processes hold comes from Redis, counts come from the database; nothing is kept in the process that answers. Other
rooms add their own families with `on_scrape`. While Redis is away lynceus_redis_up is 0 and its families are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rest_framework.request import Request
from rest_framework.views import APIView

from recognition import pack_selectors
from recognition.models import PackSwitch, Person, Photo, Template
from recognition.process_state import ProcessState

on_scrape: list[Callable[[], Iterable[Metric]]] = []
"""What other rooms add."""

_PROCESS = ["role", "host", "pid"]
_MODEL = [*_PROCESS, "pack", "model"]


@extend_schema(exclude=True)
class MetricsView(APIView):
    """For a person who is signed in, and for a program with an API key."""

    required_permissions: Sequence[str] = ("recognition.view_packinuse",)

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry()
        registry.register(_Everything())
        answer = HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
        answer["Cache-Control"] = "no-store"
        return answer


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        status = pack_selectors.model_status()
        yield _gauge("lynceus_redis_up", "Whether Redis answers.", float(status.processes is not None))
        yield from _of_processes(status.processes or [])
        yield from _of_models(status.processes or [])
        yield from _of_galleries(status.processes or [])
        yield from _of_packs(status)
        for more in on_scrape:
            yield from more()


def _of_processes(processes: list[ProcessState]) -> Iterator[Metric]:
    rss = GaugeMetricFamily("lynceus_process_resident_bytes", "Memory of the process.", labels=_PROCESS)
    start = GaugeMetricFamily("lynceus_process_start_time_seconds", "When the process began.", labels=_PROCESS)
    for process in processes:
        rss.add_metric(_labels(process), process.rss)
        start.add_metric(_labels(process), process.started_at)
    yield rss
    yield start


def _of_models(processes: list[ProcessState]) -> Iterator[Metric]:
    loaded = GaugeMetricFamily("lynceus_model_loaded", "Whether the model is in memory.", labels=_MODEL)
    failed = GaugeMetricFamily("lynceus_model_failed", "Whether the model can not be loaded.", labels=_MODEL)
    fallback = GaugeMetricFamily("lynceus_model_fallback", "Whether it runs on another device.", labels=_MODEL)
    size = GaugeMetricFamily("lynceus_model_bytes", "Size of the model's file, while loaded.", labels=_MODEL)
    runs = CounterMetricFamily("lynceus_model_runs", "Runs of the model.", labels=_MODEL)
    loads = CounterMetricFamily("lynceus_model_loads", "How often it was loaded.", labels=_MODEL)
    for process in processes:
        for model in process.models:
            labels = [*_labels(process), model.pack, model.name]
            loaded.add_metric(labels, float(model.is_loaded))
            failed.add_metric(labels, float(model.state == "failed"))
            fallback.add_metric(labels, float(bool(model.fallback)))
            size.add_metric(labels, model.bytes if model.is_loaded else 0)
            runs.add_metric(labels, model.runs)
            loads.add_metric(labels, model.loads)
    yield from (loaded, failed, fallback, size, runs, loads)


def _of_galleries(processes: list[ProcessState]) -> Iterator[Metric]:
    names = [*_PROCESS, "pack"]
    templates = GaugeMetricFamily("lynceus_gallery_templates", "Templates that the process searches.", labels=names)
    people = GaugeMetricFamily("lynceus_gallery_people", "People among them.", labels=names)
    stale = GaugeMetricFamily("lynceus_gallery_stale", "Whether it can not follow the database.", labels=names)
    searches = CounterMetricFamily("lynceus_gallery_searches", "Probes that were searched.", labels=names)
    for process in processes:
        if process.gallery is None:
            continue
        labels = [*_labels(process), process.gallery.pack]
        templates.add_metric(labels, process.gallery.templates)
        people.add_metric(labels, process.gallery.people)
        stale.add_metric(labels, float(bool(process.gallery.problem)))
        searches.add_metric(labels, process.gallery.searches)
    yield from (templates, people, stale, searches)


def _of_packs(status: pack_selectors.ModelStatus) -> Iterator[Metric]:
    in_use = GaugeMetricFamily("lynceus_pack_in_use", "The model pack in use.", labels=["pack", "version"])
    in_use.add_metric([status.name, status.version], 1)
    yield in_use
    yield _gauge("lynceus_people", "People who are enrolled.", Person.objects.count())
    yield _gauge("lynceus_photos", "Enrolment photos.", Photo.objects.count())
    stored = Template.objects.filter(pack=status.version).count()
    yield _gauge("lynceus_templates", "Stored templates of the pack in use.", stored)
    yield _gauge("lynceus_photos_left_out", "Photos that the pack in use has not seen yet.", status.missing)
    states = GaugeMetricFamily("lynceus_pack_switches", "Switches to another pack.", labels=["state"])
    for state in PackSwitch.State:
        states.add_metric([state.value], PackSwitch.objects.filter(state=state).count())
    yield states
    if (switch := status.switch) is not None:
        labels = ["version", "state"]
        for name, value in (("total", switch.total), ("done", switch.done), ("failed", switch.failed)):
            one = GaugeMetricFamily(f"lynceus_pack_switch_photos_{name}", "Photos of the switch.", labels=labels)
            one.add_metric([switch.version, switch.state], value)
            yield one


def _labels(process: ProcessState) -> list[str]:
    return [process.role, process.host, str(process.pid)]


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
