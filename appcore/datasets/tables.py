"""Images in one table: `images:PATH.npz` of NumPy and `images:PATH.parquet`, or a folder of such, as Hugging Face's image sets are stored.

Read as the folders and zips of layout.py are, so that sizes, colours and a drawn test set mean the same. Nothing is unpickled.

- `.npz`: arrays `x_train`, `y_train`, `x_test`, `y_test` (or `train_x`, `train_images` with `train_labels`, ...), or `x` and `y` alone
  with the setting `split`; images uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with 1 or 3 channels, labels whole numbers or texts [N] or
  [N, 1]; `classes`, if it is there, names the labels 0, 1, ....
- Parquet: a column with the bytes of image files (`image`: {bytes, path}, or binary), and `label`, whole numbers or texts. Names of
  classes are taken from what Hugging Face writes into the schema. The files of a folder belong to the part that their names begin with:
  `train-00000-of-00002.parquet`.

A file may come from a stranger (service/uploads.py): what it says that it holds is judged before anything is unpacked, and what is
unpacked is counted.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from PIL import Image

from ..errors import InputError
from ..untrusted import zip_file
from ..untrusted.member import MAX_MEMBER_BYTES, SPLITS, Member
from ..untrusted.refusals import UNPRINTABLE, refuse, shown
from .layout import MEANS, Layout, drawn, share_remark

NPZ, PARQUET = ".npz", ".parquet"
_IMAGES, _LABELS = ("x", "images", "image", "data"), ("y", "labels", "label", "targets")
_MOST_CLASSES = 100_000
_MOST_IMAGES = 1_000_000  # EMNIST, the largest of the usual sets of small images, has 814,255
_LONGEST_NAME = 255  # characters of a class, as of a folder
_CHUNK = 2**20
_MOST_BYTES = 2**40  # of an array; the room in memory decides before that


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

    def unpacked(self) -> int:
        """How many bytes it says that it unpacks to; InputError where no honest file says so. Reads no content."""
        raise NotImplementedError

    def load(self) -> None:
        """Read `parts` and `names`; not before they are needed, for a form asks often and remembers what it was told."""
        raise NotImplementedError

    @contextmanager
    def _in_a_line(self, wrong: str, remedy: str) -> Iterator[None]:
        """Whatever a broken file makes a reader raise, as an InputError; errors of the file system stay."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # zipfile, numpy and pyarrow raise a dozen kinds
            if isinstance(error, OSError) and error.errno:
                raise
            raise refuse(self.dataset, f"{wrong} ({shown(error)}); {remedy}") from error

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
        labels = {label for part in SPLITS if part in self.parts for label in self.parts[part].labels}
        if len(set(map(type, labels))) > 1:
            raise refuse(self.dataset, "has whole numbers as labels and texts too; give all parts the same")
        found = sorted(labels)
        if self.names:
            if any(not isinstance(label, int) or not 0 <= label < len(self.names) for label in found):
                raise refuse(self.dataset, f"has labels that are not 0 to {len(self.names) - 1}, for which it has names; mend the labels")
            found = list(range(len(self.names)))
        names = [str(self.names[label]) if self.names else str(label) for label in found]
        if long := next((name for name in names if len(name) > _LONGEST_NAME), ""):
            raise refuse(self.dataset, f"has a class of {len(long):,} letters, {shown(long, 40)}; shorten it to {_LONGEST_NAME}")
        if broken := next(filter(UNPRINTABLE.search, names), ""):
            raise refuse(self.dataset, f"class {shown(broken, 40)} holds control or broken characters; rename it")
        if len(set(names)) < len(names) or len(names) > _MOST_CLASSES:
            raise refuse(self.dataset, f"has {len(names):,} classes, of which some have one name; give each its own")
        if len(names) < 2:
            raise refuse(self.dataset, f"has {len(names)} class; give at least two")
        return dict(zip(names, found, strict=True))

    def _members(self, part: str, classes: dict[str, Any]) -> list[tuple[Member, int]]:
        """The images of a part by class and then as stored."""
        number_of = {label: number for number, label in enumerate(classes.values())}
        names, here = list(classes), self.parts[part]
        if (largest := max(map(self._size, here.images), default=0)) > MAX_MEMBER_BYTES:
            raise refuse(self.dataset, f"has an image of {largest:,} bytes; shrink it to at most {MAX_MEMBER_BYTES:,}")
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

    def unpacked(self) -> int:
        """The sizes in the zip's list of contents."""
        with self._opened() as infos:
            return sum(info.file_size for info in infos.values())

    def load(self) -> None:
        """All arrays of images and labels."""
        with self._opened() as infos:
            self._check_room(sum(info.file_size for info in infos.values()))
            self._read(infos)

    @contextmanager
    def _opened(self) -> Iterator[dict[str, zipfile.ZipInfo]]:
        """Its arrays by name, judged by the list of contents."""
        in_a_line = self._in_a_line("not an .npz that can be read", "write it with numpy.savez")
        with in_a_line, zip_file.opened(self.places[0]) as file, zipfile.ZipFile(file) as self._whole:
            infos = self._whole.infolist()
            named = {info.filename.removesuffix(".npy").lower(): info for info in infos}
            if len(named) < len(infos):
                raise refuse(self.dataset, "holds an array twice; write it with numpy.savez")
            for info in infos:
                if found := zip_file.problem(info, _MOST_BYTES, dense=True):
                    raise refuse(self.dataset, f"entry {shown(info.filename)} {found}")
            if found := zip_file.bomb(infos) or zip_file.overlap(infos, self._whole.start_dir):
                raise refuse(self.dataset, found)
            yield named

    def _read(self, infos: dict[str, zipfile.ZipInfo]) -> None:
        if "classes" in infos:
            self.names = [str(name) for name in self._array(infos["classes"]).ravel().tolist()]
        for word, part in {"": "train", **MEANS}.items():
            x, y = (next((name for name in _named(word, kind) if name in infos), "") for kind in (_IMAGES, _LABELS))
            if x and y and part not in self.parts:
                self.parts[part] = self._part(self._array(infos[x]), self._array(infos[y]), x, y)
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
        _check_count(self.dataset, len(x))
        return _Part(y.tolist(), x[..., 0] if x.ndim == 4 and x.shape[3] == 1 else x)

    def _array(self, info: zipfile.ZipInfo) -> np.ndarray:
        """An array whose header keeps what it promises, read without pickle."""
        name = shown(info.filename)
        with self._whole.open(info) as file:
            try:
                version = np.lib.format.read_magic(file)
                header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
                shape, is_fortran, dtype = header(file)
            except (ValueError, KeyError) as error:
                raise refuse(self.dataset, f"{name} is no array that can be read ({shown(error)}); write it with numpy.savez") from error
            if dtype.hasobject:
                raise refuse(self.dataset, f"{name} holds Python objects, which are pickles and are not read; save numbers or texts")
            if dtype.kind == "U" and dtype.itemsize > 4 * _LONGEST_NAME:
                raise refuse(self.dataset, f"{name} holds texts of {dtype.itemsize // 4:,} letters; shorten them to {_LONGEST_NAME}")
            size = math.prod(shape) * dtype.itemsize
            is_whole = min(shape, default=0) >= 0 and 0 <= size <= info.file_size
            data = np.empty(size if is_whole else 0, np.uint8)
            for start in range(0, len(data), _CHUNK):
                part = file.read(min(_CHUNK, len(data) - start))
                is_whole = is_whole and len(part) == min(_CHUNK, len(data) - start)
                data[start : start + len(part)] = np.frombuffer(part, np.uint8)
            if not is_whole or file.read(1):
                raise refuse(self.dataset, f"{name} is not as long as its header says; write it with numpy.savez")
        return data.view(dtype).reshape(shape, order="F" if is_fortran else "C")

    def _encoded(self, image: Any) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, "BMP")
        return file.getvalue()

    def _size(self, image: Any) -> int:
        return int(image.nbytes)


