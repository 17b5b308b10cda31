"""Streams that go wrong, all at once and each in its own way, on one worker, beside a camera that is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from cameras.live import State, View
from cameras.models import Camera, EventKind
from cameras.tests.streams import clips, rtsp_camera
from cameras.tests.streams.faults import AT_CONNECT, Fault
from cameras.tests.streams.rtsp import RtspCamera
from workers.tests.chaos.site import Site, event, status

PASSWORD = "hunter2-of-cameras"
WORKER = "camera-worker-of-streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What must be seen while the fault lasts."""

    fault: Fault
    state: State = State.ONLINE
    view: View = View.CLEAR
    says: str = ""
    event: EventKind | None = None
    width: int = clips.SIZE[0]


DOWN = EventKind.DOWN
CASES = (
    Case(fault=Fault.DROP, state=State.OFFLINE, says="127.0.0.1", event=DOWN),
    Case(fault=Fault.HANG, state=State.OFFLINE, says="127.0.0.1", event=DOWN),
    Case(fault=Fault.GARBAGE),
    Case(fault=Fault.RESIZE, width=480),
    Case(fault=Fault.FREEZE, view=View.FROZEN, event=EventKind.FROZEN),
    Case(fault=Fault.BLACK, view=View.BLACK, event=EventKind.BLACK),
    Case(fault=Fault.WILD),
    Case(fault=Fault.SILENT, state=State.OFFLINE, says="sent nothing usable", event=DOWN),
    Case(fault=Fault.UNAUTHORIZED, state=State.OFFLINE, says="password", event=DOWN),
)
of_each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault.value)


@dataclass(slots=True)
class Scene:
    """The streams and their cameras, by fault; NONE is the one that is well. `before`: how it stood before them all."""

    site: Site
    streams: dict[Fault, RtspCamera]
    cameras: dict[Fault, Camera]
    before: dict[Fault, int]

    def shows(self, case: Case) -> bool:
        now = status(self.cameras[case.fault])
        return now.state is case.state and now.view is case.view and case.says in now.last_error

    def is_well(self, fault: Fault) -> bool:
        now = status(self.cameras[fault])
        return now.state is State.ONLINE and now.view is View.CLEAR and not now.last_error

    def undisturbed(self) -> bool:
        now = status(self.cameras[Fault.NONE])
        return now.state is State.ONLINE and now.view is View.CLEAR and now.restarts == 0 and now.fps_in > 5


@pytest.fixture(scope="module")
def scene(site: Site) -> Iterator[Scene]:
    with ExitStack() as stack:
        streams = {}
        for fault in (Fault.NONE, *(case.fault for case in CASES)):
            clip = clips.with_bframes() if fault is Fault.WILD else clips.usual()
            streams[fault] = stack.enter_context(rtsp_camera(clip, user="viewer", password=PASSWORD))
        cameras = {fault: site.watch(fault.value, stream.url) for fault, stream in streams.items()}
        stack.callback(site.forget_cameras)
        site.start_worker(WORKER)
        stack.callback(lambda: site.end(WORKER))
        scene = Scene(site, streams, cameras, {})
        for fault in cameras:
            site.until(lambda fault=fault: scene.is_well(fault), f"{fault} is online")  # type: ignore[misc]
        site.until(scene.undisturbed, "the camera that stays well is watched")
        for fault, stream in streams.items():
            scene.before[fault] = status(cameras[fault]).frames_in
            stream.fault = fault
            if fault in AT_CONNECT:
                stream.drop()
        yield scene


@of_each
def test_what_is_wrong_is_said_and_written_down(scene: Scene, case: Case) -> None:
    scene.site.until(lambda: scene.shows(case), f"{case} is seen")
    if case.event is not None:
        kind = case.event
        scene.site.until(lambda: event(scene.cameras[case.fault], kind, over=False), f"{kind} is written down")
        written = event(scene.cameras[case.fault], kind, over=False)
        assert written is not None
        assert case.says in written.detail
    if case.state is State.ONLINE:
        camera, frames = scene.cameras[case.fault], scene.before[case.fault]
        scene.site.until(lambda: status(camera).frames_in > frames + 50, "frames go on")
        scene.site.until(lambda: status(camera).width == case.width, f"pictures are {case.width} wide")
    assert scene.undisturbed()


@pytest.fixture(scope="module")
def ended(scene: Scene) -> Callable[[], None]:
    """The faults are over, once."""
    for stream in scene.streams.values():
        stream.fault = Fault.NONE
    return lambda: None


@of_each
@pytest.mark.usefixtures("ended")
def test_it_recovers_by_itself(scene: Scene, case: Case) -> None:
    camera = scene.cameras[case.fault]
    scene.site.until(lambda: scene.is_well(case.fault), f"{case.fault} is well again")
    frames = status(camera).frames_in
    scene.site.until(lambda: status(camera).frames_in > frames + 20, "frames come again")
    if case.event is not None:
        kind = case.event
        scene.site.until(lambda: event(camera, kind, over=True), f"{kind} is over")
    assert scene.undisturbed()


@pytest.mark.usefixtures("ended")
def test_nobody_else_was_disturbed_and_no_log_has_a_password(scene: Scene) -> None:
    assert scene.undisturbed()
    witness = scene.cameras[Fault.NONE]
    assert not any(event(witness, kind, over=over) for kind in EventKind for over in (True, False))
    for name in scene.site.processes:
        assert PASSWORD not in scene.site.said(name)
        assert "Traceback" not in scene.site.said(name)
