"""The chapters of the path: their cells run from top to bottom as plain Python, too."""

import re
from pathlib import Path

import pytest

import tinygrad_sm

FOLDER = Path(tinygrad_sm.__file__).parent.parent / "docs" / "path"
CHAPTERS = sorted(FOLDER.glob("*.md"))
if not CHAPTERS:
    pytest.skip("the documentation is not here", allow_module_level=True)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?::[^\n]*\n)+)", re.M | re.S)


def cells(chapter):
    return [OPTIONS.sub("", cell) for cell in CELL.findall(chapter.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_cells_run(chapter, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    names = {"__name__": "__main__"}
    for i, cell in enumerate(cells(chapter), 1):
        exec(compile(cell, f"{chapter.name}, cell {i}", "exec"), names)
    pyplot.close("all")
    assert i >= 1


@pytest.mark.parametrize("chapter", CHAPTERS[:-1], ids=lambda path: path.stem)
def test_three_exercises_with_solutions(chapter):
    text = chapter.read_text(encoding="utf-8")
    exercises = text.split("## Exercises")[1]
    assert exercises.count("hide-input") >= 3
    assert "assert" in exercises or "gradcheck" in exercises


@pytest.fixture
def notebooks(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(FOLDER.parent / "_ext")
    return pytest.importorskip("notebooks")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_jupyter_can_show_the_text(notebooks, chapter):
    text = CELL.sub("", chapter.read_text(encoding="utf-8").split("---\n", 2)[2])
    assert ".md" not in notebooks.plain(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("see [chapter 3](03_tensors.md#axes)", "see [chapter 3](03_tensors.ipynb)"),
        ("see [`Conv2d`](../reference/nn.html#x)", "see `Conv2d`"),
        ("[below](#axes), {func}`~nn.Linear`, {doc}`text <../x>`", "below, `nn.Linear`, `text`"),
        (":::{note}\nOne.\n\nTwo.\n:::", "> **Note**\n>\n> One.\n>\n> Two."),
        ("```{tip} Predict\nA\n```", "> **Predict**\n>\n> A"),
        ("`f[0](x)` and [a](https://b.c/d.html)", "`f[0](x)` and [a](https://b.c/d.html)"),
    ],
)
def test_text_becomes_plain_markdown(notebooks, text, plain):
    assert notebooks.plain(text) == plain


@pytest.mark.parametrize(
    "text", [":::{figure} a.png\n:::", "```{list-table}\n```", "(label)=", "a\n: b", "![a](b.png)"]
)
def test_what_jupyter_cannot_show_is_an_error(notebooks, text):
    with pytest.raises(Exception, match="Jupyter cannot show"):
        notebooks.plain(text)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_is_read_in_a_quarter_of_an_hour(chapter):
    """At 200 words a minute, 4 s a line of code and 15 s a picture, without what is folded away."""
    text = chapter.read_text(encoding="utf-8").split("## Exercises")[0]
    shown = [cell for cell in CELL.findall(text) if "hide-input" not in cell]
    lines = [line for cell in shown for line in OPTIONS.sub("", cell).splitlines() if line.strip()]
    pictures = sum(bool(re.search(r"draw\(|plots\.|subplots", cell)) for cell in shown)
    words = len(CELL.sub("", text).split())
    assert words / 200 + len(lines) * 4 / 60 + pictures / 4 < 15


# ---- the words ---------------------------------------------------------------------------------

GLOSSARY = (FOLDER.parent / "glossary.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"((?:^\S.*\n)+)  .*\(path/(\w+)\.md\)$", re.M)
INTRODUCED = {
    term: chapter
    for terms, chapter in ENTRY.findall(GLOSSARY.split("```{glossary}\n")[1])
    for term in terms.splitlines()
}
NO_PROSE = re.compile(
    r"\A---\n.*?^---\n|^```.*?^```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", re.M | re.S
)
NUMBERED = [path for path in CHAPTERS if path.stem in {*INTRODUCED.values()}]
PROSE = {path.stem: NO_PROSE.sub(" ", path.read_text(encoding="utf-8")) for path in NUMBERED}
# A heading may name what comes under it, and so may italics.
AHEAD = re.compile(r"^#.*|(?<!\*)\*[\w -]+\*(?!\*)|\]\([^)]*\)", re.M)


def forms(term):
    """One or several; at the beginning of a sentence too."""
    first, rest = term[0], term[1:]
    if term != "tensor":  # chapter 1 uses the class Tensor
        first = f"(?i:{first})"
    plural = rest.removesuffix("y") + "ies" if term.endswith("y") else f"{rest}e?s"
    return rf"(?:{first}(?:{re.escape(rest)}|{plural}))"


@pytest.mark.parametrize("term", INTRODUCED)
def test_no_term_is_used_before_it_is_introduced(term):
    bold = re.compile(rf"\*\*{forms(term)}\*\*")
    places = [stem for stem, text in PROSE.items() for _ in bold.finditer(text)]
    assert places == [INTRODUCED[term]]
    path = "\n".join(AHEAD.sub("", text) for text in PROSE.values())
    word = re.compile(rf"(?<![\w*-]){forms(term)}(?![\w-])|\*\*{forms(term)}\*\*")
    assert word.search(path)[0].startswith("**")


@pytest.mark.parametrize("chapter", PROSE)
def test_each_term_that_a_chapter_introduces_is_in_the_glossary(chapter):
    inside = re.findall(r"(?<=[\w(,:] )\*\*([\w -]+)\*\*", PROSE[chapter])
    assert not [t for t in inside if not any(re.fullmatch(forms(k), t) for k in INTRODUCED)]
