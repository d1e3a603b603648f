"""Images that users upload: where they lie, what is refused, what counts, and when they go."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import bad_rows
import fake_runs
import numpy as np
import pytest
from PIL import Image

from appcore import paths
from appcore.config import build
from appcore.datasets.tables import Parquet
from appcore.errors import InputError
from appcore.planning import plan
from appcore.service import uploads
from appcore.service.manager import Manager
from appcore.storage.store import Store
from appcore.untrusted import zip_file


def zipped(*names: str, extra: dict[str, bytes] | None = None) -> bytes:
    """A zip with a picture under each name."""
    target, picture = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "png")
    with zipfile.ZipFile(target, "w") as file:
        for name in names:
            file.writestr(name, picture.getvalue())
        for name, data in (extra or {}).items():
            file.writestr(name, data)
    return target.getvalue()


def arrays(**arrays: Any) -> bytes:
    """An .npz."""
    target = io.BytesIO()
    np.savez_compressed(target, **arrays)
    return target.getvalue()


def promising(*shape: int) -> bytes:
    """An .npz with an array whose header promises this shape of bytes, and holds a hundred."""
    target, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(target, "w") as file:
        for name in ("x.npy", "y.npy"):
            file.writestr(name, header.getvalue() + bytes(100))
    return target.getvalue()


def columns(**columns: Any) -> bytes:
    """A Parquet file."""
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow, which streamlit brings along")
    from pyarrow import parquet

    target = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), target, compression="zstd")
    return target.getvalue().to_pybytes()


def bitmap(side: int) -> bytes:
    target = io.BytesIO()
    Image.new("L", (side, side)).save(target, "bmp")
    return target.getvalue()


X, Y = np.random.default_rng(0).integers(0, 256, (16, 8, 8), np.uint8), np.arange(16) % 2
LAID_OUT = [f"{part}/{label}/{number}.png" for part in ("train", "test") for label in ("cat", "dog") for number in range(8)]
UNDIVIDED = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(8)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def kept(store: Store) -> list[Path]:
    return sorted(paths.all_uploads(store.folder).rglob("*.*"))


def test_what_is_uploaded_can_be_trained_on_and_lies_there_once(store: Store) -> None:
    manager = Manager(store)
    dataset, has_test = manager.take_images(zipped(*LAID_OUT))
    assert has_test and manager.take_images(zipped(*LAID_OUT)) == (dataset, True)
    assert [f"images:{path.absolute()}" for path in kept(store)] == [dataset]
    assert plan.check(build({"dataset": dataset, "megabatches": 2})).train_images == 16


def test_a_zip_without_test_images_is_kept_and_says_so(store: Store) -> None:
    dataset, has_test = uploads.take_images(store, zipped(*UNDIVIDED))
    assert not has_test and plan.check(build({"dataset": dataset, "split": 0.25, "megabatches": 1})).test_images == 4


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no zip at all", "not a zip"),
        (zipped("cat/1.png"), "no train/ folder"),
        (zipped(*UNDIVIDED, extra={"cat/broken.png": b"no picture"}), "cat/broken.png cannot be read as an image"),
        (zipped(*LAID_OUT, "../../evil.png"), "outside"),
        (zipped(*LAID_OUT, extra={"train/cat/inner.zip": b"PK"}), "archive"),
        (zipped(*LAID_OUT, extra={"train/cat/flat.bmp": b"\0" * 2**26}), "flat.bmp"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line_and_not_kept(store: Store, data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        uploads.take_images(store, data)
    assert "\n" not in raised.value.message and str(store.folder) not in raised.value.message
    assert kept(store) == []


@pytest.mark.parametrize(
    ("name", "data", "has_test"),
    [
        ("Set.NPZ", arrays(x=X, y=Y), False),
        ("set.npz", arrays(x_train=X, y_train=Y, x_test=X, y_test=Y), True),
        ("train-0.parquet", columns(image=[bitmap(8)] * 16, label=Y, source=["mine"] * 16), False),
    ],
)
def test_tables_are_taken_too(store: Store, name: str, data: bytes, has_test: bool) -> None:
    dataset, found = Manager(store).take_images(data, name)
    assert found == has_test and [path.suffix for path in kept(store)] == [Path(name).suffix.lower()]
    settings = {"dataset": dataset, "split": 0.0 if has_test else 0.25, "megabatches": 1}
    assert plan.check(build(settings)).test_images == (16 if has_test else 4)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.npz", arrays(x=X, y=np.array([{}] * 16)), "holds Python objects, which are pickles and are not read"),
        ("a.npz", arrays(x=X[:, 0], y=Y), r"x is \[16, 8\]; give"),
        ("a.npz", arrays(x=X, y=Y[:5]), "for 16 images"),
        ("a.npz", arrays(x=np.zeros((2, 6000, 6000), np.uint8), y=Y[:2]), "has an image of 36,000,000 bytes"),
        ("a.npz", arrays(x=X[:2], y=np.array(["a" * 300, "b"])), "texts of 300 letters"),
        ("a.npz", arrays(x=np.zeros((2**20, 17, 17), np.uint8), y=np.zeros(2**20, np.uint8)), "as in a zip bomb"),
        ("a.npz", arrays(x=np.zeros((10**6 + 1, 1, 1), np.uint8), y=np.zeros(10**6 + 1, np.uint8)), "has 1,000,001 images"),
        ("a.npz", promising(10**8, 32, 32), "not as long as its header says"),
        ("a.npz", promising(-4, 5, 5), "not as long as its header says"),
        ("a.npz", promising(2**70, 0, 1), "not as long as its header says"),
        ("a.npz", arrays(x=X, y=Y)[:-40], "not an .npz that can be read"),
        ("a.npz", zipped(*LAID_OUT), "holds train/cat/0.png"),
        ("a.npz", b"", "not an .npz that can be read"),
        ("a.zip", arrays(x=X, y=Y), "no train/ folder"),
        ("a.parquet", columns(name=["a"] * 4, price=[1.0] * 4), "has no column of images .*, only name, price"),
        ("a.parquet", columns(image=["../../a.png"] * 4, label=Y[:4]), "has no column of images"),
        ("a.parquet", columns(image=[b"no picture"] * 4, label=Y[:4]), "cannot be read as an image"),
        ("a.parquet", columns(image=[bitmap(8)] * 4, label=[None] * 4), "has no column called label"),
        ("a.parquet", columns(image=[bitmap(8)] * 4, label=["a" * 300, "b"] * 2), "has a class of 300 letters"),
        ("a.parquet", columns(image=[bitmap(8)] * 4, label=["a\nb", "b"] * 2), "holds control or broken characters"),
        ("a.parquet", columns(image=[bitmap(900)] * 400, label=[0, 1] * 200), "unpacks to more than 268,435,456 bytes"),
        ("a.parquet", columns(image=[bitmap(8)] * 16, label=Y)[:-9], "cannot be read as Parquet"),
        ("a.parquet", columns(image=[bitmap(8)] * 16, label=Y)[:200] + b"PAR1", "cannot be read as Parquet"),
        ("a.parquet", b"PAR1" + bytes(8) + b"\xff\xff\xff\x7fPAR1", "cannot be read as Parquet"),
    ],
)
def test_tables_that_cannot_be_used_are_said_in_a_line_and_not_kept(store: Store, name: str, data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        uploads.take_images(store, data, name)
    assert "\n" not in raised.value.message and str(store.folder) not in raised.value.message and raised.value.field == "file"
    assert kept(store) == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npz", arrays(x=np.zeros((16, 400, 400), np.uint8), y=Y)),
        ("a.parquet", columns(image=[bitmap(400) + bytes([i]) for i in range(16)], label=Y)),
    ],
)
def test_what_a_table_unpacks_to_counts_for_the_limit_of_uploads(store: Store, name: str, data: bytes) -> None:
    paths.limits(store.folder).write_text("upload_megabytes = 1")
    assert len(data) < 2**18
    with pytest.raises(InputError, match="this file has 3 MiB, and this server allows 1"):
        uploads.take_images(store, data, name)
    assert kept(store) == []


def test_parquet_that_says_that_it_is_a_bomb_is_not_unpacked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_file, "FREE_BYTES", 2**12)
    monkeypatch.setattr(Parquet, "load", lambda self: pytest.fail("it was unpacked"))
    with pytest.raises(InputError, match=r"unpacks to 5,\d{3},\d{3} bytes from .*, as in a bomb"):
        uploads.take_images(store, columns(image=[bytes(5 * 10**6)], label=[0]), "a.parquet")


def test_what_runs_use_stays_when_the_same_is_uploaded_again_and_cannot_be_read_now(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads.take_images(store, arrays(x=X, y=Y), "a.npz")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Full", (), {"available": 1}))
    with pytest.raises(InputError, match="are free"):
        uploads.take_images(store, arrays(x=X, y=Y), "a.npz")
    assert len(kept(store)) == 1


@pytest.mark.parametrize(
    "limit", ["upload_megabytes = 0", "disk_megabytes_per_user = 0", "image_folders = []", 'image_folders = ["/srv/images"]']
)
def test_the_limits_of_a_server_hold(store: Store, limit: str) -> None:
    paths.limits(store.folder).write_text(limit)
    with pytest.raises(InputError, match=r"this server"):
        uploads.take_images(store, zipped(*LAID_OUT))
    assert kept(store) == []


def test_uploads_count_as_disk_of_their_user_alone(store: Store) -> None:
    noise = io.BytesIO()
    Image.frombytes("RGB", (600, 600), os.urandom(3 * 600 * 600)).save(noise, "png")
    big = zipped(*LAID_OUT, extra={"train/cat/noise.png": noise.getvalue()})
    paths.limits(store.folder).write_text("disk_megabytes_per_user = 2")
    uploads.take_images(store.of("a@example.org"), big)
    with pytest.raises(InputError, match="disk_megabytes_per_user"):
        uploads.take_images(store.of("a@example.org"), zipped(*UNDIVIDED, extra={"cat/noise.png": noise.getvalue()}))
    uploads.take_images(store.of("b@example.org"), big)
    assert len({path.parent for path in kept(store)}) == 2


def test_after_some_days_what_no_run_and_no_ablation_names_is_gone(store: Store) -> None:
    used, _ = uploads.take_images(store, zipped(*LAID_OUT))
    varied, _ = uploads.take_images(store, zipped(*LAID_OUT, "train/cat/a.png"))
    uploads.take_images(store, zipped(*LAID_OUT, "train/cat/b.png"))
    fake_runs.write(store, dataset=used)
    store.ablations.create("", {}, {"dataset": ["digits", varied]})
    assert uploads.tidy(store) == [] and len(kept(store)) == 3
    gone = uploads.tidy(store, now=time.time() + 86_400 * (uploads.DAYS + 1))
    assert len(gone) == 1 and sorted(f"images:{path.absolute()}" for path in kept(store)) == sorted([used, varied])


def test_what_may_be_anothers_is_left(store: Store, tmp_path: Path) -> None:
    used, _ = uploads.take_images(store, zipped(*LAID_OUT))
    later = time.time() + 86_400 * (uploads.DAYS + 1)
    link = tmp_path / "link"
    link.symlink_to(store.folder)
    fake_runs.write(store, dataset=used.replace(str(store.folder.absolute()), str(link)))
    assert uploads.tidy(store, now=later) == []  # the same place, spelled otherwise
    beside = Store(store.folder / "beside.db")
    fake_runs.write(beside)
    assert uploads.tidy(beside, now=later) == []  # a run of the first store names it
    beside.close()
    uploads.take_images(store, zipped(*LAID_OUT, "train/cat/a.png"))
    assert uploads.tidy(store, now=later) == [] and len(kept(store)) == 2  # nobody knows what the second store names
    for path in store.folder.glob("beside.db*"):
        path.unlink()
    bad_rows.write(store.folder / "runs.db", fake_runs.write(store), "tags", "5")
    assert uploads.tidy(store, now=later) == [] and len(kept(store)) == 2


def test_stores_of_one_server_leave_each_others_uploads(tmp_path: Path) -> None:
    mine, other = Store(tmp_path / "mine.db"), Store(tmp_path / "elsewhere" / "other.db")
    uploads.take_images(mine, zipped(*LAID_OUT))
    later = time.time() + 86_400 * (uploads.DAYS + 1)
    other.files.own(fake_runs.write(other))
    for folder in other.folder.iterdir():
        if folder.is_dir():
            folder.rename(mine.folder / folder.name)
    assert uploads.tidy(mine, now=later) == [] and len(kept(mine)) == 1
