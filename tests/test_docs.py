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
