"""A folder laid out as ImageNet: small JPEG files in the 70 class folders that Restricted ImageNet reads."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from appcore.datasets.restricted_imagenet import SUPERCLASSES


def imagenet(data: Path, *, train: int = 2, val: int = 1, size: tuple[int, int] = (20, 16)) -> Path:
    """`train` and `val` images per class; red tells the class (0..69), green the image, blue the split."""
    root = data / "imagenet"
    classes = [wnid for group in SUPERCLASSES.values() for wnid in group]
    for split, count in (("train", train), ("val", val)):
        for red, wnid in enumerate(classes):
            (root / split / wnid).mkdir(parents=True)
            for number in range(count):
                image = Image.new("RGB", size, (3 * red, 100 * number, 200 * (split == "val")))
                image.save(root / split / wnid / f"{wnid}_{number}.JPEG", quality=95, subsampling=0)
    return root
