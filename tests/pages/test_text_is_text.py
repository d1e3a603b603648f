"""Whatever a page shows as Markdown is written in its source, a number, or was escaped: read from the source, so no place is forgotten.

An argument that Streamlit reads as Markdown may hold literal text, numbers with a format, and calls of the functions below, which
return Markdown. Everything else goes through `plain`, `harmless` or `code` (appcore/ui/words/text.py).
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from source_texts import product

SHOWS = {  # elements of Streamlit, and which of their arguments are Markdown (0: the first)
    **dict.fromkeys(
        ("markdown", "caption", "title", "header", "subheader", "error", "warning", "info", "success", "toast"), (0, "body", "title")
    ),
    **dict.fromkeys(("badge", "expander", "popover", "toggle", "text_input", "text_area", "number_input", "slider"), (0, "label", "help")),
    **dict.fromkeys(
        ("button", "download_button", "select_slider", "page_link", "metric", "selectbox", "multiselect"), (0, "label", "help")
    ),
    **dict.fromkeys(("segmented_control", "pills", "file_uploader", "dialog"), (0, "label", "help")),
    "progress": ("text",),
}
SHOWS["page_link"] = ("label", "help")
ESCAPING = {"plain", "harmless", "code", "not_here"}
MARKDOWN = {  # functions of ours that return Markdown, or words of this program alone
    "markdown": "run_status: the badge of a state",
    "sentence": "run_status: what happened",
    "recorded": "run_status: when, where and how a recorded run was made",
    "summary": "run_text: settings in one line",
    "listed": "mask_words: names of layers",
    "headline": "mask_words: counts",
    "label": "setting_labels and form: a setting's display name, escaped where an axis may have any",
    "help_text": "fields: of the settings themselves",
    "counted": "runs/table: numbers",
    "time_left": "ablations/board: a duration",
    "_words": "stream/results: numbers",
    "_fine": "what_if/view: a percentage",
    "filled": "lessons: the Markdown of a lesson's file, with numbers",
    "size": "bytes",
    "len": "a number",
    "min": "a number",
    "round": "a number",
    "count": "format",
    "flops": "format",
    "percent": "format",
    "points": "format",
    "duration": "format",
    "about": "format",
    "age": "format",
    "lower": "measures: the label of a number",
}
# Names whose values cannot be seen where they are shown: words of this program, numbers, or Markdown made by the functions above.
KNOWN: dict[str, set[str]] = {
    "appcore/ui/ablations/board.py": {"about.label", "about.unit", "waiting.index(run_id) + 1", "words"},
    "appcore/ui/ablations/form.py": {"sparsity_slider.words(base)[0]", "help", "note", "how", "share", "many"},
    "appcore/ui/ablations/list.py": {"done", "count"},
    "appcore/ui/classroom/panel.py": {"answered", "have", "spaced(code)", "spaced(known)", "_UNREACHABLE.format(line=line)"},
    "appcore/ui/compare/layers.py": {"words"},  # of _same_weights, which returns Markdown
    "appcore/ui/compare/view.py": {"words", "charts.PAIRING[name]", "elsewhere"},
    "appcore/ui/export/view.py": {"state", "text", "lines", "title", "ABOUT[what]", "model_formats.FORMATS[what]"},
    # words of a lesson's file, which is code, and counts
    "appcore/ui/lessons/overview.py": {"lesson.surprise", "lesson.minutes", "number", "step", "count", "far", "label"},
    "appcore/ui/lessons/view.py": {"lesson.source", "one.notes", "link.label", "number", "step", "count", "names", "' '.join(names)"},
    "appcore/ui/questions/ask.py": {"question.ask", "item.text", "rank"},
    "appcore/ui/masks/choose.py": {"side.snapshots[0].words"},
    "appcore/ui/masks/view.py": {"words", "found"},  # of mask_words.collapse, which returns Markdown
    "appcore/ui/run/launch.py": {"note"},
    "appcore/ui/run/machine.py": {"words"},
    "appcore/ui/run/network.py": {"_legend(started)"},  # sentences of this program
    "appcore/ui/run/ticket.py": {"label"},  # kinds of runs, and counts
    "appcore/ui/run/view.py": {
        "_measured(run, last)",  # a place in words, and a percentage
        "known.word",
        "known.word.capitalize()",
        "memory.label",
        "memory.text(numbers[memory.name])",
        "memory.unit",
        "share.text(numbers[share.name])",
        "words.capitalize()",
    },
    "appcore/ui/runs/actions.py": {"label", "names", "more"},
    "appcore/ui/settings/fields.py": {"text"},
    "appcore/ui/settings/form.py": {"title", "group", "said"},  # of _changed_besides, which returns Markdown
    "appcore/ui/settings/presets.py": {"title", "sentence"},
    "appcore/ui/stream/forgetting.py": {"sentence"},  # numbers in words
    "appcore/ui/stream/plan.py": {"head", "why", "note", "beside"},
    "appcore/ui/what_if/train.py": {"words"},  # numbers, and sentences of this program
    "appcore/ui/what_if/choose.py": {"help", "label", "source.words", "pruned", "sketch['megabatch'] + 1"},
    "appcore/ui/widgets/bars.py": {"file.title", "file.help", "label"},  # of PAGE in the pages
    "appcore/ui/widgets/download.py": {"label"},
    "appcore/ui/widgets/image_answers.py": {"text"},  # stages in words, and counts
    "appcore/ui/widgets/layer_view.py": {"what.capitalize()"},
    "appcore/ui/widgets/paper_table.py": {"language"},
    "appcore/ui/widgets/run_controls.py": {"label", "resume", "pause"},
    "appcore/ui/widgets/run_list.py": {"facts", "share"},  # each of them is Markdown
    "appcore/ui/widgets/sparsity_slider.py": {"label", "help"},
    "appcore/ui/words/number_columns.py": {"about.label", "about.about"},
    "appcore/ui/words/run_status.py": {"words"},
    "pages/home.py": {"label", "text"},  # of PAGE in another page
    "pages/runs.py": {"st.session_state.pop('_runs_said')"},
    "app.py": {"problem"},
}


def is_clean(node: ast.expr | None, names: dict[str, list[ast.expr]], known: set[str], depth: int = 0) -> bool:
    """Whether an expression is text of this program, numbers, or escaped."""
    again = lambda part: is_clean(part, names, known, depth)  # noqa: E731
    if node is not None and ast.unparse(node) in known:
        return True
    match node:
        case None | ast.Constant():
            return True
        case ast.JoinedStr(values):
            return all(map(again, values))
        case ast.FormattedValue(value, _, spec):
            return _is_number(spec) or again(value)
        case ast.BinOp(left, ast.Add(), right):
            return again(left) and again(right)
        case ast.BinOp(_, ast.Sub() | ast.Div() | ast.FloorDiv(), _):
            return True  # a number: texts cannot do that
        case ast.IfExp(_, body, other):
            return again(body) and again(other)
        case ast.BoolOp(_, values):
            return all(map(again, values))
        case ast.Call(ast.Attribute(ast.Constant(), "join"), [ast.GeneratorExp(elt) | ast.ListComp(elt)]):
            return again(elt)
        case ast.Call(ast.Attribute(ast.Constant(), "join"), [one]):
            return again(one)
        case ast.Call(ast.Name(name) | ast.Attribute(_, name)):
            return name in ESCAPING or name in MARKDOWN
        case ast.Name(name) if name in names and depth < 4:
            return all(is_clean(value, names, known, depth + 1) for value in names[name])
        case ast.List(values) | ast.Tuple(values):
            return all(map(again, values))
        case ast.Name(name):
            return name.isupper()  # a constant of the module
        case ast.Starred(value):
            return again(value)
        case ast.Attribute(_, name):
            return name in ("label", "short", "head", "unit", "title", "help") and "MEASURES" in ast.unparse(node)
        case ast.Subscript(ast.Name(name)):
            return name.isupper()
        case ast.ListComp(elt) | ast.GeneratorExp(elt):
            return again(elt)
    return False


def _is_number(spec: ast.expr | None) -> bool:
    """A format that only numbers take: text with it is an error, not markup."""
    text = "".join(str(part.value) for part in spec.values if isinstance(part, ast.Constant)) if isinstance(spec, ast.JoinedStr) else ""
    return text[-1:] in tuple(",dfg%e")


def assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """What the names of a function are set to, where that is all there is to know about them."""
    found: dict[str, list[ast.expr]] = {}
    odd = {argument.arg for node in ast.walk(function) if isinstance(node, ast.arguments) for argument in [*node.args, *node.kwonlyargs]}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
        elif (isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)) or isinstance(node, ast.NamedExpr):
            found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, (ast.For, ast.comprehension)):
            odd |= {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Assign):
            odd |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return {name: values for name, values in found.items() if name not in odd}


def unescaped(place: str, path: Path) -> list[str]:
    """Arguments that are shown as Markdown and may hold anything: file, line, and the expression."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.Module))]
    owner = {id(node): function for function in functions for node in ast.walk(function)}  # the innermost comes last
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SHOWS):
            continue
        if not ast.unparse(node.func.value).startswith(("st", "left", "middle", "right", "how", "result", "when", "query")):
            continue
        wanted = SHOWS[node.func.attr]
        shown = [node.args[0]] if 0 in wanted and node.args else []
        shown += [keyword.value for keyword in node.keywords if keyword.arg in wanted]
        for one in shown:
            if not is_clean(one, assigned(owner[id(node)]), KNOWN.get(place, set())):
                found.append(f"{place}:{node.lineno}: {node.func.attr}({ast.unparse(one)})")
    return found


