"""Names in folders and zips: one list of litter, harmless spellings unified, and only then judged."""

from __future__ import annotations

import random
import unicodedata
import zipfile
from pathlib import Path

import pytest
from packers import UTF8_FLAG, packed

from appcore.errors import InputError
from appcore.untrusted.names import entry_name, is_litter, unified
from appcore.untrusted.zip_file import Zip, outside

LITTER = {
    "hidden": [".DS_Store", "._a.png", ".hidden", ".Trashes", ".Spotlight-V100", ".directory", ".nfs0001", ".git", ".ipynb_checkpoints"],
    "macOS": ["__MACOSX", "__macosx", "Icon\r", "Icon\uf00d", "Network Trash Folder", "Temporary Items"],
    "Windows": ["Thumbs.db", "thumbs.DB", "ehthumbs.db", "Desktop.ini", "$RECYCLE.BIN", "System Volume Information", "Picasa.ini"],
    "servers": ["@eaDir", "lost+found", "#recycle", "@Recycle"],
    "editors": ["a.png~", "backup~", "~$photo.png", "#a.png#", "a.png.bak", "a.png.swp", ".~lock.a.png#", "__pycache__"],
}
IMAGES = (
    "a.png",
    "icon.png",
    "Icon",
    "lost and found",
    "#1.png",
    "~a.png",
    "a~b.png",
    "$5.png",
    "@home",
    "café.jpg",
    "a.bak.png",
    "a.part.png",
    "12:30.png",
    "img.10:20.png",
    "thumbs",
)


@pytest.mark.parametrize("name", [name for names in LITTER.values() for name in names])
def test_litter(name: str) -> None:
    assert is_litter(name)


@pytest.mark.parametrize("name", ["0.png:Zone.Identifier", "Thumbs.db:encryptable", "cat.tmp", "cat.part", "Notes.ipynb"])
def test_what_a_class_may_be_called_is_litter_as_a_file_alone(name: str) -> None:
    assert is_litter(name) and not is_litter(name, is_folder=True)


@pytest.mark.parametrize("name", IMAGES)
def test_no_litter(name: str) -> None:
    assert not is_litter(name)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("train/cat/a.png", "train/cat/a.png"),
        ("./train/cat/a.png", "train/cat/a.png"),
        ("././train/./cat//a.png", "train/cat/a.png"),
        ("train\\cat\\a.png", "train/cat/a.png"),
        (".\\train\\cat\\a.png", "train/cat/a.png"),
        ("photos/train\\cat/a.png", "photos/train/cat/a.png"),
        ("train\\cat\\", "train/cat/"),
        ("train/cat/.", "train/cat/"),
        ("./", ""),
        (".", ""),
        ("", ""),
        # What could lead outside stays so, however it is spelled.
        ("..\\a.png", "../a.png"),
        ("train/./../../a.png", "train/../../a.png"),
        ("\\a.png", "/a.png"),
        ("//server\\share\\a.png", "/server/share/a.png"),
        ("./C:\\a.png", "C:/a.png"),
        ("...", "..."),
    ],
)
def test_spellings_of_an_entry(written: str, read: str) -> None:
    info = zipfile.ZipInfo("x")
    info.orig_filename = written
    assert entry_name(info) == read
    assert bool(outside(read)) == (".." in read.split("/") or read.startswith(("/", "C:")))


def test_no_spelling_of_a_traversal_gets_through() -> None:
    dice = random.Random(0)
    pieces = ["..", ".", "", "a", "C:", "train", "cat", "~", "..."]
    seen = 0
    for _ in range(20_000):
        name = "".join(dice.choice(pieces) + dice.choice("/\\") for _ in range(dice.randint(1, 5))) + dice.choice(["a.png", ".."])
        info = zipfile.ZipInfo("x")
        info.orig_filename = name
        read = entry_name(info)
        if outside(read):
            seen += 1
            continue
        assert "\\" not in read and not read.startswith("/")
        assert not {"", ".", ".."} & set(read.removesuffix("/").split("/")) or read == ""
        real = (Path("/archive") / read).resolve()
        assert real.is_relative_to("/archive")
    assert 5_000 < seen < 20_000


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "read"),
    [
        ("café".encode(), UTF8_FLAG, None, "café"),
        ("café".encode(), 0, None, "café"),  # macOS
        (unicodedata.normalize("NFD", "café").encode(), 0, None, "café"),
        (unicodedata.normalize("NFD", "café").encode(), UTF8_FLAG, None, "café"),
        ("日本".encode(), 0, None, "日本"),
        ("café".encode("cp437"), 0, None, "café"),  # as the standard has it
        ("caf\u00e9".encode("cp1252"), 0, None, "cafΘ"),  # no standard has it: some name, and the same one each time
        ("日本".encode("cp932"), 0, "日本", "日本"),  # Info-ZIP adds what the bytes do not say
        (b"cafe", 0, None, "cafe"),
    ],
)
def test_encodings_of_a_name(tmp_path: Path, raw: bytes, flags: int, extra: str | None, read: str) -> None:
    names = {raw + b"/1.png": b"one", raw + b"/2.png": b"two"}
    extras = {name: f"{extra}/{name[-5:].decode()}" for name in names} if extra else None
    tree = Zip("images:x", packed(tmp_path / "a.zip", names, flags=flags, unicode_paths=extras))
    (folder,) = tree.listed()
    assert (folder.name, folder.last, folder.is_folder) == (f"{read}/", read, True)
    assert [(file.name, tree.read(file)) for file in tree.listed(folder)] == [(f"{read}/1.png", b"one"), (f"{read}/2.png", b"two")]
    tree.close()


def test_an_extra_field_for_other_bytes_does_not_count(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {b"old.png": b"x"}, unicode_paths={b"old.png": "new.png"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"old.png", b"odd.png"))  # renamed by a program that does not know the field
    tree = Zip("images:x", path)
    assert [member.name for member in tree.listed()] == ["odd.png"]
    tree.close()


@pytest.mark.parametrize("extra", [b"\x75\x70", b"\x75\x70\xff\xff\x01", b"\x75\x70\x00\x00", b"\x75\x70\x06\x00\x01abcd\xff"])
def test_a_damaged_extra_field_is_left_alone(extra: bytes) -> None:
    info = zipfile.ZipInfo("x")
    info.orig_filename, info.extra = "a.png", extra
    assert entry_name(info) == "a.png"


def test_a_name_in_an_extra_field_is_judged_as_any_other(tmp_path: Path) -> None:
    tree = Zip("images:x", packed(tmp_path / "a.zip", {b"a.png": b"x"}, unicode_paths={b"a.png": "../a.png"}))
    with pytest.raises(InputError, match="could lie outside the archive"):
        tree.listed()
    tree.close()


def test_unified_names_are_composed() -> None:
    assert unified(unicodedata.normalize("NFD", "Ångström é 각")) == "Ångström é 각"
