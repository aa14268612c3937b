"""When cameras are stopped, and what the stages of a run used."""

import os
import threading
from dataclasses import replace

import pytest
import torch

from co3d_bench.bench.camera.feed import StageTime
from co3d_bench.bench.camera.pipeline import Scene, Seen, Served, StopRequest, Used, camera_run, watch
from co3d_bench.bench.camera.serve import Timeline
from co3d_bench.bench.camera.source import Noise
from co3d_bench.bench.camera.watchers import Stages
from co3d_bench.bench.measure.job import CameraJob
from co3d_bench.bench.record.case import CameraSetup


def test_a_request_is_made_by_a_line_and_not_by_an_end():
    for line in (b"\n", b""):
        read, write = os.pipe()
        request, made = StopRequest(), threading.Event()
        with request.stops(made.set):
            request.listen(read)
            os.write(write, line)
            os.close(write)
            assert made.wait(1 if line else 0.1) == request.made == bool(line)
        os.close(read)


def scene_of(folder):
    job = CameraJob(source="random", duration_s=60.0, deadline_s=0.1, blobs=str(folder))
    return Scene(Noise([torch.zeros(1, 3, 2, 2)]), CameraSetup(fps=50), job, lambda event: None)


class Taken:
    """A watcher that takes every frame."""

    def select(self, number, captured):
        return captured.content


def test_a_request_before_the_first_frame_is_not_lost(tmp_path):
    """A film may take seconds to open, and the parent asks once."""
    scene = scene_of(tmp_path)

    class Slow(Noise):
        def frames(self):
            scene.request.make()
            return super().frames()

    served = Served([Taken()], lambda frames: None, [Stages()])
    seen = watch(replace(scene, source=Slow(scene.source.ring)), served, 5.0)
    assert seen.stopped
    assert seen.end_s - seen.begin_s < 3


def test_of_the_cpu_time_the_network_has_what_no_other_stage_used(tmp_path):
    line, stages = Timeline(), [Stages(), Stages()]
    for number in range(4):
        line.due(number, number / 50)
        line.answered_s[number] = number / 50 + 0.01
    for each in stages:
        each.preprocess, each.copy, each.hand_over = (StageTime(1.0, cpu_s, 4) for cpu_s in (0.5, 0.25, 0.125))
        each.network = StageTime(3.0, 0.0, 4)
    seen = Seen([line], [StageTime(2.0, 1.0, 4)], stages, Used(growth_bytes=0, cpu_s=10.0), 0.0, 0.08, stopped=False)
    found = {
        stage.name: (stage.wall_s, stage.cpu_s, stage.calls) for stage in camera_run(scene_of(tmp_path), seen).stages
    }
    assert found == {
        "capture": (2.0, 1.0, 4),
        "preprocess": (2.0, 1.0, 8),
        "copy": (2.0, 0.5, 8),
        "hand-over": (2.0, 0.25, 8),
        "network": (6.0, pytest.approx(10 - 2.75), 8),
    }
