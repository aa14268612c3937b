import pytest

from co3d_bench.bench.errors import NOT_HERE, USAGE, UserError
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.config import find_profiles
from co3d_bench.bench.plan.locate import state
from co3d_bench.bench.plan.resolve import load_config, make_config
from co3d_bench.bench.run.ready import make_plan
from co3d_bench.devices.detect import Gpu, Hardware, read_hardware

from ...devices.boards import snapshot

LAPTOP = read_hardware()
XAVIER = read_hardware(snapshot("xavier"))


def config(hardware, devices, **own):
    table = {"plan": {"models": ["x3d-xs"], "devices": devices}, "devices": own}
    return make_config(table, Catalog(read_hardware=lambda: hardware))


def test_auto_is_what_this_machine_is_and_says_why():
    made = config(XAVIER, "auto")
    assert made.plan.devices == ("xavier",)
    (note,) = made.notes
    assert note.startswith("device auto: xavier (NVIDIA Jetson AGX Xavier), because its device tree has nvidia,galen")
    card = Hardware(LAPTOP.host, (Gpu("H100 80GB HBM3", "9.0"),))
    assert config(card, ["auto", "cpu"]).plan.devices == ("h100", "cpu")
    assert config(Hardware(LAPTOP.host), "auto").plan.devices == ("cpu",)
    assert config(Hardware(LAPTOP.host), ["cpu", "auto"]).plan.devices == ("cpu",)


def test_a_board_with_a_host_is_never_what_auto_means():
    made = config(XAVIER, "auto", xavier={"host": "other"})
    assert made.plan.devices == ("cpu",)


def test_a_device_that_is_not_here_is_one_message():
    with pytest.raises(UserError) as raised:
        config(Hardware(LAPTOP.host, no_gpus="no driver"), "xavier")
    assert raised.value.exit_code == NOT_HERE
    message = raised.value.message
    assert message.startswith("device xavier (NVIDIA Jetson AGX Xavier) is not this machine, and no host is set for it")
    assert LAPTOP.host.cpu_model in message
    assert "no NVIDIA GPU (no driver)" in message
    assert "nvidia,tegra194 and one of nvidia,*p2888*" in message
    assert '[devices.xavier]\n      host = "user@address"' in message
    assert "--device cpu" in message


def test_a_card_that_is_not_here_is_named_with_its_capability():
    with pytest.raises(UserError, match=r"a GPU called GeForce RTX 2080 Ti of compute capability 7\.5"):
        config(XAVIER, "rtx2080ti")


def test_on_the_board_itself_it_is_found():
    (case,) = make_plan(config(XAVIER, "xavier")).cases
    assert case.key.startswith("x3d-xs/xavier/eager/fp32/b1/")


def test_the_generic_device_asks_nothing():
    def asked():
        raise AssertionError("the machine was asked")

    assert make_plan(make_config({"plan": {"models": ["x3d-xs"]}}, Catalog(read_hardware=asked))).cases


def test_a_board_at_a_host_is_never_measured_here():
    made = config(LAPTOP, "mine", mine={"extends": "cpu", "host": "u@board"})
    with pytest.raises(UserError, match="device mine is at u@board: only `run` reaches boards") as raised:
        make_plan(made)
    assert raised.value.exit_code == NOT_HERE


def test_states():
    profiles = config(LAPTOP, "cpu", mine={"extends": "tx2", "host": "u@tx2"}).profiles
    assert state(profiles["mine"], LAPTOP, lambda host: None) == "reachable at u@tx2"
    away = state(profiles["mine"], LAPTOP, lambda host: f"no route to {host}")
    assert away == "not reachable at u@tx2: no route to u@tx2"
    assert state(profiles["tx2"], LAPTOP) == "not here"
    assert state(profiles["xavier"], XAVIER).startswith("this machine: its device tree has")


def test_profiles_of_a_bench_toml_are_found_beside_ours(tmp_path):
    file = tmp_path / "bench.toml"
    file.write_text(
        '[plan]\nmodels = ["x3d-xs"]\ndevices = ["cpu"]\n[devices.my-xavier]\nextends = "xavier"\nhost = "x"\n'
    )
    assert {"my-xavier", "xavier"} <= find_profiles(file).keys()
    assert load_config(file).profiles["my-xavier"].host == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[devices.m]\nextends = "xavie"\n', r"bench\.toml: devices\.m\.extends = 'xavie': did you mean xavier"),
        ('[devices.tx2]\nhost = "a;b"\n', r"bench\.toml: devices\.tx2\.host = 'a;b': must be host or user@host"),
        ("[devices]\ntx2 = 3\n", r"bench\.toml: devices\.tx2 = 3: must be a table"),
    ],
)
def test_a_wrong_device_is_reported_with_file_key_and_value(tmp_path, text, message):
    file = tmp_path / "bench.toml"
    file.write_text(f'[plan]\nmodels = ["x3d-xs"]\n{text}')
    for read in (lambda: load_config(file), lambda: find_profiles(file)):
        with pytest.raises(UserError, match=message) as raised:
            read()
        assert raised.value.exit_code == USAGE


def test_an_unknown_device_gets_the_nearest():
    with pytest.raises(UserError, match=r"plan\.devices: xaviers: did you mean xavier"):
        config(LAPTOP, "xaviers")
