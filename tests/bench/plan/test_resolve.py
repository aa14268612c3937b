"""A config resolved against a machine and custom models that the test describes: no process is started."""

from dataclasses import replace
from pathlib import Path

import pytest
import quick

from co3d_bench.bench.errors import USAGE, UserError
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.config import Override, parse_config
from co3d_bench.bench.plan.custom_models import CustomModel
from co3d_bench.bench.plan.plan import PlanFacts, plan
from co3d_bench.bench.plan.resolve import resolve
from co3d_bench.bench.record.facts import model_facts
from co3d_bench.models import custom
from co3d_bench.models.custom import CustomModelError
from co3d_bench.models.spec import Source


def describe(word, folder):
    """`Video` says how it sees video frames; `dies` cannot be built."""
    if word.endswith("dies"):
        raise CustomModelError(f"{word}: its code ended the process")
    spec = quick.find_model("works")
    reference = custom.absolute(word, folder)
    spec = replace(spec, name=Path(reference).name, preprocessing=spec.preprocessing if "Video" in word else None)
    return CustomModel(reference=reference, facts=model_facts(spec), preprocessing=spec.preprocessing)


def resolved(*models, text="", **flags):
    table = f"plan.models = {list(models)}\n{text}"
    overrides = {key.replace("_", "."): Override(f"--{key[5:]}", value) for key, value in flags.items()}
    catalog = Catalog(describe_custom=describe)
    return resolve(parse_config(table, "bench.toml", Path("/nets"), overrides, catalog))


def wrong(*models, **more):
    with pytest.raises(UserError) as raised:
        resolved(*models, **more)
    assert raised.value.exit_code == USAGE
    return raised.value.message


def test_custom_models_go_by_their_names_beside_those_of_the_zoo():
    found = resolved("net.py:Image", "x3d-s", "./other/../net.py:Image")
    assert found.plan.models == ("net.py:Image", "x3d-s", "net.py:Image")  # one file twice is one network
    assert found.custom["net.py:Image"].reference == "/nets/net.py:Image"
    assert [found.spec(name).family for name in ("net.py:Image", "x3d-s")] == ["quick", "x3d"]


def test_a_word_of_the_command_line_starts_in_the_current_folder():
    found = resolved(plan_models=["net.py:Image"])
    assert found.custom["net.py:Image"].reference == f"{Path.cwd()}/net.py:Image"


def test_two_files_of_one_name_and_one_that_cannot_be_had_are_named_at_once():
    assert wrong("net.py:Image", "other/net.py:Image", "net.py:dies").splitlines() == [
        "bench.toml: plan.models: other/net.py:Image: /nets/net.py:Image has the same name, net.py:Image; "
        "rename one of the files",
        "bench.toml: plan.models: net.py:dies: its code ended the process",
    ]


def test_a_video_only_for_networks_with_a_preprocessing():
    video = 'input.kind = "video"\ninput.file = "clip.mp4"\n'
    assert resolved("net.py:Video", text=video).input.file == "/nets/clip.mp4"
    assert wrong("net.py:Video", "net.py:Image", text=video) == (
        "bench.toml: input.file: net.py:Image cannot read a video without a `preprocessing`; "
        "give the network one (docs/accuracy.md)"
    )


TABLE = '[models."net.py:Video"]\n'


def test_what_bench_toml_states_of_a_network_is_in_its_facts():
    spec = resolved("net.py:Video", text=f"{TABLE}accuracy_top1 = 61.5\nframe_rate_hz = 15").spec("net.py:Video")
    assert (spec.published.accuracy_top1, spec.published.source) == (61.5, "stated in bench.toml")
    assert (spec.frame_rate_hz, spec.counterpart) == (15, None)


def test_the_rate_of_an_accuracy_is_stated_or_that_of_the_preprocessing():
    def rate(text):
        described = resolved("net.py:Video", text=f"{TABLE}accuracy_top1 = 61.5\n{text}").spec("net.py:Video")
        own = replace(described, source=Source())
        return [(each.frames_per_s, each.view) for each in model_facts(own).published.accuracies]

    assert rate("") == [(quick.find_model("works").preprocessing.frames_per_s, None)]
    assert rate("accuracy_frames_per_s = 10\naccuracy_view = 'one clip'") == [(10, "one clip")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{TABLE}accuracy_top1 = 615", 'bench.toml: models."net.py:Video".accuracy_top1: is 615; it must be'),
        (f"{TABLE}acuracy = 1", 'bench.toml: models."net.py:Video".acuracy: unknown key; did you mean accuracy_top1?'),
        (
            f"{TABLE}counterpart = 'x3d-m'",
            'models."net.py:Video".counterpart: only a network that is run frame by frame',
        ),
        ("[models.x3d-m]\naccuracy_top1 = 1", 'bench.toml: models."x3d-m": not a network of your own; its table is'),
    ],
)
def test_a_wrong_statement_is_refused_with_key_and_file(text, message):
    assert message in wrong("net.py:Video", text=text)


def test_engines_of_one_tensor_are_left_out_for_networks_of_several():
    def of_several(word, folder):
        described = describe(word, folder)
        facts = described.facts.model_copy(update={"inputs": "tokens: int64 (1, 6), mask: bool (1, 6)"})
        return described.model_copy(update={"facts": facts})

    catalog = Catalog(describe_custom=of_several)
    text = 'plan.models = ["net.py:Two"]\nplan.backends = ["native", "eager"]\nplan.threads = 1'
    planned = plan(resolve(parse_config(text, "bench.toml", Path("/nets"), {}, catalog)), PlanFacts(auto_threads=1))
    assert [case.backend for case in planned.cases] == ["eager"]
    (left,) = planned.left_out
    assert left.why.startswith("backend native takes one float32 tensor, and net.py:Two is called with tokens: int64")
