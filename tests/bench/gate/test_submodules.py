"""Submodules of the commits that are compared, with a real git and no network."""

import subprocess

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.gate.code import checked_out


def git(folder, *arguments):
    settings = ["user.name=somebody", "user.email=somebody@example.org", "protocol.file.allow=always"]
    options = [word for each in settings for word in ("-c", each)]
    subprocess.run(["git", "-C", str(folder), *options, *arguments], check=True, capture_output=True)


def commit(folder, **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "a change")


def new(folder, **files):
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, **files)
    return folder


def pull(folder, **files):
    """A change in a submodule's own checkout, and the outer repository's new commit of it."""
    commit(folder, **files)
    git(folder.parent, "commit", "--quiet", "--all", "-m", "a newer submodule")


@pytest.fixture
def outer(tmp_path):
    """A repository with a submodule `lib` that has a submodule `deep`; its newest commit has a newer `lib`."""
    deep = new(tmp_path / "deep", depth="deep")
    library = new(tmp_path / "library", width="1")
    git(library, "submodule", "--quiet", "add", str(deep), "deep")
    commit(library)
    outer = new(tmp_path / "outer")
    git(outer, "submodule", "--quiet", "add", "--name", "other name", str(library), "lib")
    git(outer, "submodule", "--quiet", "update", "--init", "--recursive")
    commit(outer)
    pull(outer / "lib", width="2")
    return outer


def widths(repository, store):
    with checked_out(repository, ["HEAD~1", "HEAD"], store) as codes:
        for code in codes:
            assert (code.folder / "lib/deep/depth").read_text() == "deep"
        return [(code.folder / "lib/width").read_text() for code in codes]


def clean(repository):
    def output(*arguments):
        done = subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True, text=True)
        return done.stdout

    return output("status", "--porcelain") == "" and len(output("worktree", "list").splitlines()) == 1


def test_each_side_has_the_submodule_of_its_commit(outer, tmp_path):
    assert widths(outer, tmp_path / "store") == ["1", "2"]
    assert clean(outer)
    assert clean(outer / "lib")
    assert not list((tmp_path / "store/code").iterdir())


def test_a_linked_worktree_takes_them_from_where_they_are_initialised(outer, tmp_path):
    git(outer, "worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "other")
    assert not list((tmp_path / "linked/lib").iterdir())
    assert widths(tmp_path / "linked", tmp_path / "store") == ["1", "2"]


def test_a_repository_that_is_a_submodule_itself(outer, tmp_path):
    whole = new(tmp_path / "whole")
    git(whole, "submodule", "--quiet", "add", str(outer), "part")
    git(whole / "part", "submodule", "--quiet", "update", "--init", "--recursive", "--reference", str(outer / "lib"))
    assert (whole / "part/.git").is_file()
    assert widths(whole / "part", tmp_path / "store") == ["1", "2"]
    assert clean(whole / "part")


def test_one_that_is_initialised_nowhere_stays_empty(outer, tmp_path):
    git(tmp_path, "clone", "--quiet", str(outer), "clone")
    with checked_out(tmp_path / "clone", ["HEAD"], tmp_path / "store") as (head,):
        assert not list((head.folder / "lib").iterdir())


def test_a_commit_that_the_submodule_lacks_is_named_with_what_fetches_it(outer, tmp_path):
    git(tmp_path, "clone", "--quiet", str(outer / "lib"), "elsewhere")
    commit(tmp_path / "elsewhere", width="3")
    newer = subprocess.run(
        ["git", "-C", str(tmp_path / "elsewhere"), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    git(outer, "update-index", "--cacheinfo", f"160000,{newer},lib")
    git(outer, "commit", "--quiet", "-m", "ahead of what is fetched")
    with (
        pytest.raises(UserError, match=f"git -C .*outer/lib fetch origin {newer}"),
        checked_out(outer, ["HEAD"], tmp_path / "store"),
    ):
        pass
    assert not list((tmp_path / "store/code").iterdir())
