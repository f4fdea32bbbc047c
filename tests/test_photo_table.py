"""Which photos are meant and whose they are: plain folders, tables and published layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from deca.apps.errors import UsageError
from deca.apps.photo_table import PhotoSource, list_sources
from deca.apps.prepare_options import PrepareOptions


def make_tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def listed(folder: Path, **options: object) -> list[PhotoSource]:
    return list_sources(PrepareOptions(folder=folder, out=folder / "out", **options))  # pyright: ignore


def people(folder: Path, **options: object) -> dict[str, str]:
    return {source.name: source.identity for source in listed(folder, **options)}


def test_a_folder_is_a_person(tmp_path):
    make_tree(tmp_path, "a/1.jpg", "a/2.png", "b/c/1.webp", "b/notes.txt", ".hidden/1.jpg")
    assert people(tmp_path) == {"a/1.jpg": "a", "a/2.png": "a", "b/c/1.webp": "b/c"}
    assert {(one.source, one.licence) for one in listed(tmp_path)} == {(tmp_path.name, "not stated")}
    told = listed(tmp_path, source="mine", licence="CC0")
    assert {(one.source, one.licence) for one in told} == {("mine", "CC0")}


def test_a_photo_in_no_folder_has_no_person_there(tmp_path):
    make_tree(tmp_path, "1.jpg")
    with pytest.raises(UsageError, match=r"1\.jpg: lies in no person's folder"):
        listed(tmp_path)
    assert people(tmp_path, identity="photo") == {"1.jpg": "1.jpg"}


def test_a_pattern_finds_the_person(tmp_path):
    make_tree(tmp_path, "day/ann_1.jpg", "day/bob_1.jpg")
    found = people(tmp_path, identity="pattern", pattern=r"([a-z]+)_[0-9]+\.jpg$")
    assert found == {"day/ann_1.jpg": "ann", "day/bob_1.jpg": "bob"}
    for pattern, said in (
        (r"[a-z", "not a regular expression"),
        (r"[a-z]+_", "put parentheses"),
        (r"(ann)_", r"does not say whose face day/bob_1\.jpg shows"),
    ):
        with pytest.raises(UsageError, match=said):
            listed(tmp_path, identity="pattern", pattern=pattern)


def test_a_table_says_person_source_and_licence(tmp_path):
    make_tree(tmp_path, "a.jpg", "d/b.jpg", "not-listed.jpg")
    table = tmp_path / "table.csv"
    table.write_text(
        'file,identity,licence,note\nd/b.jpg,bob,"CC-BY-4.0, Bob",x\na.jpg,ann,,\ngone.jpg,ann,,\n'
    )
    found = listed(tmp_path, identity="csv", csv=table, licence="else", source="here")
    assert found == [
        PhotoSource("a.jpg", "ann", "here", "else"),
        PhotoSource("d/b.jpg", "bob", "here", "CC-BY-4.0, Bob"),
        PhotoSource("gone.jpg", "ann", "here", "else"),
    ]
    (tmp_path / "d" / "c.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "not-listed.jpg").unlink()
    assert [(one.identity, one.licence) for one in listed(tmp_path, csv=table)] == [
        ("d", "CC-BY-4.0, Bob"),
        ("d", "not stated"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,identity\n", "no column file"),
        ("", "no column file and no column identity"),
        ("file,identity\na.jpg,\n", "line 2: file or identity is empty"),
        ("file,identity\na.jpg,x\na.jpg,y\n", r"line 3: a\.jpg comes a second time"),
        ("file,identity\n\xff", "not a readable table"),
    ],
)
def test_a_wrong_table_is_told_by_its_line(tmp_path, text, said):
    make_tree(tmp_path, "a.jpg")
    (tmp_path / "table.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=said):
        listed(tmp_path, identity="csv", csv=tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"identity": "pattern"}, "go together"),
        ({"pattern": "(a)"}, "go together"),
        ({"identity": "csv"}, "needs --csv"),
        ({"layout": "bupt", "pattern": "(a)"}, "--pattern: --layout bupt"),
        ({"layout": "bupt", "identity": "photo"}, "--identity photo: --layout bupt"),
        ({"layout": "celeba"}, "nothing here is arranged as celeba"),
        ({"csv": Path("none.csv")}, "not a readable table"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(tmp_path, options, said):
    make_tree(tmp_path, "a.jpg")
    with pytest.raises(UsageError, match=said):
        listed(tmp_path, **options)


def test_folders_without_photos_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no photos in this folder"):
        listed(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        listed(tmp_path / "none")


def test_what_belongs_to_synthetic_photos_is_no_photo(tmp_path):
    make_tree(tmp_path, "a/1.jpg", "a/1.truth.npz", "a/1.displacement.png", "a/2.displacement.png")
    assert list(people(tmp_path)) == ["a/1.jpg", "a/2.displacement.png"]


def test_vggface2(tmp_path):
    make_tree(tmp_path, "train/n000002/0001_01.jpg", "train/n000003/0002_01.jpg", "train/list.jpg")
    assert people(tmp_path, layout="vggface2") == {
        "train/n000002/0001_01.jpg": "n000002",
        "train/n000003/0002_01.jpg": "n000003",
    }
    assert listed(tmp_path / "train", layout="vggface2")[0].source == "VGGFace2"


def test_bupt(tmp_path):
    make_tree(tmp_path, "African/m.0bc/1.jpg", "Asian/m.0de/2.jpg", "stray.jpg")
    found = listed(tmp_path, layout="bupt", licence="see the site")
    assert [(one.identity, one.more["group"], one.licence) for one in found] == [
        ("m.0bc", "African", "see the site"),
        ("m.0de", "Asian", "see the site"),
    ]


def test_voxceleb2(tmp_path):
    make_tree(
        tmp_path, "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "id00015/0fijmz4vTVU/00002/25.jpg", "x/y.mp4"
    )
    assert [(one.name, one.identity, one.more) for one in listed(tmp_path, layout="voxceleb2")] == [
        ("dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "id00012", {"video": "21Uxsk56VDQ"}),
        ("id00015/0fijmz4vTVU/00002/25.jpg", "id00015", {"video": "0fijmz4vTVU"}),
    ]


def test_celeba(tmp_path):
    make_tree(tmp_path, *(f"Img/img_align_celeba/00000{number}.jpg" for number in (1, 2, 3)), "x/000001.jpg")
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Anno" / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 2937\n")
    (tmp_path / "Anno" / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    assert people(tmp_path, layout="celeba") == {
        "Img/img_align_celeba/000001.jpg": "2880",
        "Img/img_align_celeba/000002.jpg": "2937",
    }
    (tmp_path / "Anno" / "identity_CelebA.txt").write_text("000001.jpg\n")
    with pytest.raises(UsageError, match=r"identity_CelebA\.txt: line 1"):
        listed(tmp_path, layout="celeba")
