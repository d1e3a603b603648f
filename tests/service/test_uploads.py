"""Zips of images that users upload: where they lie, what is refused, what counts, and when they go."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import fake_runs
import pytest
from PIL import Image

from appcore import paths
from appcore.config import build
from appcore.errors import InputError
from appcore.planning import plan
from appcore.service import uploads
from appcore.service.manager import Manager
from appcore.storage.store import Store


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
