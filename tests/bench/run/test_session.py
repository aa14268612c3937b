"""The rounds of a run with a clock of the test's own, and no process at all."""

from records import failed_record, make_record

from co3d_bench.bench.measure.job import Verified
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import Counters, Verification
from co3d_bench.bench.record.sensing import Energy, EnergyBlock
from co3d_bench.bench.run.boards.boards import BoardUnavailable
from co3d_bench.bench.run.progress import Silent
from co3d_bench.bench.run.rounds import Aim, aim_of
from co3d_bench.bench.run.session import Refusal, Session, Tools, measuring_s

A, B = Case(model="x3d-xs"), Case(model="x3d-s")
AUTO = aim_of("auto", None, 480.0)
COUNTED = Counters(
    macs=5, macs_once=5, macs_functional=5, macs_aten=5, flops_torch=10, counter="c", parameters=1, weights_bytes=4
)
VERIFIED = Verification(reference="r", relative_error=0.0, tolerance=1e-4, passed=True)
STABLE = (10.0, 10.1, 9.95, 10.0, 10.05, 10.1, 10.0)


class World(Silent):
    """Processes that take `each_s` by the world's clock and have the latencies that a test gives; all reports."""

    def __init__(self, latencies_ms=STABLE, each_s=5.0, stop_after=None, sensor=False, **deeds):
        self.now = 0.0
        self.latencies_ms, self.each_s, self.sensor = latencies_ms, each_s, sensor
        self.stop_after, self.deeds = stop_after, deeds
        self.asked, self.hints, self.shown, self.notes, self.lost = [], [], [], [], []

    def measure(self, process, hints):
        self.asked.append((process.case.model, process.case.backend, process.number))
        self.hints.append(hints)
        self.now += self.each_s
        deed = self.deeds.get(process.case.backend) or self.deeds.get(process.case.model.replace("-", "_"))
        if isinstance(deed, BoardUnavailable):
            raise deed
        if deed == "fails":
            return failed_record(case=process.case, process=process.number)
        if deed is not None:
            return deed
        latency_s = self.latencies_ms[(process.number - 1) % len(self.latencies_ms)] / 1e3
        energy = None if self.sensor else Energy(reason="no sensor")
        if self.sensor and hints.energy:
            energy = Energy(busy=(EnergyBlock(seconds=1, calls=9, energy_j=9, fresh_readings=9),))
        return make_record(
            case=process.case,
            process=process.number,
            latency_s=[latency_s] * 5,
            energy=energy,
            counters=hints.counters or COUNTED,
            verification=VERIFIED,
            output_sha256="abc",
        )

    def note(self, text):
        self.notes.append(text)

    def session(self, cases=(A, B), aim=AUTO, **more):
        tools = Tools(
            measure=self.measure,
            keep=lambda before, record: record,
            remove_cases=lambda device: None,
            lose=lambda device, why: self.lost.append((device, why)),
            stopped=lambda: self.stop_after is not None and len(self.asked) >= self.stop_after,
            usable=lambda name: name != "openvino",
            after_round=lambda number, records: self.shown.append((number, len(records))),
            clock=lambda: self.now,
        )
        made = Session(aim=aim, tools=tools, progress=self, begun=0.0, cases=list(cases), **more)
        made.run()
        return made


def processes(world, model):
    return [process for name, _, process in world.asked if name == model]


def test_what_there_is_is_shown_behind_the_first_round_and_behind_each():
    world = World()
    world.session(aim=Aim(3))
    assert world.shown == [(1, 2), (2, 4), (3, 6)]
    assert [name for name, _, _ in world.asked] == ["x3d-xs", "x3d-s", "x3d-s", "x3d-xs", "x3d-xs", "x3d-s"]


def test_auto_ends_at_seven_where_all_are_known_well():
    world = World()
    world.session()
    assert processes(world, "x3d-xs") == processes(world, "x3d-s") == [1, 2, 3, 4, 5, 6, 7]


def test_auto_goes_on_with_the_noisy_ones_alone_until_the_time_is_used_up():
    world = World(latencies_ms=(10, 20, 30, 40), each_s=10.0)
    world.session(cases=(A,))
    assert world.now == 480.0
    assert len(world.asked) == 48


def test_no_process_is_begun_that_would_not_end_in_time_but_the_first_round_is_finished():
    world = World(each_s=70.0)
    world.session()
    assert world.now == 6 * 70.0
    assert world.shown == [(1, 2), (2, 4), (3, 6)]
    world = World(each_s=1000.0)
    found = world.session()
    assert world.shown == [(1, 2)]
    assert found.next_round() is None, "nothing is left to be done in time, so the run is finished"


def test_a_number_of_rounds_is_not_cut_short():
    world = World(each_s=1000.0)
    world.session(aim=Aim(3))
    assert len(world.asked) == 6