@pytest.mark.parametrize("place", [place for place in product() if place.startswith(("appcore/ui/", "pages/", "app.py"))])
def test_markdown_holds_nothing_that_was_not_escaped(place: str) -> None:
    assert unescaped(place, product()[place]) == []


@pytest.mark.parametrize(
    ("source", "is_fine"),
    [
        ("st.caption('a')", True),
        ("st.caption(f'{run[\"title\"]}')", False),
        ("st.caption(run['title'])", False),
        ("st.caption(plain(run['title']))", True),
        ("st.caption(f'{plain(x)} {count:,} {share:.1f}')", True),
        ("st.caption(f'{count:<5}')", False),
        ("st.error(str(error))", False),
        ("words = run['title']\nst.markdown(words)", False),
        ("words = plain(run['title'])\nst.markdown(f'**{words}**')", True),
        ("for run in runs:\n    st.markdown(run)", False),
        ("st.markdown(' · '.join(tags))", False),
        ("st.markdown(' · '.join(plain(tag) for tag in tags))", True),
        ("st.button('x', help=run['title'])", False),
        ("st.progress(0.5, text=run['title'])", False),
    ],
)
def test_the_reader_of_the_source_sees_what_it_is_for(tmp_path: Path, source: str, *, is_fine: bool) -> None:
    path = tmp_path / "page.py"
    path.write_text(source)
    assert (unescaped("page.py", path) == []) is is_fine


