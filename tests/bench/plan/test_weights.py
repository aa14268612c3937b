"""Weights given to a run: loaded in the measuring process, named in the record, reported where they do not fit."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import tiny_zoo
import torch
from tiny_run import WORKER

from co3d_bench.bench.errors import ENVIRONMENT, USAGE, UserError
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.config import Override, read_config
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.plan.weights import find_weights, fit, load_into, same_weights
from co3d_bench.bench.record.case import WeightsFile
from co3d_bench.bench.run.run import run

CATALOG = Catalog(find_model=tiny_zoo.find_model)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CO3D_BENCH_CACHE", str(tmp_path / "cache"))


def weights_file(path, value=1.0, classes=5):
    torch.save({"head.weight": torch.full((classes, 3), value), "head.bias": torch.zeros(classes)}, path)
    return path


def text_of(path):
    return f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def config(folder, weights, models=("tiny-clip",)):
    plan = {"models": list(models)} | ({"weights": weights} if weights else {})
    return make_config({"plan": plan, "run": {"out": str(folder), "runs": 5, "processes": 1, "min_s": 0.0}}, CATALOG)


def measure(folder, weights, models=("tiny-clip",), **options):
    return run(config(folder, weights, models), worker=WORKER, **options)


def test_weights_that_do_not_fit_fail_the_case_in_one_line(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"head.weight": torch.ones(5, 4), "head.bias": torch.zeros(5)}, path)
    (record,) = measure(tmp_path / "results", str(path))
    wrong = "does not fit tiny-clip: 1 of another shape (head.weight is 5 x 4, not 5 x 3)"
    assert record.error.message.startswith(f"{path} {wrong}")
    assert record.error.detail is None
    assert record.model.weights == text_of(path)


def test_the_head_is_built_for_the_classes_of_the_file(tmp_path):
    path = weights_file(tmp_path / "w.pth", classes=4)
    (record,) = measure(tmp_path / "results", str(path))
    assert (record.ok, record.model.classes) == (True, 4)
    assert "built for the 4 classes of w.pth, instead of 5" in record.notes


def test_a_number_of_classes_is_built_without_a_file_and_held_against_one(tmp_path):
    spec = tiny_zoo.find_model("tiny-clip")
    net = spec.build()
    built, notes = fit(net, spec, None, 7)
    assert (built.classes, len(net.state_dict()["head.bias"]), notes) == (7, 7, ())
    path = weights_file(tmp_path / "w.pth", classes=4)
    file = WeightsFile(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert fit(spec.build(), spec, file, 4)[0].classes == 4
    with pytest.raises(UserError, match=r"--classes 7: w\.pth has 4; leave the option out"):
        fit(spec.build(), spec, file, 7)
    with pytest.raises(UserError, match=r"its answer is not \(B, classes\)"):
        fit(spec.build(), replace(spec, classes=None), None, 7)


def test_a_record_names_its_weights_and_a_resumed_run_measures_again_what_had_others(tmp_path):
    first, second = weights_file(tmp_path / "a.pth"), weights_file(tmp_path / "b.pth", 2.0)
    out = tmp_path / "results"
    (before,) = measure(out, str(first))
    assert before.ok
    assert before.model.weights == text_of(first)
    (kept,) = measure(out, str(first), resume=True)
    assert kept == before
    (other,) = measure(out, str(second), resume=True)
    assert other.model.weights == text_of(second)
    (seeded,) = measure(out, None, resume=True)
    assert seeded.model.weights == "seeded"
    assert same_weights(seeded, None)
    assert not same_weights(other, None)


def test_one_file_is_not_for_several_networks(tmp_path):
    path = weights_file(tmp_path / "w.pth")
    with pytest.raises(
        UserError, match="one file is for one network, and the plan has tiny-clip, tiny-frames"
    ) as raised:
        measure(tmp_path / "results", str(path), ("tiny-clip", "tiny-frames"))
    assert raised.value.exit_code == USAGE
    assert not (tmp_path / "results" / "records.jsonl").exists()


def test_a_frame_network_and_its_counterpart_share_one_file(tmp_path):
    path = weights_file(tmp_path / "w.pth")

    def find_model(name):
        spec = tiny_zoo.find_model(name)
        return replace(spec, counterpart="tiny-clip") if name == "tiny-frames" else spec

    table = {"plan": {"models": ["tiny-clip", "tiny-frames"], "weights": str(path)}}
    found = find_weights(make_config(table, Catalog(find_model=find_model)))
    assert {name: file.text for name, file in found.items()} == dict.fromkeys(
        ("tiny-clip", "tiny-frames"), text_of(path)
    )


def test_auto_reports_every_network_that_has_none(tmp_path):
    made = make_config({"plan": {"models": ["x3d-s", "cox3d-m-64"], "weights": "auto"}})
    with pytest.raises(UserError) as raised:
        find_weights(made)
    first, second = raised.value.message.splitlines()
    assert first.startswith("pyslowfast/x3d_s: not in the cache; `co3d-bench weights fetch x3d-s` downloads it")
    assert second.startswith("pyslowfast/x3d_m: not in the cache; `co3d-bench weights fetch cox3d-m-64` downloads it")
    assert raised.value.exit_code == ENVIRONMENT
    wanted = "tiny-clip: no public weights are known; --weights takes a file or an https address"
    with pytest.raises(UserError, match=wanted) as raised:
        find_weights(config(tmp_path, "auto"))
    assert raised.value.exit_code == USAGE


def test_a_file_that_changes_while_the_run_goes_on_is_refused(tmp_path):
    path = weights_file(tmp_path / "w.pth")
    spec = tiny_zoo.find_model("tiny-clip")
    with pytest.raises(UserError, match="the file changed during the run; run again"):
        load_into(spec.build(), spec, WeightsFile(path=str(path), sha256="0" * 64))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("w.pth", "{folder}/w.pth"), ("auto", "auto"), ("https://example.org/w.pth", "https://example.org/w.pth")],
)
def test_a_path_in_bench_toml_starts_where_the_file_is(tmp_path, word, expected):
    file = tmp_path / "bench.toml"
    file.write_text(f'[plan]\nmodels = ["tiny-clip"]\nweights = "{word}"\n')
    assert read_config(file, catalog=CATALOG).plan.weights == expected.format(folder=tmp_path)
    given = read_config(file, {"plan.weights": Override("--weights", "here.pth")}, CATALOG)
    assert given.plan.weights == "here.pth"
