"""DATA of every kind, and what is wrong with it, named by file and line. The films are no films: none is decoded."""

import json

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.evaluate.classes import kinetics400, labels_of, read_classes
from co3d_bench.bench.evaluate.data import read_data


def films(folder, *names):
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return folder


def write(file, *lines):
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def refused(call):
    with pytest.raises(UserError) as error:
        call()
    return error.value.message


def test_a_folder_of_class_folders(tmp_path):
    films(tmp_path, "up/b.mp4", "up/a.avi", "down/x/c.MKV", "down/notes.txt", ".cache/d.mp4")
    (tmp_path / "left").mkdir()  # a class without a film is a class still
    data = read_data(tmp_path)
    assert data.own_classes == ("down", "left", "up")
    assert [(film.name, film.labels) for film in data.films] == [
        ("down/x/c.MKV", ("down",)),
        ("up/a.avi", ("up",)),
        ("up/b.mp4", ("up",)),
    ]
    assert labels_of(data, 3).positions == ((0,), (2,), (2,))


KINETICS = "label,youtube_id,time_start,time_end,split"


def test_kinetics_with_films_as_its_tools_write_them(tmp_path):
    films(tmp_path / "val", "archery/abc-_123456_000007_000017.mp4", "bowling/def.webm")
    data = read_data(
        write(
            tmp_path / "val.csv",
            KINETICS,
            "archery,abc-_123456,7,17,val",
            "bowling,def,0,10,val",
            '"massaging person\'s head",gone,3,13,val',
        )
    )
    assert [(film.name, film.labels, film.where) for film in data.films] == [
        ("abc-_123456_000007_000017.mp4", ("archery",), "val.csv, line 2"),
        ("def.webm", ("bowling",), "val.csv, line 3"),
    ]
    assert data.missing == ("val.csv, line 4: no film gone_000003_000013 or gone",)
    # A part of Kinetics in the order of its checkpoints
    labels = labels_of(data, 400)
    assert labels.names == kinetics400()
    assert labels.positions == ((kinetics400().index("archery"),), (kinetics400().index("bowling"),))


def test_films_elsewhere(tmp_path):
    films(tmp_path / "films", "abc_000001_000011.mp4")
    (tmp_path / "lists").mkdir()
    listed = write(tmp_path / "lists/val.csv", KINETICS, "archery,abc,1,11,val")
    assert len(read_data(listed, tmp_path / "films").films) == 1
    said = refused(lambda: read_data(listed))
    assert "none of its 1 films is there\nval.csv, line 2: no film abc_000001_000011 or abc" in said


def test_two_films_of_one_name_are_told_apart_by_the_folder_of_their_class(tmp_path):
    films(tmp_path, "archery/abc.mp4", "bowling/abc.mp4")
    listed = write(tmp_path / "val.csv", KINETICS, "bowling,abc,1,11,val")
    assert read_data(listed).films[0].file.parent.name == "bowling"
    write(listed, KINETICS, "sailing,abc,1,11,val")
    assert "two films of that name" in refused(lambda: read_data(listed))


@pytest.mark.parametrize("line", ["a film.mp4 {}", "a film.mp4,{}", "a film.mp4, {}", "a film.mp4\t{}"])
def test_lists_as_slowfast_and_mmaction_write_them(tmp_path, line):
    films(tmp_path, "a film.mp4")
    listed = write(tmp_path / "val.csv", line.format(3), "", line.format("004"))
    data = read_data(listed)
    assert [film.where for film in data.films] == ["val.csv, line 1", "val.csv, line 3"]
    assert labels_of(data, 5).positions == ((3,), (4,))
    assert labels_of(data, 5).names == ()
    write(listed, line.format("tying bow tie"))
    assert read_data(listed).own_classes == ("tying bow tie",)


def test_a_name_that_no_folder_can_hold_is_a_film_that_is_not_there(tmp_path):
    films(tmp_path, "a.mp4")
    data = read_data(write(tmp_path / "val.txt", "a.mp4 1", f"{'b' * 300}.mp4 0"))
    assert [film.name for film in data.films] == ["a.mp4"]
    assert len(data.missing) == 1


def test_films_of_a_list_keep_the_folder_of_their_class(tmp_path):
    films(tmp_path, "up/1.mp4", "down/1.mp4")
    listed = write(tmp_path / "val.txt", "up/1.mp4 1", "down/1.mp4 0", f"{tmp_path}/up/1.mp4 1")
    assert [film.name for film in read_data(listed).films] == ["up/1.mp4", "down/1.mp4", "1.mp4"]


def test_a_folder_has_its_own_films(tmp_path):
    films(tmp_path, "up/1.mp4")
    assert "belongs to a CSV or a list" in refused(lambda: read_data(tmp_path, tmp_path))


