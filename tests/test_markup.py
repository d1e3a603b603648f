"""Text that was typed by strangers, for each place where it is shown. What a browser makes of it is tested in tests/pages."""

from __future__ import annotations

import json
import subprocess
import sys

import plotly.graph_objects as go
import pytest

from appcore import markup

JOINER = "\u2060"


def shown(text: str) -> str:
    """What a reader of Markdown sees of escaped text: without backslashes before punctuation and without joiners."""
    found, letters = "", iter(markup.markdown(text))
    for letter in letters:
        found += next(letters) if letter == "\\" else letter
    return found.replace(JOINER, "")


@pytest.mark.parametrize(
    "text",
    [
        "a **bold** _and_ `code` ~~gone~~",
        "![p](http://evil.invalid/p.png) [c](javascript:1) [x]: http://evil.invalid [^1]",
        "<img src=x onerror=1> <http://evil.invalid> &lt;b&gt; &#60;",
        "http://evil.invalid www.evil.invalid me@evil.invalid mailto:me@evil.invalid",
        "$x^2$ \\(x\\)",
        ":red[x] :material/delete: :smile: :+1: :streamlit: :blue-badge[x] ::note :::note",
        "a -> b <- c -- d >= e <-> f",
        "# title",
        "- item",
        "+ item",
        "> quote",
        "1. item",
        "12) item",
        "--- | --- |",
        "layer1.0.conv_1.weight",
        "__init__ __boldx__ _x_ a__b__c ___x___ _a_b_ x_ _x",
        "C:\\x\\y",
    ],
)
def test_markdown_shows_it_as_it_is(text: str) -> None:
    assert shown(text) == " ".join(text.split())


@pytest.mark.parametrize("text", ["http://", "https://", "HTTP://", "www.", "me@", ":smile:", ":material/", ":+1:"])
def test_what_streamlit_looks_for_in_finished_text_is_taken_apart(text: str) -> None:
    finished = markup.markdown(f"a {text}evil.invalid:x:").replace("\\", "")
    assert text.lower() not in finished.lower()


def test_usual_names_are_left_alone() -> None:
    for name in ("20260101-000000-abcd", "ResNet-20 on Digits · APP · SNIP, seed 0", "limit_train: 5 is not possible", "12:30", "(a, b)"):
        assert markup.markdown(name) == name


def test_code_stays_code() -> None:
    assert markup.code("abc") == "`abc`"
    assert markup.code("a`b``c") == "``` a`b``c ```"
    assert markup.code("") == "`–`"
    assert ":material/" not in markup.code(":material/delete:")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "a;=1+1", "a\t=1", "a\n@x"])
def test_a_cell_is_no_formula_wherever_a_line_is_divided(text: str) -> None:
    found = markup.cell(text)
    assert found.replace("'", "") == text
    for part in found.replace("\r", "\n").replace("\t", "\n").replace(";", "\n").split("\n"):
        assert part[:1] not in tuple("=+-@＝"), found


def test_other_cells_stay() -> None:
    assert [markup.cell(value) for value in ("a=1", "1 - 2", "", 5, -0.5, None)] == ["a=1", "1 - 2", "", 5, -0.5, None]


def in_browser(figure: go.Figure) -> dict:
    return json.loads(markup.figure(figure.to_json()))


def test_a_figure_has_no_tags_but_its_own() -> None:
    evil = '<a href="http://evil.invalid">x</a> <b>&amp; \\u003cb "q" \\'
    figure = go.Figure(go.Scatter(x=[evil], y=[1], name=evil, text=[evil], hovertemplate=markup.hover(markup.bold("%{text}"), "%{y}")))
    figure.update_layout(title={"text": evil}, annotations=[{"text": markup.bold(evil)}])
    found = in_browser(figure)
    plain = evil.replace("&", "&amp;").replace("<", "&lt;")
    trace = found["data"][0]
    assert (trace["x"], trace["name"], trace["text"], found["layout"]["title"]["text"]) == ([plain], plain, [plain], plain)
    assert trace["hovertemplate"] == "<b>%{text}</b><br>%{y}<extra></extra>"
    assert found["layout"]["annotations"][0]["text"] == f"<b>{plain}</b>"


def test_no_name_can_hold_what_marks_a_tag() -> None:
    named = "".join(map(chr, range(0xE000, 0xE010))) + "\U000f0000\U0010fffd"
    figure = go.Figure(go.Scatter(x=[named], y=[1], name=named), layout={"title": {"text": named}})
    assert "<" not in markup.figure(figure.to_json())
    marks = subprocess.check_output([sys.executable, "-c", "from appcore import markup; print(ascii(markup.bold('')))"], text=True)
    assert marks.strip() != ascii(markup.bold(""))  # another process has others


def test_a_name_in_a_hover_template_is_no_template() -> None:
    assert "%{" not in markup.literal("%{customdata[0]} %{y}")
    assert markup.literal("50 % {a}") == "50 % {a}"
