"""The upload of images, below the path of one's own images."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from appcore.service.uploads import DAYS, KINDS

from ..app import page
from ..words.text import harmless

MOST_MEGABYTES = 1024
_TURN, _SAID = "_upload_turn", "_upload_said"


def images(take: Callable[[str, bool], None]) -> None:
    """The field; `take(data set, has test images)` is called for images that can be used."""
    turn = st.session_state.setdefault(_TURN, 0)  # a new key empties the field
    st.file_uploader(
        "Or upload images: a zip with a folder for each class, an .npz or a .parquet",
        type=[kind.removeprefix(".") for kind in KINDS],
        key=f"images-{turn}",
        on_change=_take,
        args=(f"images-{turn}", take),
        max_upload_size=MOST_MEGABYTES,
        help="A zip holds PNG, JPEG, BMP, GIF, WebP or TIFF; its folders of classes lie in train/ and test/, or at the top. "
        "An .npz holds images as uint8 in x_train and x_test with labels in y_train and y_test, or all in x and y. "
        "A Parquet file has columns image (files of images) and label. "
        f"What you upload is kept beside the runs, counts as disk of yours, and is deleted {DAYS} days later unless a run uses it.",
    )
    if said := st.session_state.pop(_SAID, ""):
        st.markdown(f":red[:material/error: {harmless(said)}]")


def _take(key: str, take: Callable[[str, bool], None]) -> None:
    file = st.session_state[key]
    if file is None:
        return
    try:
        take(*page.manager().take_images(file.getvalue(), file.name))
    except ValueError as error:
        st.session_state[_SAID] = f"{file.name}: {error}"
    st.session_state[_TURN] += 1