def test_being_stopped_shows_what_there_is_and_going_on_does_the_rest():
    world = World(stop_after=3)
    first = world.session(aim=Aim(3))
    assert world.shown == [(1, 2), (2, 3)]
    assert first.missing() == 3
    assert first.next_round() is not None
    again = World()
    rest = again.session(aim=Aim(3), records=list(first.records))
    assert again.asked == [("x3d-xs", "eager", 2), ("x3d-xs", "eager", 3), ("x3d-s", "eager", 3)]
    assert rest.missing() == 0
    assert sorted((r.case.model, r.process) for r in rest.records) == sorted(
        (name, process) for name in ("x3d-xs", "x3d-s") for process in (1, 2, 3)
    )


def test_a_case_that_fails_is_not_repeated_and_not_missed():
    world = World(x3d_xs="fails")
    found = world.session(aim=Aim(3))
    assert processes(world, "x3d-xs") == [1]
    assert processes(world, "x3d-s") == [1, 2, 3]
    assert found.missing() == 0


def test_a_lost_board_ends_no_other_device():
    world = World(x3d_xs=BoardUnavailable("it is gone"))
    board = A.model_copy(update={"device": "pi"})
    found = world.session(cases=(board, B), aim=Aim(2))
    assert world.lost == [("pi", "it is gone")]
    assert [name for name, _, _ in world.asked] == ["x3d-xs", "x3d-s", "x3d-s"]
    assert found.missing() == 2


def test_the_first_process_counts_and_verifies_for_the_others_and_operations_for_other_engines():
    world = World()
    native = A.model_copy(update={"backend": "native"})
    world.session(cases=(A, native), aim=Aim(2))
    hints = dict(zip(world.asked, world.hints, strict=True))
    first = hints["x3d-xs", "eager", 1]
    assert (first.counters, first.operations, first.verified) == (None, None, None)
    other = hints["x3d-xs", "native", 1]
    assert (other.counters, other.operations, other.verified) == (None, COUNTED, None)
    for engine in ("eager", "native"):
        later = hints["x3d-xs", engine, 2]
        assert later.counters == COUNTED
        assert later.verified == Verified(output_sha256="abc", verification=VERIFIED)


def test_the_last_of_a_number_of_processes_measures_energy():
    world = World(sensor=True)
    world.session(cases=(A,), aim=Aim(3), wants_energy=True)
    assert [hints.energy for hints in world.hints] == [False, False, True]


def test_auto_measures_energy_behind_the_last_round_in_a_process_of_its_own():
    world = World(sensor=True, x3d_s="fails")
    found = world.session(wants_energy=True)
    assert [(name, hints.energy) for (name, _, _), hints in zip(world.asked, world.hints, strict=True)][-1] == (
        "x3d-xs",
        True,
    )
    assert sum(hints.energy for hints in world.hints) == 1, "of a failed case none is measured"
    assert processes(world, "x3d-xs") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert world.shown[-1] == (0, 9)
    assert found.energy_processes() == ()


def test_without_a_sensor_there_is_no_process_for_energy():
    world = World(sensor=False)
    world.session(cases=(A,), wants_energy=True)
    assert len(world.asked) == 7


def test_an_engine_that_refuses_gives_way_to_the_next_one_that_is_installed():
    native = A.model_copy(update={"backend": "native"})
    world = World(native=Refusal("native: no kernel for aten.erf"))
    found = world.session(cases=(A, native, B), aim=Aim(2), instead={native: ("openvino", "onnxruntime", "fused")})
    assert world.asked[:3] == [("x3d-xs", "eager", 1), ("x3d-xs", "native", 1), ("x3d-xs", "onnxruntime", 1)]
    assert [case.backend for case in found.cases] == ["eager", "onnxruntime", "eager"]
    assert "x3d-xs: native: no kernel for aten.erf; onnxruntime replaces it" in world.notes
    assert all(record.ok for record in found.records)
    assert found.missing() == 0


def test_where_every_engine_refuses_eager_is_left():
    native = A.model_copy(update={"backend": "native"})
    world = World(native=Refusal("no"), fused=Refusal("neither"))
    found = world.session(cases=(A, native), aim=Aim(2), instead={native: ("fused",)})
    assert [record.case.backend for record in found.records] == ["eager", "eager"]
    assert found.missing() == 0
    assert world.notes[0] == "x3d-xs: no; fused replaces it"
    assert world.notes[1] == "x3d-xs: neither; no other engine is installed that could replace it"


def test_the_harness_says_what_it_took_itself():
    world = World(each_s=5.0)
    world.session(aim=Aim(2))
    own = "the harness's own (loading torch and the network, checking its answers, counting)"
    # Warm-up 1 s and five samples of 10 ms of 5 s in each process.
    assert world.notes == [
        f"round 1: 10 s in 2 processes: 2 s measuring, 8 s {own}",
        f"all rounds: 20 s in 4 processes: 4 s measuring, 16 s {own}",
    ]
    block = EnergyBlock(seconds=3, calls=9, energy_j=9, fresh_readings=9)
    assert measuring_s(make_record(latency_s=[0.5, 0.5], energy=Energy(busy=(block,)))) == 1.0 + 1.0 + 3.0
