import sys
from contextlib import contextmanager
from types import SimpleNamespace

from co3d_bench.devices.jtop import read_jtop

HARDWARE = {"Module": "NVIDIA Jetson TX2", "L4T": "32.7.6", "Jetpack": "4.6.6", "Serial Number": "0123", "P-Number": ""}


@contextmanager
def service():
    clocks = SimpleNamespace(get_status=lambda: "inactive")
    yield SimpleNamespace(board={"hardware": HARDWARE, "libraries": {"CUDA": "10.2.300"}}, jetson_clocks=clocks)


@contextmanager
def stopped():
    raise RuntimeError("The jtop.service is not active. Please run:\nsudo jtop --install-service")
    yield


def test_a_board_is_asked_once_and_its_serial_number_never():
    assert read_jtop(service) == {
        "Module": "NVIDIA Jetson TX2",
        "Jetpack": "4.6.6",
        "L4T": "32.7.6",
        "CUDA": "10.2.300",
        "jetson_clocks": "inactive",
    }


def test_why_it_reports_nothing(monkeypatch):
    assert "not active. Please run: sudo jtop" in read_jtop(stopped)
    monkeypatch.setitem(sys.modules, "jtop", None)
    assert "pip install jetson-stats" in read_jtop()
