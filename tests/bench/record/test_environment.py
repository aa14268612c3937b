import subprocess

import pytest

from co3d_bench import __version__
from co3d_bench.bench.record import environment, openmp
from co3d_bench.bench.run.child import child_environment
from co3d_bench.devices.host import read_host


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", *arguments], check=True)


def test_a_checkout_has_a_commit_and_may_be_dirty(tmp_path):
    assert environment.read_checkout(tmp_path) == environment.Checkout()
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "one")
    found = environment.read_checkout(tmp_path)
    assert found.commit is not None
    assert (len(found.commit), found.dirty) == (40, False)
    (tmp_path / "a").write_text("2")
    assert environment.read_checkout(tmp_path).dirty is True


def test_a_file_that_is_not_tracked_makes_a_checkout_dirty(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "nets").mkdir()
    for name in ("net.py", "nets/größe 1.py", "new.py"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "add", "net.py", "nets")
    assert environment.read_checkout(tmp_path, ("net.py",)) == environment.Checkout()  # no commit yet
    git(tmp_path, "commit", "-qm", "one")
    found = [environment.read_checkout(tmp_path, files).dirty for files in ((), ("net.py", "nets/größe 1.py"))]
    assert found == [False, False]
    assert environment.read_checkout(tmp_path, ("net.py", "new.py")).dirty is True


def test_a_file_of_a_submodule_is_tracked(tmp_path):
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for folder in (inner, outer):
        folder.mkdir()
        git(folder, "init", "-q")
        (folder / "net.py").write_text("1")
        git(folder, "add", "net.py")
        git(folder, "commit", "-qm", "one")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib")
    git(outer, "commit", "-qm", "two")
    assert environment.read_checkout(outer, ("net.py", "lib/net.py")).dirty is False
    (outer / "lib" / "net.py").write_text("2")
    assert environment.read_checkout(outer, ("net.py", "lib/net.py")).dirty is True


def test_a_repository_that_git_refuses_is_named(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests of this
    found = environment.read_checkout(tmp_path)
    assert found.commit is None
    assert "dubious ownership" in found.refused


def test_a_machine_without_git_is_no_error(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "/nonexistent")
    assert environment.read_checkout(tmp_path) == environment.Checkout()


def test_the_environment_of_this_process():
    versions = environment.read_versions()
    assert {"python", "torch", "ptflops"} <= set(versions)
    assert versions["co3d_bench"] == __version__
    host = read_host()
    made = environment.make_environment(
        host, environment.Checkout("c" * 40, True), versions, intra_op_threads=3, inter_op_threads=1
    )
    assert (made.process.intra_op_threads, made.process.inter_op_threads) == (3, 1)
    assert made.machine.cpu_model == host.cpu_model
    assert (made.git_commit, made.git_dirty) == ("c" * 40, True)


def test_how_openmp_waits_is_a_fact_and_the_number_of_threads_another():
    made = environment.make_environment(
        read_host(),
        environment.Checkout(),
        {},
        intra_op_threads=2,
        inter_op_threads=1,
        environ={
            "OMP_NUM_THREADS": "2",
            "GOMP_SPINCOUNT": "7",
            "OMP_PROC_BIND": "true",
            "KMP_BLOCKTIME": "1",
            "HOME": "/",
        },
    )
    assert made.process.openmp == ("GOMP_SPINCOUNT=7", "KMP_BLOCKTIME=1", "OMP_PROC_BIND=true")


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_threads_give_way_unless_the_user_has_said_how_they_wait(monkeypatch, name):
    for each in ("OMP_WAIT_POLICY", *openmp.WAITING):
        monkeypatch.delenv(each, raising=False)
    assert openmp.WAITING.items() <= child_environment(2).items()
    assert child_environment(2)["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv(name, "17")
    assert not child_environment(2).keys() & openmp.WAITING.keys()
    monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_PROC_BIND", "true")  # says nothing of waiting
    assert openmp.WAITING.items() <= child_environment(2).items()