class Parquet(Table):
    """Image files in a column of Parquet."""

    _remedy = "name its files train-*.parquet and test-*.parquet in one folder"

    def unpacked(self) -> int:
        """The sizes in the metadata of all files."""
        total = 0
        for place in self.places:
            with self._opened(place) as file:
                total += _declared(file)
        return total

    def load(self) -> None:
        """The columns of images and labels of all files."""
        self._check_room(self.unpacked())
        found: dict[str, tuple[list[Any], list[bytes]]] = {}
        for place in self.places:
            labels, images = found.setdefault(_part_of(place, len(self.places)), ([], []))
            with self._opened(place) as file:
                for image, label in self._rows(file):
                    labels.append(label)
                    images.append(image)
                    _check_count(self.dataset, len(labels))
        self.parts |= {part: _Part(*columns) for part, columns in found.items()}

    @contextmanager
    def _opened(self, place: Path) -> Iterator[Any]:
        """A file, judged by its metadata."""
        try:
            from pyarrow import parquet
        except ModuleNotFoundError:
            raise refuse(self.dataset, "Parquet files need the package pyarrow; run: pip install pyarrow") from None
        in_a_line = self._in_a_line("cannot be read as Parquet", "write it again")
        with in_a_line, place.open("rb") as source, parquet.ParquetFile(source, pre_buffer=False) as file:
            total, packed = _declared(file), place.stat().st_size
            _check_count(self.dataset, file.metadata.num_rows)
            if zip_file.is_bomb(total, packed):
                raise refuse(self.dataset, f"unpacks to {total:,} bytes from {packed:,}, as in a bomb; use another file")
            yield file

    def _rows(self, file: Any) -> Iterator[tuple[bytes, Any]]:
        """The file of each image, and its label.

        Row by row, since a file can lie: a page may unpack to more than the metadata say, and one large value stand in every row at the
        cost of a bit. A batch of rows would be in memory before anything could be counted.
        """
        from pyarrow import types

        image, label = self._columns(file.schema_arrow)
        is_struct = types.is_struct(file.schema_arrow.field(image).type)
        most, size = max(zip_file.free_total(), 2 * _declared(file)), 0
        for batch in file.iter_batches(batch_size=1, columns=[f"{image}.bytes" if is_struct else image, label], use_threads=False):
            size += batch.nbytes
            if size > most:
                raise refuse(self.dataset, f"unpacks to more than {most:,} bytes, twice what it says, as in a bomb; use another file")
            value, name = batch.column(image)[0].as_py(), batch.column(label)[0].as_py()
            value = value["bytes"] if is_struct and value else value
            if value is None or name is None:
                problem = f"{shown(image)} or {shown(label)} is empty in some rows, such as a path without its image"
                raise refuse(self.dataset, f"{problem}; embed the bytes and leave out rows without a label")
            yield value, name

    def _columns(self, schema: Any) -> tuple[str, str]:
        """The names of the columns of images and labels."""
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
        return image, label

    def _encoded(self, image: Any) -> bytes:
        return bytes(image)

    def _size(self, image: Any) -> int:
        return len(image)


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


def _declared(file: Any) -> int:
    """How many bytes the metadata of a Parquet file say that it unpacks to."""
    return sum(max(0, file.metadata.row_group(number).total_byte_size) for number in range(file.metadata.num_row_groups))


def _check_count(dataset: str, count: int) -> None:
    if not 0 <= count <= _MOST_IMAGES:
        raise refuse(dataset, f"has {count:,} images; use at most {_MOST_IMAGES:,}")
