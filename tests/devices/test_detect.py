import pytest

from co3d_bench.devices.detect import (
    Gpu,
    Hardware,
    card_name,
    describe,
    list_gpus,
    match,
    read_hardware,
    recognise,
    visible,
)
from co3d_bench.devices.host import read_host
from co3d_bench.devices.profile import list_profiles, with_custom
from co3d_bench.devices.root import Snapshot

from .boards import TREES, board, snapshot
from .nvml import FakeNvml, card

PROFILES = {profile.name: profile for profile in list_profiles()}


def seen_tree(name):
    files = {f"/proc/device-tree/{key}": text for key, text in TREES[name].items()}
    return read_hardware(Snapshot(files))


@pytest.mark.parametrize(
    ("tree", "device"),
    [
        ("tx2_real", "tx2"),
        ("tx2_dts", "tx2"),
        ("agx_xavier", "xavier"),
        ("xavier_nx", "xavier-nx"),
        ("agx_orin", "orin"),
    ],
)
def test_a_board_is_known_by_its_device_tree_alone(tree, device):
    found = recognise(list_profiles(), seen_tree(tree))
    assert [each.profile.name for each in found] == [device, "cpu"]
    assert "device tree" in found[0].why


def test_the_chip_alone_is_no_board_and_a_board_with_another_chip_is_none():
    chip = read_hardware(Snapshot({"/proc/device-tree/compatible": "acme,board\0nvidia,tegra194\0"}))
    assert [each.profile.name for each in recognise(list_profiles(), chip)] == ["cpu"]
    other = read_hardware(Snapshot({"/proc/device-tree/compatible": "nvidia,p3737-0000+p3701-0005\0nvidia,tegra194\0"}))
    assert [each.profile.name for each in recognise(list_profiles(), other)] == ["cpu"]


@pytest.mark.parametrize("name", ["tx2", "xavier", "xavier-nx", "orin"])
def test_files_on_disk_and_files_sent_over_are_the_same_board(tmp_path, name):
    local, sent = read_hardware(board(tmp_path, name)), read_hardware(snapshot(name))
    assert local == sent
    assert recognise(list_profiles(), sent)[0].profile.name == name


def seen_cards(*gpus):
    return Hardware(read_host(Snapshot({})), gpus)


@pytest.mark.parametrize(
    ("name", "capability", "device"),
    [
        ("GeForce RTX 2080 Ti", "7.5", "rtx2080ti"),
        ("NVIDIA GeForce RTX 2080 Ti", "7.5", "rtx2080ti"),
        ("NVIDIA GeForce RTX 3090", "8.6", "rtx3090"),
        ("NVIDIA GeForce RTX 4090", "8.9", "rtx4090"),
        ("NVIDIA A100-SXM4-40GB", "8.0", "a100"),
        ("NVIDIA H100 80GB HBM3", "9.0", "h100"),
        ("NVIDIA H200", "9.0", "h200"),
        ("NVIDIA GeForce RTX 3090 Ti", "8.6", "cpu"),
        ("NVIDIA GeForce RTX 2080", "7.5", "cpu"),
        ("GeForce RTX 2080 Ti", "8.6", "cpu"),
    ],
)
def test_a_card_is_known_by_name_and_capability(name, capability, device):
    found = recognise(list_profiles(), seen_cards(Gpu(card_name(name), capability)))
    assert found[0].profile.name == device


def test_a_profile_of_ours_comes_before_the_same_with_a_host():
    profiles = with_custom(list_profiles(), {"a-xavier": {"extends": "xavier", "host": "x", "order": 1}})
    found = recognise(profiles, read_hardware(snapshot("xavier")))
    assert [each.profile.name for each in found] == ["xavier", "a-xavier", "cpu"]


def test_a_machine_is_described_in_a_line():
    text = describe(read_hardware(snapshot("tx2")))
    assert "quill, 4 usable cores, aarch64" in text
    assert "nvidia,p2597-0000+p3310-1000 nvidia,tegra186" in text
    assert "no NVIDIA GPU (not asked)" in text
    assert "GPU 1 H200" in describe(seen_cards(Gpu("H100", index=0), Gpu("H200", index=1)))


def test_every_machine_is_the_generic_device():
    assert match(PROFILES["cpu"], read_hardware(Snapshot({})))
    assert match(PROFILES["cpu"], read_hardware())


def test_cards_are_asked_of_the_driver():
    gpus, why = list_gpus(FakeNvml(card("NVIDIA GeForce RTX 2080 Ti", (7, 5), memory=11 << 30)))
    assert why is None
    assert gpus == (Gpu("GeForce RTX 2080 Ti", "7.5", 11 << 30, 0, "GPU-0"),)


@pytest.mark.parametrize(
    ("error", "message"), [("LibraryNotFound", "not installed"), ("DriverNotLoaded", "driver is not loaded")]
)
def test_no_driver_is_a_reason_not_an_error(error, message):
    gpus, why = list_gpus(FakeNvml(fails={"nvmlDeviceGetCount": error}))
    assert gpus == ()
    assert message in why


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [(None, [0, 1]), ("1", [1]), ("1,0", [1, 0]), ("", []), ("0,7,1", [0]), ("GPU-1", [1]), ("-1", [])],
)
def test_cards_that_cuda_hides_are_not_there(wanted, indices):
    cards = [Gpu("A", index=0, uuid="GPU-0abc"), Gpu("B", index=1, uuid="GPU-1abc")]
    assert [gpu.index for gpu in visible(cards, wanted)] == indices
