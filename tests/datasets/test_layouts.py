"""Layouts that people have, names as their systems write them, and a test set that is drawn."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile_images import Files, folder_of, plain, two_classes, zip_of
from packers import packed

from appcore.config import RunConfig, build
from appcore.datasets import images
from appcore.engine.data import load_data, pick_device
from appcore.errors import InputError
from appcore.planning import plan
from appcore.testing.plugin_suites import DatasetSuite

Make = Callable[[Path, Files], Path]


def as_zip(path: Path, files: Files) -> Path:
    return zip_of(path.with_suffix(".zip"), files)


as_folder_and_as_zip = pytest.mark.parametrize("make", [folder_of, as_zip], ids=["folder", "zip"])


def config(path: Path, **settings: object) -> RunConfig:
    return RunConfig(dataset=f"images:{path}", **settings)


def renamed(**names: str) -> Files:
    """Two classes whose train/ and test/ are called otherwise."""
    return {
        f"{names.get(name.partition('/')[0], name.partition('/')[0])}/{name.partition('/')[2]}": data
        for name, data in two_classes().items()
    }


def below(prefix: str, files: Files) -> Files:
    return {prefix + name: data for name, data in files.items()}


def refusal(path: Path, **settings: object) -> str:
    with pytest.raises(InputError) as caught:
        images.load(config(path, **settings))
    assert caught.value.message.isprintable() and len(caught.value.message) < 400
    return caught.value.message


# ---- layouts


@as_folder_and_as_zip
@pytest.mark.parametrize(
    ("files", "notes"),
    [
        (renamed(), ()),
        (renamed(test="val"), ("val/ is read as test/.",)),
        (renamed(test="valid"), ("valid/ is read as test/.",)),
        (renamed(test="validation"), ("validation/ is read as test/.",)),
        (renamed(train="Train", test="Test"), ("Train/ is read as train/, Test/ is read as test/.",)),
        (renamed(train="TRAIN", test="Val"), ("TRAIN/ is read as train/, Val/ is read as test/.",)),
        (renamed(train="training", test="testing"), ("training/ is read as train/, testing/ is read as test/.",)),
        (renamed() | {"val/cat/a.png": plain()}, ("Not used: val.",)),
        (renamed(test="val") | {"test/1.png": plain(), "test/2.png": plain()}, ("val/ is read as test/.", "Not used: test.")),
        (renamed() | {"README.md": b"x", "LICENSE": b"x"}, ("Not used: LICENSE, README.md.",)),
        (below("set/", renamed()), ("The images lie in set/.",)),
        (below("a/b/", renamed()), ("The images lie in a/b/.",)),
        (below("a/b/c/d/", renamed(test="val")), ("The images lie in a/b/c/d/.", "val/ is read as test/.")),
        (below("a/b/", renamed()) | {"README": b"x", "a/notes.txt": b"x"}, ("The images lie in a/b/.",)),
        (below("a/", renamed() | {"README": b"x"}), ("The images lie in a/.", "Not used: a/README.")),
    ],
    ids=str,
)
def test_accepted_with_a_note(tmp_path: Path, make: Make, files: Files, notes: tuple[str, ...]) -> None:
    path = make(tmp_path / "images", files)
    described, found = images.describe(config(path)), images.load(config(path))
    assert described.notes == found.notes == notes
    assert (described.train_images, described.test_images, described.classes) == (4, 2, ("cat", "dog"))
    assert found.train_x[:, :, 0, 0].tolist() == [[255, 0, 0]] * 2 + [[0, 0, 255]] * 2


@as_folder_and_as_zip
@pytest.mark.parametrize(
    ("files", "says"),
    [
        (renamed() | below("", renamed(train="Train")), "holds Train/ and train/, and each could be train/; keep one of them"),
        (renamed(test="val") | {"valid/cat/a.png": plain()}, "holds val/ and valid/, and each could be test/; keep one of them"),
        ({"Train/cat/a.png": plain(), "Train/dog/a.png": plain(), "val/cat/a.png": plain()}, "class dog is in Train/ but not in val/"),
        ({"cat/a.png": plain(), "dog/a.png": plain()}, "set split (--split 0.2) to have a test set drawn from its folders"),
        ({"x/cat/a.png": plain(), "x/dog/a.png": plain()}, "set split (--split 0.2) to have a test set drawn from its folders"),
        ({"Train/cat/a.png": plain(), "Train/dog/a.png": plain()}, "no test/ folder; lay it out as"),
        ({"Train/cat/a.png": plain(), "Train/dog/a.png": plain()}, "a test set drawn from Train/"),
        ({"train/cat/a.png": plain(), "train/dog/a.png": plain(), "Test/1.png": plain()}, "Test/ has no class folders; lay it out as"),
        ({"test/cat/a.png": plain(), "test/dog/a.png": plain()}, "no train/ folder; lay it out as"),
        ({"cat/a.png": plain()}, "holds cat but no train/ folder"),
        ({"a.png": plain()}, "holds a.png but no train/ folder"),
    ],
    ids=str,
)
def test_refused_with_the_way_out(tmp_path: Path, make: Make, files: Files, says: str) -> None:
    assert says in refusal(make(tmp_path / "images", files))


# ---- names


@as_folder_and_as_zip
@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_letters_with_accents_are_one_name_however_they_are_composed(tmp_path: Path, make: Make, forms: tuple[str, str]) -> None:
    word = "café Ångström 각"
    files = {
        f"{split}/{label}/{shade}.png": plain((shade, 0, 0))
        for split, form in zip(("train", "test"), forms)
        for label, shade in ((unicodedata.normalize(form, word), 10), ("tea", 20))
    }
    found = images.load(config(make(tmp_path / "images", files)))
    assert found.classes == (word, "tea") and found.test_x[:, 0, 0, 0].tolist() == [10, 20]


def test_two_spellings_of_one_class_are_one_class_and_of_one_file_are_refused(tmp_path: Path) -> None:
    twice = {f"{split}/{unicodedata.normalize(form, 'é')}/{form}.png": plain() for split in ("train", "test") for form in ("NFC", "NFD")}
    twice |= {f"{split}/tea/a.png": plain() for split in ("train", "test")}
    for make in (folder_of, as_zip):
        found = images.describe(config(make(tmp_path / "class", twice)))
        assert (found.classes, found.train_images) == (("tea", "é"), 3)
    both = {f"train/cat/{unicodedata.normalize(form, 'é')}.png": plain() for form in ("NFC", "NFD")}
    assert "is there twice, spelled in two ways" in refusal(folder_of(tmp_path / "files", two_classes() | both))
    assert "occurs twice; create the zip again" in refusal(as_zip(tmp_path / "files", two_classes() | both))


LITTER = ("Icon\r", ".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", "a.png~", "#a.png#", ".a.png.swp", "~$a.png", "a.png.bak")
LITTER += ("~WRL0001.tmp", "a.png.part", "a.png.crdownload", "a.jpg_original", "a.png.orig", "a.png.kate-swp", "a.png.swn", "1.ipynb")
LITTER_FOLDERS = (
    ".ipynb_checkpoints",
    "__MACOSX",
    "@eaDir",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    ".git",
    "__pycache__",
)


@as_folder_and_as_zip
@pytest.mark.parametrize("place", ["", "set/", "set/train/", "set/test/", "set/train/cat/", "set/test/dog/"])
def test_litter_is_nowhere_in_the_way(tmp_path: Path, make: Make, place: str) -> None:
    litter = {f"{place}{name}": b"x" for name in LITTER} | {f"{place}{name}/a.png": b"x" for name in LITTER_FOLDERS}
    found = images.load(config(make(tmp_path / "images", below("set/", two_classes()) | litter)))
    assert found.train_x.shape == (4, 3, 8, 8) and found.classes == ("cat", "dog") and found.notes == ("The images lie in set/.",)


@pytest.mark.parametrize("spelled", ["./{}", ".//{}", "{}", "./set/{}", "set\\{}", ".\\set\\{}", "set/./{}"])
@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize("with_folders", [False, True])
def test_zips_of_every_packer_are_the_same_set(tmp_path: Path, spelled: str, separator: str, with_folders: bool) -> None:
    names = dict(two_classes())
    if with_folders:
        names |= dict.fromkeys(("train/", "test/", "train/cat/", "train/dog/", "test/cat/", "test/dog/"), b"")
        names = {"./": b""} | names if spelled.startswith("./") else names
    raw = {spelled.format(name.replace("/", separator)).encode() if name != "./" else b"./": data for name, data in names.items()}
    found = images.load(config(packed(tmp_path / "set.zip", raw)))
    assert found.train_x[:, :, 0, 0].tolist() == [[255, 0, 0]] * 2 + [[0, 0, 255]] * 2 and found.classes == ("cat", "dog")


def test_a_remedy_works_with_the_packer_that_made_the_file(tmp_path: Path) -> None:
    """Made from inside the folder by programs that begin every name with ./ or write backslashes; neither is refused then."""
    outside = packed(tmp_path / "outside.zip", {f"../set/{name}".encode(): data for name, data in two_classes().items()})
    assert "make the zip from inside the folder" in refusal(outside)
    for prefix in ("./", ".\\", ""):
        again = packed(tmp_path / "again.zip", {f"{prefix}{name}".encode(): data for name, data in two_classes().items()})
        assert images.describe(config(again)).train_images == 4


# ---- a test set that is drawn


def unsplit(per_class: dict[str, int], prefix: str = "") -> Files:
    return {f"{prefix}{label}/{n:02}.png": plain((n, 0, 0)) for label, count in per_class.items() for n in range(count)}


@as_folder_and_as_zip
@pytest.mark.parametrize("prefix", ["", "train/", "photos/", "a/Train/"])
def test_a_share_of_each_class_is_drawn(tmp_path: Path, make: Make, prefix: str) -> None:
    path = make(tmp_path / "images", unsplit({"cat": 20, "dog": 10, "eel": 2, "fox": 3}, prefix))
    described, found = images.describe(config(path, split=0.2)), images.load(config(path, split=0.2))
    assert np.bincount(found.test_y).tolist() == [4, 2, 1, 1] and np.bincount(found.train_y).tolist() == [16, 8, 1, 2]
    assert (described.train_images, described.test_images, described.classes) == (27, 8, ("cat", "dog", "eel", "fox"))
    note = "8 of 35 images, 0.2 of each class, were drawn as the test set: the same for every seed."
    assert note in described.notes and note in found.notes
    for label, count in enumerate((20, 10, 2, 3)):
        parts = [x[y == label, 0, 0, 0].tolist() for x, y in ((found.train_x, found.train_y), (found.test_x, found.test_y))]
        assert sorted(parts[0] + parts[1]) == list(range(count)) and parts == [sorted(part) for part in parts]


def test_test_images_without_classes_do_not_stand_against_a_split(tmp_path: Path) -> None:
    for prefix in ("train/", ""):
        files = unsplit({"cat": 10, "dog": 10}, prefix) | {"test/1.png": plain(), "sample.csv": b"x"}
        found = images.describe(config(as_zip(tmp_path / "images", files), split=0.2))
        assert (found.train_images, found.test_images, found.classes) == (16, 4, ("cat", "dog"))
        assert "Not used: sample.csv, test." in found.notes


def test_the_draw_is_random_and_the_same_wherever_the_images_lie_and_whatever_the_seed(tmp_path: Path) -> None:
    files = unsplit({"cat": 50, "dog": 50})
    found = []
    for number, (make, prefix) in enumerate([(folder_of, ""), (as_zip, ""), (folder_of, "x/y/"), (as_zip, "train/")]):
        path = make(tmp_path / str(number), below(prefix, files))
        found += [images.load(config(path, split=0.3, seed=seed)) for seed in (0, 1)]
    assert all(np.array_equal(one.test_x, found[0].test_x) and np.array_equal(one.train_x, found[0].train_x) for one in found)
    cats, dogs = (found[0].test_x[found[0].test_y == label, 0, 0, 0] for label in (0, 1))
    assert len(cats) == len(dogs) == 15 and set(cats) != set(dogs) and set(cats) != set(range(15))
    assert 10 < np.abs(np.diff(np.sort(cats))).sum() < 50


def test_a_set_that_grows_keeps_most_of_its_test_images(tmp_path: Path) -> None:
    tests = []
    for count in (50, 60):
        found = images.load(config(as_zip(tmp_path / str(count), unsplit({"cat": count, "dog": count})), split=0.2))
        tests.append(set(found.test_x[found.test_y == 0, 0, 0, 0].tolist()))
    assert len(tests[0] & tests[1]) >= 7 and (len(tests[0]), len(tests[1])) == (10, 12)


@pytest.mark.parametrize(("share", "drawn"), [(0.001, 1), (0.1, 1), (0.25, 2), (0.5, 5), (0.9, 9), (0.999, 9)])
def test_one_image_at_least_on_either_side(tmp_path: Path, share: float, drawn: int) -> None:
    path = as_zip(tmp_path / "images", unsplit({"cat": 10, "dog": 10}))
    assert np.bincount(images.load(config(path, split=share)).test_y).tolist() == [drawn, drawn]


def test_refusals_of_a_split(tmp_path: Path) -> None:
    own = as_zip(tmp_path / "own", renamed(test="val"))
    with pytest.raises(InputError, match=r"split: .* has a test set of its own \(val/\); set it to 0") as caught:
        images.describe(config(own, split=0.2))
    assert caught.value.field == "split"
    assert "class cat has one image, which cannot be divided" in refusal(as_zip(tmp_path / "one", unsplit({"cat": 1, "dog": 5})), split=0.5)
    assert "only one class (cat)" in refusal(as_zip(tmp_path / "class", unsplit({"cat": 9})), split=0.5)
    assert "no train/ folder" in refusal(as_zip(tmp_path / "test", unsplit({"cat": 9, "dog": 9}, "test/")), split=0.5)
    assert "eel holds no images" in refusal(as_zip(tmp_path / "empty", unsplit({"cat": 9, "dog": 9}) | {"eel/": b""}), split=0.5)
    assert "a.png lies outside a class folder" in refusal(
        as_zip(tmp_path / "loose", unsplit({"a": 9, "b": 9}) | {"a.png": plain()}), split=0.5
    )
    for split in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match="split: "):
            build({"dataset": f"images:{own}", "split": split})
    with pytest.raises(InputError, match="split: digits has test images of its own; set it to 0"):
        build({"dataset": "digits", "split": 0.2})


def test_a_run_on_a_drawn_split_uses_limits_and_shots_of_its_parts(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "images", unsplit({"cat": 20, "dog": 20}))
    few = config(path, split=0.25, shots=3, limit_test=4, crop_padding=0, megabatches=1)
    assert plan.check(few).train_images == 30
    data = load_data(few, pick_device("cpu"))
    whole = images.load(config(path, split=0.25))
    assert data.train_y.bincount().tolist() == [3, 3] and len(data.test_x) == 4
    assert {*data.train_x[..., 0, 0, 0].tolist()} <= {*whole.train_x[:, 0, 0, 0].tolist()}
    assert load_data(few.model_copy(update={"split": 0.5}), pick_device("cpu")) is not data  # no other split is taken for it


class TestSplit(DatasetSuite):
    """The contract of data sets that take a split, held by images of one's own."""

    names = ("images:",)

    def settings(self, name: str, folder: Path) -> RunConfig:
        return config(folder_of(folder, unsplit({"cat": 12, "dog": 8})), split=0.25)


def test_a_changed_file_is_seen_whatever_the_split(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "images", unsplit({"cat": 8, "dog": 8}))
    assert [images.describe(config(path, split=split)).test_images for split in (0.25, 0.5, 0.25)] == [4, 8, 4]
    (path / "cat" / "more.png").write_bytes(plain(size=(9, 9)))
    assert images.describe(config(path, split=0.25)).train_images == 13


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_folders_around_may_not_lead_out(tmp_path: Path) -> None:
    folder_of(tmp_path / "real", two_classes())
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "inside").symlink_to(tmp_path / "real", target_is_directory=True)
    assert "inside is a link out of the folder" in refusal(tmp_path / "set")
    shutil.rmtree(tmp_path / "set")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "around").symlink_to(tmp_path / "set", target_is_directory=True)  # a circle
    assert "no train/ folder" in refusal(tmp_path / "set")
