"""Images in one table: `images:PATH.npz` of NumPy and `images:PATH.parquet`, or a folder of such, as Hugging Face's image sets are stored.

Read as the folders and zips of layout.py are, so that sizes, colours and a drawn test set mean the same. Nothing is unpickled.

- `.npz`: arrays `x_train`, `y_train`, `x_test`, `y_test` (or `train_x`, `train_images` with `train_labels`, ...), or `x` and `y` alone
  with the setting `split`; images uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with 1 or 3 channels, labels whole numbers or texts [N] or
  [N, 1]; `classes`, if it is there, names the labels 0, 1, ....
- Parquet: a column with the bytes of image files (`image`: {bytes, path}, or binary), and `label`, whole numbers or texts. Names of
  classes are taken from what Hugging Face writes into the schema. The files of a folder belong to the part that their names begin with:
  `train-00000-of-00002.parquet`.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from PIL import Image

from ..errors import InputError
from ..untrusted import zip_file
from ..untrusted.member import SPLITS, Member
from ..untrusted.refusals import refuse, shown
from .layout import MEANS, Layout, drawn, share_remark

NPZ, PARQUET = ".npz", ".parquet"
_IMAGES, _LABELS = ("x", "images", "image", "data"), ("y", "labels", "label", "targets")
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class _Part:
    """One part of a table: a label for each image, as it is stored, and the images by number."""

    labels: Sequence[Any]
    images: Any

    def __post_init__(self) -> None:
        assert len(self.labels) == len(self.images)


class Table:
    """The images of a file as a tree that `picture` reads, and their layout. `names`: of the labels 0, 1, ..., where there are some."""

    def __init__(self, dataset: str, places: Sequence[Path]):
        self.dataset, self.places = dataset, places
        facts = [(place, place.stat()) for place in places]
        self.token = "\0".join(f"{place.resolve()}\0{one.st_ino}\0{one.st_size}\0{one.st_mtime_ns}" for place, one in facts)
        self.names: list[str] = []
        self.parts: dict[str, _Part] = {}

    def arranged(self, split: float) -> Layout:
        """Classes in the order of their labels; InputError where there is no test part and no split, or a class lacks images."""
        notes = []
        self.load()
        if "test" not in self.parts and "val" in self.parts:
            self.parts["test"] = self.parts["val"]
            notes.append("val is read as test.")
        unused = tuple(name for name in self.parts if name not in SPLITS)
        if "train" not in self.parts:
            raise refuse(self.dataset, f"has no training images (only {', '.join(self.parts) or 'nothing'}); {self._remedy}")
        if "test" in self.parts and split:
            raise InputError(f"split: {shown(self.dataset)} has a test set of its own; set it to 0", "split")
        if "test" not in self.parts and not split:
            raise refuse(self.dataset, f"no test part; {self._remedy}, or set split (--split 0.2) to have a test set drawn")
        classes = self._classes()
        images = {part: self._members(part, classes) for part in SPLITS if part in self.parts}
        if split:
            images, remark = self._divided(images["train"], classes, split)
            notes.append(remark)
        for part in SPLITS:
            present = {label for _, label in images[part]}
            if missing := [name for label, name in enumerate(classes) if label not in present]:
                raise refuse(self.dataset, f"class {shown(missing[0], 40)} has no {part} images; both parts need the same classes")
        return Layout(tuple(classes), images, unused, tuple(notes))

    def open(self, member: Member) -> IO[bytes]:
        """The file of an image as a stream."""
        return BytesIO(self.read(member))

    def read(self, member: Member) -> bytes:
        """The file of an image."""
        part, number = member.source
        return self._encoded(self.parts[part].images[number])

    def close(self) -> None:
        """Nothing is open."""

    _remedy = ""

    def load(self) -> None:
        """Read `parts` and `names`; not before they are needed, for a form asks often and remembers what it was told."""
        raise NotImplementedError

    def _check_room(self, size: int) -> None:
        free = psutil.virtual_memory().available
        if size > free:
            raise refuse(self.dataset, f"it unpacks to {size / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; give a smaller file")

    def _encoded(self, image: Any) -> bytes:
        raise NotImplementedError

    def _size(self, image: Any) -> int:
        raise NotImplementedError

    def _classes(self) -> dict[str, Any]:
        """{class name: its label as stored}, in order."""
        found = sorted({label for part in SPLITS if part in self.parts for label in self.parts[part].labels})
        if self.names:
            if any(not isinstance(label, int) or not 0 <= label < len(self.names) for label in found):
                raise refuse(self.dataset, f"has labels that are not 0 to {len(self.names) - 1}, for which it has names; mend the labels")
            found = list(range(len(self.names)))
        names = [str(self.names[label]) if self.names else str(label) for label in found]
        if len(set(names)) < len(names) or len(names) > _MOST_CLASSES:
            raise refuse(self.dataset, f"has {len(names):,} classes, of which some have one name; give each its own")
        if len(names) < 2:
            raise refuse(self.dataset, f"has {len(names)} class; give at least two")
        return dict(zip(names, found, strict=True))

    def _members(self, part: str, classes: dict[str, Any]) -> list[tuple[Member, int]]:
        """The images of a part by class and then as stored."""
        number_of = {label: number for number, label in enumerate(classes.values())}
        names, here = list(classes), self.parts[part]
        numbers = [number_of[label] for label in here.labels]
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        return [(Member(f"{part}/{names[numbers[i]]}/{i:08d}", self._size(here.images[i]), (part, i)), numbers[i]) for i in order]

    def _divided(
        self, images: list[tuple[Member, int]], classes: Iterable[str], share: float
    ) -> tuple[dict[str, list[tuple[Member, int]]], str]:
        of_class: dict[int, list[Member]] = {}
        for member, label in images:
            of_class.setdefault(label, []).append(member)
        test: set[Member] = set()
        for label, name in enumerate(classes):
            if len(members := of_class.get(label, [])) < 2:
                problem = f"class {shown(name, 40)} has {len(members)} images, which cannot be divided"
                raise refuse(self.dataset, f"{problem}; add some or remove it")
            test |= drawn(name, members, share)
        parts = {"train": [one for one in images if one[0] not in test], "test": [one for one in images if one[0] in test]}
        return parts, share_remark(len(test), len(images), share)


class Npz(Table):
    """Arrays of NumPy."""

    _remedy = "name its arrays x_train, y_train, x_test and y_test"

    def load(self) -> None:
        """All arrays of images and labels."""
        try:
            with zip_file.opened(self.places[0]) as file, zipfile.ZipFile(file) as whole:
                infos = {info.filename.removesuffix(".npy").lower(): info for info in whole.infolist()}
                self._read(whole, infos)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise refuse(self.dataset, f"not an .npz that can be read ({shown(error)}); write it with numpy.savez") from error

    def _read(self, whole: zipfile.ZipFile, infos: dict[str, zipfile.ZipInfo]) -> None:
        self._check_room(sum(info.file_size for info in infos.values()))
        if "classes" in infos:
            self.names = [str(name) for name in self._array(whole, infos["classes"]).ravel().tolist()]
        for word, part in {"": "train", **MEANS}.items():
            x, y = (next((name for name in _named(word, kind) if name in infos), "") for kind in (_IMAGES, _LABELS))
            if x and y and part not in self.parts:
                self.parts[part] = self._part(self._array(whole, infos[x]), self._array(whole, infos[y]), x, y)
        if not self.parts:
            raise refuse(self.dataset, f"holds {', '.join(map(shown, list(infos)[:5])) or 'nothing'}; {self._remedy}, or x and y")

    def _part(self, x: np.ndarray, y: np.ndarray, image_key: str, label_key: str) -> _Part:
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if x.dtype != np.uint8:
            remedy = f"make it uint8, 0 to 255, e.g. ({image_key} * 255).round().astype('uint8') where it is 0 to 1"
            raise refuse(self.dataset, f"{shown(image_key)} is {x.dtype}; {remedy}")
        if x.ndim == 4 and x.shape[3] not in (1, 3) and x.shape[1] in (1, 3):
            x = x.transpose(0, 2, 3, 1)
        if not (x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (1, 3))) or not x.size:
            raise refuse(self.dataset, f"{shown(image_key)} is {list(x.shape)}; give [N, H, W], or [N, H, W, C] with 1 or 3 channels")
        if y.ndim != 1 or y.dtype.kind not in "iuU" or len(y) != len(x):
            problem = f"{shown(label_key)} is {y.dtype} {list(y.shape)} for {len(x):,} images"
            raise refuse(self.dataset, f"{problem}; give one whole number or text for each, not one-hot")
        return _Part(y.tolist(), x[..., 0] if x.ndim == 4 and x.shape[3] == 1 else x)

    def _array(self, whole: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
        """An array whose header keeps what it promises, read without pickle."""
        name = shown(info.filename)
        with whole.open(info) as file:
            try:
                version = np.lib.format.read_magic(file)
                header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
                shape, is_fortran, dtype = header(file)
            except (ValueError, KeyError) as error:
                raise refuse(self.dataset, f"{name} is no array that can be read ({shown(error)}); write it with numpy.savez") from error
            if dtype.hasobject:
                raise refuse(self.dataset, f"{name} holds Python objects, which are pickles and are not read; save numbers or texts")
            size = math.prod(shape) * dtype.itemsize
            data = file.read(size + 1) if size <= info.file_size else b""
        if len(data) != size:
            raise refuse(self.dataset, f"{name} is not as long as its header says; write it with numpy.savez")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")

    def _encoded(self, image: Any) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, "BMP")
        return file.getvalue()

    def _size(self, image: Any) -> int:
        return int(image.nbytes)


class Parquet(Table):
    """Image files in a column of Parquet."""

    _remedy = "name its files train-*.parquet and test-*.parquet in one folder"

    def load(self) -> None:
        """The columns of images and labels of all files."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ModuleNotFoundError:
            raise refuse(self.dataset, "Parquet files need the package pyarrow; run: pip install pyarrow") from None
        found: dict[str, list[Any]] = {}
        try:
            for place in self.places:
                with parquet.ParquetFile(place) as file:
                    groups = [file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)]
                    self._check_room(sum(groups))
                    found.setdefault(_part_of(place, len(self.places)), []).append(self._table(file.schema_arrow, file))
            for part, tables in found.items():
                images = [image for table in tables for image in table[0]]
                labels = [label for table in tables for label in table[1]]
                self.parts[part] = _Part(labels, images)
        except pyarrow.ArrowException as error:
            raise refuse(self.dataset, f"cannot be read as Parquet ({shown(error)}); write it again") from error

    def _table(self, schema: Any, file: Any) -> tuple[list[Any], list[Any]]:
        """The images as scalars of Arrow, which copy nothing, and the labels."""
        from pyarrow import types

        def is_image(kind: Any) -> bool:
            return types.is_binary(kind) or types.is_large_binary(kind) or (types.is_struct(kind) and kind.get_field_index("bytes") >= 0)

        def is_label(kind: Any) -> bool:
            return types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)

        columns = {field.name: field.type for field in schema}
        image = _first(columns, is_image, ("image", "img"))
        label = _first(columns, is_label, ("label", "labels", "class", "fine_label", "target"), only=True)
        if not image or not label:
            lack = "column of images (bytes of files)" if not image else "column called label (whole numbers or texts)"
            there = ", ".join(map(shown, list(columns)[:8])) or "nothing"
            raise refuse(self.dataset, f"has no {lack}, only {there}; call the columns image and label")
        self.names = self.names or _class_names(schema.metadata, label)
        table = file.read(columns=[image, label])
        pictures, labels = table[image].combine_chunks(), table[label].to_pylist()
        if types.is_struct(columns[image]):
            pictures = pictures.field("bytes")
        if pictures.null_count or None in labels:
            problem = f"{shown(image)} or {shown(label)} is empty in some rows, such as a path without its image"
            raise refuse(self.dataset, f"{problem}; embed the bytes and leave out rows without a label")
        return list(pictures), labels

    def _encoded(self, image: Any) -> bytes:
        return bytes(image.as_py())

    def _size(self, image: Any) -> int:
        return len(image.as_buffer())


