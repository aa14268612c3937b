"""`co3d-bench camera` without measuring: what its table shows."""

from co3d_bench.bench.errors import OK
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.bench.record.store import append_record
from co3d_bench.cli.verbs import app

from ..factories import WEIGHTS, make_accuracy_record, make_engine_record, make_model


def test_the_table_has_the_accuracies_of_the_store_as_its_page_has(tmp_path, monkeypatch, capsys):
    append_record(tmp_path, make_accuracy_record("cox3d-m-16", 0.4, precision="int8", backend="openvino"))
    model = make_model("cox3d-m-16", weights=WEIGHTS)
    speed = make_engine_record("cox3d-m-16", "openvino", "int8", model=model)
    case = speed.case.model_copy(update={"camera": CameraSetup(fps=30.0, every=5)})
    watched = speed.model_copy(update={"case": case, "timing": None})
    monkeypatch.setattr("co3d_bench.bench.run.run.run", lambda *args, **more: [watched])
    monkeypatch.setenv("COLUMNS", "200")
    words = ["camera", "--model", "cox3d-m-16", "--backend", "eager", "--out", str(tmp_path)]
    with app.make_context("co3d-bench", words) as context:
        assert app.invoke(context) == OK
    assert "40.0 (35.0 to 45.0)" in capsys.readouterr().out
