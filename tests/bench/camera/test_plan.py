"""Which cases a camera is put before."""

import pytest

from co3d_bench.bench.camera.plan import camera_config, camera_plan, trained_interval
from co3d_bench.bench.camera.source import is_live, without_password
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.plan.plan import PlanFacts, plan
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.models.zoo import find_model


def cases_of(camera=None, **plan_table):
    table = {"plan": {"models": ["x3d-m", "cox3d-m-64"], **plan_table}, "camera": camera or {}}
    config = camera_config(make_config(table))
    return camera_plan(config, plan(config, PlanFacts(auto_threads=2))).cases


def test_every_network_is_watched_at_its_trained_rate_and_at_every_frame():
    cases = cases_of()
    assert [(case.model, case.camera.every) for case in cases if case.camera] == [
        *(("x3d-m", 5), ("x3d-m", 1)),
        *(("cox3d-m-64", 5), ("cox3d-m-64", 1)),
    ]
    assert cases[0].key == "x3d-m/cpu/eager/fp32/b1/t2/random-0/camera-30fps-every5-newest1-step"


def test_interleaved_a_frame_network_has_a_state_for_each_frame_between_two_of_its_rate():
    cases = cases_of({"interleave": True})
    assert [(case.model, case.camera.every, case.camera.states) for case in cases] == [
        *(("x3d-m", 5, 1), ("x3d-m", 1, 1)),
        *(("cox3d-m-64", 5, 1), ("cox3d-m-64", 1, 5)),
    ]
    assert cases[-1].key.endswith("camera-30fps-every1-newest1-step-states5")
    assert cases_of({"interleave": True, "every": [2], "fps": 60}, models=["cox3d-m-64"])[0].camera.states == 5


@pytest.mark.parametrize(
    ("camera", "models", "words"),
    [
        ({"every": [2]}, ["cox3d-m-64"], "camera.every.* = 2: .*cox3d-m-64 need a divisor of 5"),
        ({}, ["x3d-m"], "camera.interleave.*: no frame network"),
        ({"every": ["trained"]}, ["cox3d-m-64"], "camera.interleave.*: no frame network"),
        ({"fps": 6}, ["cox3d-m-64"], "camera.interleave.*: no frame network"),
    ],
)
def test_where_nothing_can_be_interleaved_that_is_said(camera, models, words):
    with pytest.raises(UserError, match=words):
        cases_of({"interleave": True, **camera}, models=models)


def test_several_cameras_are_in_the_key_and_one_is_not():
    keys = {streams: cases_of({"streams": streams})[0].key for streams in (1, 4, "auto")}
    assert keys[1].endswith("/camera-30fps-every5-newest1-step")
    assert keys[4] == f"{keys[1]}-streams4"
    assert keys["auto"] == f"{keys[1]}-streamsauto"


def test_a_search_may_take_as_long_as_all_its_trials():
    config = make_config({"plan": {"models": ["x3d-s"]}, "camera": {"duration_s": "30s", "streams": "auto"}})
    assert camera_config(config).run.timeout_s > 600 + 2 * 7 * 30


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ({"streams": 0}, "camera.streams = 0"),
        ({"streams": "many"}, "camera.streams = 'many'"),
        ({"streams": 2, "source": "rtsp://me:secret@camera/1"}, "rtsp://camera/1 is one camera"),
        ({"streams": "auto", "policy": "block"}, "camera.streams = auto: with --policy block"),
        ({"streams": 2, "interleave": True}, "camera.streams = 2: --interleave is for one camera"),
    ],
)
def test_where_there_cannot_be_several_cameras_that_is_said(camera, words):
    with pytest.raises(UserError, match=words):
        cases_of(camera)


def test_the_trained_rate_is_of_a_film_of_thirty_frames_a_second():
    spec = find_model("x3d-m")
    assert [trained_interval(spec, fps) for fps in (6, 15, 25, 30, 60)] == [1, 2, 4, 5, 10]


def test_auto_is_the_fastest_engine_alone_and_eager_where_it_refuses():
    config = camera_config(make_config({"plan": {"models": ["cox3d-s-13"], "backends": ["auto"]}}))
    found = camera_plan(config, plan(config, PlanFacts(auto_threads=1)))
    assert {case.backend for case in found.cases} != {"eager"}
    assert all("eager" in others for others in found.instead.values())


def test_every_case_is_watched_once_by_itself():
    config = camera_config(make_config({"plan": {"models": ["x3d-s"], "batch": [4]}, "camera": {"duration_s": "90s"}}))
    assert (config.run.processes, config.plan.batch) == (1, (1,))
    assert config.run.timeout_s > 600 + 89


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ({"source": "rtsp://camera/1", "policy": "block"}, "cannot wait"),
        ({"fps": 0}, "camera.fps"),
        ({"every": [0]}, "camera.every"),
        ({"queue": 0}, "camera.queue"),
        ({"duration_s": "soon"}, "must be a time"),
        ({"source": "gopher://camera"}, "no stream"),
    ],
)
def test_what_no_camera_can_be_is_refused_with_its_key(camera, words):
    with pytest.raises(UserError, match=words):
        cases_of(camera)


def test_devices_and_streams_are_live_and_passwords_stay_here():
    assert is_live("/dev/video0")
    assert is_live("rtsp://a.b/c")
    assert not is_live("film.mp4")
    assert without_password("rtsp://me:secret@camera:554/1") == "rtsp://camera:554/1"
    assert without_password("rtsp://me:p@ss@camera/1@2") == "rtsp://camera/1@2"