@pytest.mark.thorough
def test_tables_and_figures_go_through_one_door() -> None:
    doors = {
        "dataframe": "cells(",
        "table": "table(",
        "plotly_chart": "",  # of figures that live_chart made text of
    }
    for place, path in product().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "st":
                name = node.func.attr
                assert name != "plotly_chart" or place == "appcore/ui/widgets/live_chart.py", place
                assert name not in ("write", "html", "latex", "image", "link_button", "iframe") or place in (
                    "app.py",
                    "appcore/ui/home/gallery.py",  # pictures whose alternative text is escaped there
                    "appcore/ui/widgets/projector.py",
                    "appcore/ui/classroom/panel.py",  # the code of a class, escaped there
                    "pages/lessons.py",  # a style sheet
                    "appcore/ui/widgets/sparsity_slider.py",  # its marks: numbers
                    "appcore/ui/widgets/image_answers.py",  # names of classes, escaped there
                ), place
                if name in ("dataframe", "table"):
                    assert doors[name] in ast.unparse(node.args[0]), f"{place}:{node.lineno}"


def test_charts_spell_no_tags() -> None:
    for place, path in product().items():
        if place.startswith(("appcore/charts/", "appcore/analysis/")):
            text = path.read_text(encoding="utf-8")
            assert not [tag for tag in ("<b>", "<br", "<extra", "<a ", "<span") if tag in text], place
