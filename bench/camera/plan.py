"""The cases of `co3d-bench camera`: those of a plan, each with a camera in front."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...models.spec import FILM_FRAMES_PER_S, ModelSpec
from ..errors import NOTHING, USAGE, UserError
from ..plan.config import AUTO_ENGINE, TRAINED, CameraTable, InputTable
from ..plan.plan import REFERENCE_ENGINE, Plan
from ..plan.resolve import Resolved
from ..record.case import AUTO_STREAMS, CameraSetup, Case
from ..stats.capacity import MOST_STREAMS
from .source import DEFAULT_FPS, RANDOM, film_fps, is_live, live_fps, without_password

NOTHING_TO_INTERLEAVE = (
    "no frame network of the plan is due an answer more often than its weights were trained at (camera.every = 1)"
)


def camera_config(config: Resolved) -> Resolved:
    """The config of a run in which each case is watched once, by one camera. Raises UserError for networks that the
    source cannot be shown to."""
    camera = config.camera
    answers_s = camera.duration_s * _times_watched(camera)
    run = config.run.model_copy(
        update={
            "processes": 1,
            "runs": 1,
            "min_s": camera.duration_s,  # so that a resumed run does not take a shorter one for done
            "timeout_s": config.run.timeout_s + answers_s,
            "energy": False,
        }
    )
    source = config.input
    if wrong := [why for name in config.plan.models if (why := _no_camera(config.spec(name)))]:
        raise UserError("\n".join(wrong), USAGE)
    if camera.source != RANDOM:
        wrong = [why for name in config.plan.models if (why := config.spec(name).not_watchable())]
        if wrong:
            raise UserError("\n".join(f"{config.origin.where('camera.source')}: {why}" for why in wrong), USAGE)
        if not is_live(camera.source):
            source = InputTable(kind="video", file=camera.source)
    return replace(config, run=run, input=source, plan=config.plan.model_copy(update={"batch": (1,)}))


def _times_watched(camera: CameraTable) -> int:
    """How often the duration a case may take."""
    if camera.streams == AUTO_STREAMS:
        return 2 * 2 * MOST_STREAMS.bit_length()  # both ways, each doubled and bisected
    if camera.streams > 1:
        return 2
    return 10 if camera.policy == "block" else 1


def camera_plan(config: Resolved, planned: Plan) -> Plan:
    """The planned cases, each once for every entry of `camera.every`, with the fastest engine where it is `auto`.

    Raises UserError for what no camera can be put before.
    """
    camera = config.camera
    if is_live(camera.source) and camera.policy == "block":
        raise UserError(f"{config.origin.where('camera.policy')} = 'block': a live camera cannot wait; it drops", USAGE)
    if wrong := _wrong_streams(camera):
        raise UserError(f"{config.origin.where('camera.streams')} = {camera.streams}: {wrong}", USAGE)
    own_fps = _own_fps(camera.source)
    fps = camera.fps or own_fps
    cases: dict[Case, None] = {}
    instead: dict[Case, tuple[str, ...]] = {}
    for case in fastest_cases(config, planned):
        for setup in _setups(config, case, fps):
            with_camera = case.model_copy(update={"camera": setup})
            cases[with_camera] = None
            if case in planned.instead:
                instead[with_camera] = (*planned.instead[case], REFERENCE_ENGINE)
    if camera.interleave and not any(case.camera and case.camera.states > 1 for case in cases):
        raise UserError(f"{config.origin.where('camera.interleave')}: {NOTHING_TO_INTERLEAVE}", USAGE)
    if not cases:
        raise UserError("no network of the plan can be put in front of a camera", NOTHING)
    return replace(planned, cases=tuple(cases), instead=instead)


def _wrong_streams(camera: CameraTable) -> str | None:
    """Why there cannot be several cameras; None where there can, or where there is one."""
    if camera.streams == 1:
        return None
    if is_live(camera.source):
        name = without_password(camera.source)
        return f"{name} is one camera, and would be read several times; name a film, or random"
    if camera.policy == "block":
        return "with --policy block cameras wait and nothing is dropped; choose newest or oldest"
    if camera.interleave:
        return "--interleave is for one camera; leave one of them out"
    return None


def _no_camera(spec: ModelSpec) -> str | None:
    """Why no camera can be put before a network; None where one can."""
    if spec.inputs:
        return f"{spec.name} takes {spec.inputs}; a camera gives one picture after another"
    return (
        f"{spec.name} takes neither clips nor frames, so it has no input from a camera"
        if spec.form == "input"
        else None
    )


def _own_fps(source: str) -> float:
    if source == RANDOM:
        return DEFAULT_FPS
    return live_fps(source) if is_live(source) else film_fps(Path(source))


def fastest_cases(config: Resolved, planned: Plan) -> Iterator[Case]:
    """The planned cases; with `auto` among the engines, the reference only where there is no faster one."""
    auto = AUTO_ENGINE in config.plan.backends and REFERENCE_ENGINE not in config.plan.backends
    fast = {case.model for case in planned.cases if case.backend != REFERENCE_ENGINE}
    for case in planned.cases:
        if not (auto and case.backend == REFERENCE_ENGINE and case.model in fast):
            yield case


def _setups(config: Resolved, case: Case, fps: float) -> Iterator[CameraSetup]:
    """A camera for each rate at which answers are due."""
    camera = config.camera
    live = without_password(camera.source) if is_live(camera.source) else None
    trained = trained_interval(config.spec(case.model), fps)
    for every in dict.fromkeys(trained if word == TRAINED else word for word in camera.every):
        yield CameraSetup(
            fps=fps,
            live=live,
            every=every,
            queue=camera.queue,
            policy=camera.policy,
            gap=camera.gap,
            states=_states(config, case, every, trained) if camera.interleave else 1,
            streams=camera.streams,
        )


def _states(config: Resolved, case: Case, every: int, trained: int) -> int:
    """How many states take turns, so that each sees frames of the trained rate; 1 for a clip network, whose windows do
    anyway. Raises UserError where frames that are due are not among those of the trained rate."""
    if config.spec(case.model).form != "frame" or every >= trained:
        return 1
    if trained % every:
        raise UserError(
            f"{config.origin.where('camera.every')} = {every}: interleaved states of {case.model} need a divisor of "
            f"{trained}, the frame interval of its weights",
            USAGE,
        )
    return trained // every


def trained_interval(spec: ModelSpec, fps: float) -> int:
    """The frame interval of the network's weights, in frames of this camera; 1 where that is not known."""
    return max(1, round(spec.preprocessing.frame_interval * fps / FILM_FRAMES_PER_S)) if spec.preprocessing else 1