def test_charades_has_several_labels_or_none(tmp_path):
    films(tmp_path / "Charades_v1", "YSKX3.mp4", "6RE8D.mp4", "NONE0.mp4")
    data = read_data(
        write(
            tmp_path / "Charades_v1_test.csv",
            "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length",
            'YSKX3,BYZF,Pantry,6,7,Yes,"A person, in a pantry.",doorway,fixes it.,c141 0.00 5.20;c148 3.00 9.00,32.29',
            '6RE8D,BYZF,Pantry,6,7,Yes,"Two',
            'lines.",doorway,fixes it.,c000 11.90 21.20;c000 22.00 23.00,31.00',
            "NONE0,BYZF,Pantry,6,7,Yes,None.,doorway,fixes it.,,30.00",
        )
    )
    assert data.several
    assert labels_of(data, 157).positions == ((141, 148), (0,), ())
    names = tuple(f"c{number:03d} Doing {number}" for number in range(157))
    assert labels_of(data, 157, names).positions == ((141, 148), (0,), ())
    assert "157 classes" in refused(lambda: labels_of(data, 5))


def test_a_limit_takes_films_of_every_class(tmp_path):
    films(tmp_path, *(f"{name}/{number}.mp4" for name in ("a", "b", "c") for number in range(4)))
    assert [film.labels[0] for film in read_data(tmp_path, limit=3).films] == ["a", "b", "c"]
    assert len(read_data(tmp_path, limit=100).films) == 12


def test_the_fingerprint_is_of_films_sizes_and_labels(tmp_path):
    films(tmp_path, "a/1.mp4", "b/2.mp4")
    first = read_data(tmp_path).fingerprint()
    assert first == read_data(tmp_path).fingerprint() != read_data(tmp_path, limit=1).fingerprint()
    (tmp_path / "b/2.mp4").write_bytes(b"another film")
    assert read_data(tmp_path).fingerprint() != first


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([KINETICS, ",abc,1,11,val"], "val.csv, line 2: no label"),
        (["youtube_id,time_start,time_end,split", "abc,1,11,test"], "val.csv, line 2: no label"),
        (["id,actions", "abc,c157 1 2"], "val.csv, line 2: 'c157' is none of c000 to c156"),
        (["film.mp4 1", "no label.mp4"], "val.csv, line 2: 'no label.mp4' is not a film and its label"),
        (["original_vido_id video_id frame_id path labels"], "a list of frames"),
        ([""], "names no film"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(tmp_path, lines, words):
    films(tmp_path, "abc.mp4", "film.mp4")
    assert words in refused(lambda: read_data(write(tmp_path / "val.csv", *lines)))


def test_what_is_no_data(tmp_path):
    assert "no such file or folder" in refused(lambda: read_data(tmp_path / "gone"))
    assert "a folder of films for each class" in refused(lambda: read_data(films(tmp_path, "film.mp4")))
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00")
    assert "not a text file in UTF-8" in refused(lambda: read_data(tmp_path / "list.csv"))
    assert "not a folder" in refused(lambda: read_data(tmp_path / "list.csv", tmp_path / "gone"))


def test_a_list_of_classes_that_does_not_fit_is_refused(tmp_path):
    data = read_data(films(tmp_path / "data", "up/a.mp4", "down/b.mp4"))
    assert labels_of(data, 3, ("up", "left", "down")).positions == ((2,), (0,))
    assert "has 2 classes (down, up), X3D-S has 400" in refused(lambda: labels_of(data, 400, network="X3D-S"))
    assert "3 names, but the network has 4 classes" in refused(lambda: labels_of(data, 4, ("up", "left", "down")))
    assert refused(lambda: labels_of(data, 1, ("up", "left"))).endswith("2 names, but the network has 1 class")
    assert "up/a.mp4: 'up'" in refused(lambda: labels_of(data, 2, ("down", "left")))
    assert "has no accuracy" in refused(lambda: labels_of(data, None))
    numbers = read_data(write(films(tmp_path, "a.mp4") / "val.txt", "a.mp4 5"))
    assert "val.txt, line 1: '5'" in refused(lambda: labels_of(numbers, 5))


def test_lists_of_classes(tmp_path):
    file = tmp_path / "classes"
    assert read_classes(write(file, "up", "", " down ")) == ("up", "down")
    assert read_classes(write(file, json.dumps({'"down"': 1, '"up"': 0}))) == ("up", "down")
    assert read_classes(write(file, json.dumps(["up", "down"]))) == ("up", "down")
    assert "twice" in refused(lambda: read_classes(write(file, "up", "up")))
    assert "names no class" in refused(lambda: read_classes(write(file, "")))
    assert "from 0 on" in refused(lambda: read_classes(write(file, json.dumps({"up": 1}))))
    assert "from 0 on" in refused(lambda: read_classes(write(file, '{"up": 1e999}')))
    assert "No such file" in refused(lambda: read_classes(tmp_path / "gone"))


def test_folders_may_write_a_name_in_their_own_way(tmp_path):
    data = read_data(films(tmp_path, "massaging_person's_head/a.mp4", "Tai_Chi/b.mp4"))
    assert [kinetics400()[classes[0]] for classes in labels_of(data, 400).positions] == [
        "tai chi",
        "massaging person's head",
    ]


def test_names_that_differ_in_signs_alone_are_two_classes(tmp_path):
    data = read_data(films(tmp_path / "data", "C/a.mp4", "C++/b.mp4"))
    assert labels_of(data, 2).positions == ((0,), (1,))
    lower = read_data(write(films(tmp_path, "a.mp4") / "list.txt", "a.mp4 c"))
    assert "list.txt, line 1: 'c'" in refused(lambda: labels_of(lower, 2, ("C", "C++")))
