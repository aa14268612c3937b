import dataclasses
import sys
from pathlib import Path

import pytest

from co3d_bench.bench.errors import NOTHING, UserError
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.plan import BoardFacts, LeftOut, PlanFacts, input_id, plan
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.run.run import run
from co3d_bench.devices.detect import Gpu, Hardware, read_hardware
from co3d_bench.devices.doctor import TorchFacts

FACTS = PlanFacts(auto_threads=2, video_sha256="0123456789abcdef" * 4)


def keys(facts=FACTS, **table):
    return [case.key for case in plan(make_config({"plan": table}), facts).cases]


def test_lists_are_crossed_in_a_stable_order():
    assert keys(models=["x3d-s", "x3d-xs"], batch=[1, 4], threads=[1, "auto"]) == [
        f"{model}/cpu/eager/fp32/b{batch}/t{threads}/random-0"
        for model in ("x3d-s", "x3d-xs")
        for batch in (1, 4)
        for threads in (1, 2)
    ]


def test_duplicates_are_planned_once():
    assert keys(models=["x3d-s", "x3d-s"], threads=[2, "auto"]) == ["x3d-s/cpu/eager/fp32/b1/t2/random-0"]


def test_more_threads_than_cores_are_planned_with_a_note():
    planned = plan(make_config({"plan": {"models": ["x3d-s"], "threads": [2, 99, "auto"]}}), FACTS)
    assert [case.threads for case in planned.cases] == [2, 99]
    assert planned.notes == ("99 threads: there are 2 cores on cpu, so the threads take turns",)


def test_an_open_batch_is_a_search_and_no_case_until_it_is_found():
    planned = plan(make_config({"plan": {"models": ["x3d-s"], "batch": [2, "auto"], "threads": [1, 2]}}), FACTS)
    assert [case.batch for case in planned.cases] == [2, 2]
    assert [search.key for search in planned.searches] == [
        "x3d-s/cpu/eager/fp32/bauto/t1/random-0",
        "x3d-s/cpu/eager/fp32/bauto/t2/random-0",
    ]
    assert [case.key for case in planned.searches[0].cases((4, 8))] == [
        "x3d-s/cpu/eager/fp32/b4/t1/random-0",
        "x3d-s/cpu/eager/fp32/b8/t1/random-0",
    ]


def test_what_is_not_installed_is_reported_before_anything_runs():
    eager = Catalog().backends["eager"]
    absent = dataclasses.replace(eager, name="other", missing=lambda: "no engine: pip install 'co3d-bench[other]'")
    catalog = Catalog(backends={"eager": eager, "other": absent})
    config = make_config({"plan": {"models": ["x3d-s"], "backends": ["eager", "other"]}}, catalog)
    with pytest.raises(UserError) as raised:
        run(config)
    assert raised.value.exit_code == NOTHING
    assert raised.value.message == (
        "backend other: no engine: pip install 'co3d-bench[other]'\n"
        "nothing was run; install it, or leave the backend out"
    )


def test_a_torch_that_cannot_use_the_device_is_reported_before_anything_runs():
    hardware = Hardware(read_hardware().host, (Gpu("GeForce RTX 2080 Ti", "7.5"),))
    facts = iter([TorchFacts("2.13.0+cpu"), TorchFacts("2.13.0", "12.6", True, ("sm_80",))])
    catalog = Catalog(read_hardware=lambda: hardware, ask_torch=lambda: next(facts))
    config = make_config({"plan": {"models": ["x3d-s"], "devices": ["rtx2080ti"]}}, catalog)
    for why in ("torch 2.13.0+cpu is a build for the CPU; the GPU cannot be used", "has no code for sm_75, only for"):
        with pytest.raises(UserError) as raised:
            run(config)
        assert raised.value.exit_code == NOTHING
        assert why in raised.value.message
        assert raised.value.message.startswith("device rtx2080ti: torch 2.13.0")
        assert raised.value.message.endswith("\nnothing was run")


@pytest.mark.parametrize(("file", "name"), [("/a/b c.mp4", "b_c.mp4"), ("d/ü.avi", "_.avi"), ("x.mp4", "x.mp4")])
def test_a_video_is_named_in_one_word(file, name):
    config = make_config({"plan": {"models": ["x3d-s"]}, "input": {"kind": "video", "file": file}})
    assert input_id(config, FACTS) == f"video:{name}:0123456789ab"