def table_of(dataset: str, path: Path) -> Table | None:
    """The table at a path: an .npz, a .parquet, or a folder with .parquet files in it or in its data/; None for anything else."""
    suffix = path.suffix.lower()
    if suffix == NPZ and path.is_file():
        return Npz(dataset, [path])
    if suffix == PARQUET and path.is_file():
        return Parquet(dataset, [path])
    if path.is_dir():
        for folder in (path, path / "data"):
            if places := sorted(place for place in folder.glob(f"*{PARQUET}") if place.is_file()):
                return Parquet(dataset, places)
    return None


def _named(word: str, kinds: Sequence[str]) -> list[str]:
    return [name for kind in kinds for name in ((f"{word}_{kind}", f"{kind}_{word}") if word else (kind,))]


def _part_of(place: Path, files: int) -> str:
    """Which part a file holds, by the beginning of its name; one that stands alone holds the training images unless it says otherwise."""
    word = place.stem.lower().partition("-")[0]
    return MEANS.get(word, "train" if files == 1 else word)


def _first(columns: dict[str, Any], is_meant: Any, usual: Sequence[str], *, only: bool = False) -> str:
    fitting = [name for name, kind in columns.items() if is_meant(kind)]
    return next((name for name in (*usual, *(() if only else fitting)) if name in fitting), "")


def _class_names(metadata: Any, label: str) -> list[str]:
    """Names that Hugging Face's `datasets` has written into the schema; empty where there are none."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = features[label]["names"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []
