"""Images in tables: NumPy's .npz and Parquet, read as a folder of the same images is, and refused in one line."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from appcore.config import RunConfig, build
from appcore.datasets import images
from appcore.engine.data import load_data, pick_device
from appcore.errors import InputError
from appcore.planning import plan
from appcore.testing.plugin_suites import DatasetSuite

pa = pytest.importorskip("pyarrow", reason="needs pyarrow, which streamlit brings along")
pq = pytest.importorskip("pyarrow.parquet")

NAMES = ["zebra", "ant"]  # not in the order of letters, to see that labels decide


def pixels(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


LABELS = np.array([1, 0, 1, 0, 1, 0])
ARRAYS: dict[str, Any] = {"x_train": pixels(6, 8, 9, 3), "y_train": LABELS, "x_test": pixels(4, 8, 9, 3), "y_test": LABELS[:4]}


def png(array: np.ndarray, kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def npz(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def parquet(path: Path, x: np.ndarray, y: Any, *, names: list[str] | None = None, column: str = "image", label: str = "label") -> Path:
    files = pa.array([{"bytes": png(one), "path": None} for one in x], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({"id": [f"{i}" for i in range(len(x))], column: files, label: pa.array(list(y))})
    about = {"info": {"features": {column: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}}}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}) if names else table, path)
    return path


def config(path: Path, **settings: Any) -> RunConfig:
    return RunConfig(dataset=f"images:{path}", **settings)


class Npz(DatasetSuite):
    def settings(self, name: str, folder: Path) -> RunConfig:
        folder.mkdir(parents=True)
        return config(npz(folder / "set.npz", **ARRAYS))


class Parquet(DatasetSuite):
    def settings(self, name: str, folder: Path) -> RunConfig:
        parquet(folder / "data" / "train-00000-of-00001.parquet", ARRAYS["x_train"], LABELS, names=NAMES)
        parquet(folder / "data" / "test-00000-of-00001.parquet", ARRAYS["x_test"], LABELS[:4], names=NAMES)
        return config(folder)


@pytest.mark.parametrize("suite", [Npz, Parquet])
def test_they_keep_the_contract_of_a_data_set(suite: type, tmp_path: Path) -> None:
    suite().test_its_images_are_as_described("images:", tmp_path / "one")
    suite().test_it_takes_a_split_or_refuses_it("images:", tmp_path / "two")


@pytest.mark.parametrize("suite", [Npz, Parquet])
def test_pixels_and_labels_are_those_of_the_table(suite: type, tmp_path: Path) -> None:
    found = images.load(suite().settings("", tmp_path / "set"))
    by_class = np.argsort(LABELS, kind="stable")  # as folders: by class, then as stored
    assert np.array_equal(found.train_x, ARRAYS["x_train"][by_class].transpose(0, 3, 1, 2))
    assert found.train_y.tolist() == [0, 0, 0, 1, 1, 1] and found.test_y.tolist() == [0, 0, 1, 1]
    assert found.classes == (("0", "1") if suite is Npz else ("zebra", "ant"))


@pytest.mark.parametrize(
    "arrays",
    [
        {"train_images": pixels(6, 8, 8), "train_labels": LABELS[:, None], "val_images": pixels(4, 8, 8), "val_labels": LABELS[:4, None]},
        {"X_train": pixels(6, 1, 8, 8), "y_train": LABELS, "X_test": pixels(4, 1, 8, 8), "y_test": LABELS[:4], "classes": np.array(NAMES)},
        {
            **{"train_x": np.asfortranarray(pixels(6, 8, 8)), "train_y": np.array(NAMES)[LABELS]},
            **{"test_x": pixels(4, 8, 8), "test_y": np.array(NAMES)[LABELS[:4]]},
        },
    ],
    ids=["medmnist", "channels first and names", "texts, column order"],
)
def test_usual_names_and_shapes_of_arrays(arrays: dict[str, Any], tmp_path: Path) -> None:
    found = images.load(config(npz(tmp_path / "set.npz", **arrays)))
    assert found.train_x.shape == (6, 1, 8, 8) and found.test_x.shape == (4, 1, 8, 8)
    first = next(array for name, array in arrays.items() if "rain" in name).reshape(6, 8, 8)
    wanted = np.argsort(LABELS if found.classes != ("ant", "zebra") else 1 - LABELS, kind="stable")
    assert np.array_equal(found.train_x[:, 0], first[wanted])
    assert any("val is read as test" in note for note in found.notes) == ("val_images" in arrays)


def test_without_a_test_part_a_share_is_drawn_the_same_for_every_seed(tmp_path: Path) -> None:
    labels = np.arange(40) % 2
    files = [npz(tmp_path / "set.npz", x=pixels(40, 8, 8), y=labels), parquet(tmp_path / "set.parquet", pixels(40, 8, 8), labels)]
    for file in files:
        with pytest.raises(InputError, match=r"no test part; name its .*set split \(--split 0\.2\)"):
            images.describe(config(file))
        first, again = (images.load(config(file, split=0.2, seed=seed)) for seed in (0, 1))
        assert (len(first.train_x), len(first.test_x)) == (32, 8) and np.array_equal(first.test_x, again.test_x)
        assert first.test_y.tolist() == [0] * 4 + [1] * 4
        assert {one.tobytes() for one in first.train_x} & {one.tobytes() for one in first.test_x} == set()
    assert np.array_equal(first.test_x, images.load(config(files[0], split=0.2)).test_x)  # whatever the format


def test_a_run_uses_part_of_it_and_its_data_are_told_by_content(tmp_path: Path) -> None:
    x, y = pixels(60, 8, 8, 3), np.arange(60) % 3
    file = npz(tmp_path / "set.npz", x=x, y=y)
    settings = build({"dataset": f"images:{file}", "split": 0.2, "limit_train": 20, "megabatches": 2, "arch": "mlp"})
    plan.check(settings)
    data = load_data(settings, pick_device("cpu"))
    assert len(data.train_x) == 20 and data.shape == (3, 8, 8)
    npz(file, x=255 - x, y=y)
    assert load_data(settings.model_copy(update={"limit_train": 21}), pick_device("cpu")).digest != data.digest
    assert images.describe(settings).train_images == 48


def test_large_pictures_in_parquet_are_scaled_as_others_are(tmp_path: Path) -> None:
    found = images.describe(config(parquet(tmp_path / "set.parquet", pixels(8, 200, 300, 3), [0, 1] * 4), split=0.5))
    assert found.shape == (3, 64, 64) and "300 x 200 are brought to 64 x 64" in found.notes[-1]


def _forged(path: Path) -> Path:
    """An array whose header promises a hundred million images."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**8, 32, 32)})
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("x.npy", header.getvalue() + b"\0" * 99)
        whole.writestr("y.npy", header.getvalue())
    return path


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda p: npz(p, x=pixels(6, 8, 8) / 255, y=LABELS), r"x is float64; make it uint8, .*\(x \* 255\)"),
        (lambda p: npz(p, x=pixels(6, 8, 8, 5), y=LABELS), r"x is \[6, 8, 8, 5\]; give \[N, H, W\]"),
        (lambda p: npz(p, x=pixels(6, 8, 8), y=np.eye(6)), r"y is float64 \[6, 6\].*not one-hot"),
        (lambda p: npz(p, x=pixels(6, 8, 8), y=LABELS[:4]), r"for 6 images"),
        (lambda p: npz(p, x=pixels(6, 8, 8), y=np.array([{}] * 6)), r"y\.npy holds Python objects, which are pickles and are not read"),
        (lambda p: npz(p, a=LABELS), r"holds a; name its arrays x_train"),
        (lambda p: npz(p, x=pixels(6, 8, 8), y=LABELS * 0), r"has 1 class; give at least two"),
        (lambda p: npz(p, x=pixels(6, 8, 8), y=LABELS + 5, classes=np.array(NAMES)), r"labels that are not 0 to 1"),
        (_forged, r"x\.npy is not as long as its header says"),
        (lambda p: p.write_bytes(b"PK nothing"), r"not an \.npz that can be read"),
        (lambda p: p.write_bytes(b""), r"not an \.npz that can be read"),
    ],
)
def test_arrays_that_cannot_be_used_are_one_line(made: Any, says: str, tmp_path: Path) -> None:
    made(tmp_path / "set.npz")
    with pytest.raises(InputError, match=says) as error:
        images.describe(config(tmp_path / "set.npz", split=0.5))
    assert error.value.field == "dataset" and "\n" not in error.value.message


def _paths_only(path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array([{"bytes": None, "path": "a.png"}], kind), "label": [0]}), path)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda p: p.write_bytes(b"PAR1 nothing PAR1"), r"cannot be read as Parquet"),
        (lambda p: pq.write_table(pa.table({"a": [1]}), p), r"has no column of images \(bytes of files\), only a"),
        (lambda p: parquet(p, pixels(2, 8, 8), [0, 1], label="what"), r"has no column called label"),
        (_paths_only, r"is empty in some rows, such as a path without its image; embed the bytes"),
        (lambda p: pq.write_table(pa.table({"image": [b"no picture"] * 4, "label": [0, 1] * 2}), p), r"cannot be read as an image"),
    ],
)
def test_parquet_that_cannot_be_used_is_one_line(made: Any, says: str, tmp_path: Path) -> None:
    made(tmp_path / "set.parquet")
    with pytest.raises(InputError, match=says) as error:
        images.describe(config(tmp_path / "set.parquet", split=0.5))
    assert error.value.field == "dataset" and "\n" not in error.value.message