def test_what_does_not_fit_together_is_left_out_and_reported():
    eager = Catalog().backends["eager"]
    other = dataclasses.replace(eager, name="other", here={"cpu": ("int8",)})
    catalog = Catalog(backends={"eager": eager, "other": other})
    config = make_config({"plan": {"models": ["x3d-s"], "backends": ["eager", "other"]}}, catalog)
    planned = plan(config, FACTS)
    assert [case.backend for case in planned.cases] == ["eager"]
    assert planned.left_out == (LeftOut("cpu other fp32", "backend other computes in int8"),)


def test_planning_imports_no_torch():
    import subprocess

    code = (
        "import sys; from co3d_bench.bench.plan.resolve import load_config; "
        "from co3d_bench.bench.run.ready import make_plan;"
        "make_plan(load_config()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def named(**missing):
    """Every engine as if it were installed, but for those that are given with what is missing."""
    backends = {
        name: dataclasses.replace(backend, missing=lambda name=name: missing.get(name))
        for name, backend in Catalog().backends.items()
    }
    return Catalog(backends=backends)


def auto(catalog, facts=FACTS, **table):
    return plan(make_config({"plan": {"models": ["x3d-s"], "backends": ["auto"], **table}}, catalog), facts)


def test_auto_is_eager_and_the_fastest_engine_that_is_installed():
    found = auto(named())
    assert [case.backend for case in found.cases] == ["eager", "native"]
    assert dict(found.instead) == {found.cases[1]: ("openvino", "onnxruntime", "fused")}
    found = auto(named(native="no compiler", openvino="not installed"))
    assert [case.backend for case in found.cases] == ["eager", "onnxruntime"]
    assert dict(found.instead) == {found.cases[1]: ("fused",)}
    assert found.left_out == ()


def test_auto_takes_an_engine_that_computes_so():
    assert [case.backend for case in auto(named(), precisions=["bf16"]).cases] == ["eager", "openvino"]


def test_what_is_named_beside_auto_is_measured_once_and_nothing_takes_its_place():
    found = auto(named(), backends=["auto", "native"])
    assert [case.backend for case in found.cases] == ["eager", "native"]
    assert found.instead == {}


def test_auto_on_a_board_is_the_engine_that_is_there():
    facts = PlanFacts(auto_threads=2, boards={"pi": BoardFacts(auto_threads=4)})
    found = plan(board_config(named(), devices=["cpu", "pi"], backends="auto"), facts)
    assert [(case.device, case.backend) for case in found.cases] == [
        ("cpu", "eager"),
        ("cpu", "native"),
        ("pi", "aten-json"),
    ]
    assert found.notes == ("device pi: auto is measured as aten-json there, and its cases have that name",)


def test_auto_on_a_gpu(monkeypatch):
    hardware = Hardware(read_hardware().host, (Gpu("GeForce RTX 2080 Ti", "7.5"),))
    catalog = dataclasses.replace(named(tensorrt="not installed"), read_hardware=lambda: hardware)
    found = auto(catalog, devices=["rtx2080ti"])
    assert [case.backend for case in found.cases] == ["eager", "cudagraph"]
    assert list(found.instead.values()) == [("fused",)]


def board_config(catalog=None, **plan):
    table = {"plan": {"models": "x3d-xs", **plan}, "devices": {"pi": {"extends": "cpu", "host": "pi.local"}}}
    return make_config(table, catalog)


def test_devices_come_one_after_the_other_and_eager_is_replaced_on_a_board():
    config = board_config(models=["x3d-xs", "x3d-s"], devices=["cpu", "pi"], backends="eager")
    facts = PlanFacts(auto_threads=2, boards={"pi": BoardFacts(auto_threads=4)})
    found = plan(config, facts)
    assert [(case.device, case.model, case.backend, case.threads) for case in found.cases] == [
        ("cpu", "x3d-xs", "eager", 2),
        ("cpu", "x3d-s", "eager", 2),
        ("pi", "x3d-xs", "aten-json", 4),
        ("pi", "x3d-s", "aten-json", 4),
    ]
    assert found.at_host == {"pi"}
    assert found.notes == ("device pi: eager is measured as aten-json there, and its cases have that name",)


def test_a_board_that_is_not_reached_leaves_the_others():
    config = board_config(devices=["pi", "cpu"])
    found = plan(config, PlanFacts(auto_threads=2, unavailable={"pi": "it is not reached"}))
    assert [case.device for case in found.cases] == ["cpu"]
    assert found.unavailable == {"pi": "it is not reached"}


def test_what_a_board_lacks_is_left_out():
    facts = PlanFacts(auto_threads=2, boards={"pi": BoardFacts(4, lacks={"aten-json": "no torch there"})})
    found = plan(board_config(devices="pi"), facts)
    assert found.cases == ()
    assert [out.why for out in found.left_out] == ["backend aten-json: no torch there"]
