"""What the README and the pages in docs/ say works as it stands there."""

import html
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(page):
    """The page's programs one after the other, as a reader would; returns the names they made."""
    names = {"__name__": page.stem}
    for program in blocks(page, "python"):
        exec(compile(program, page.name, "exec"), names)
    return names


def test_two_commands():
    (main_job, tests) = blocks(README, "sh")
    assert "examples/softmax_regression.py" in main_job
    assert "pytest" in tests


def test_the_program_trains_and_draws(tmp_path, monkeypatch):
    pytest.importorskip("pygraphviz")
    monkeypatch.chdir(tmp_path)
    assert len(blocks(README, "python")) == 1
    assert run(README)["loss"].item() < 1  # ln 10 = 2.3 before training
    assert (tmp_path / "graph.svg").stat().st_size > 1000


def test_the_programs_of_the_page_on_functions():
    names = run(ROOT / "docs" / "function.md")
    assert names["right"].item() > 0.9  # one in ten by chance


def test_the_code_on_the_page_about_compile_is_what_it_writes(capsys):
    page = ROOT / "docs" / "compile.md"
    names = run(page)
    printed = capsys.readouterr().out
    assert printed.startswith(names["step"].source)
    assert "looks at the values of the result of less" in printed
    assert blocks(page, "text") == [names["step"].source]


@pytest.mark.parametrize("page", ["pytorch", "numpy", "micrograd"])
def test_the_programs_of_the_pages_for_those_who_come_from_elsewhere(page):
    names = run(ROOT / "docs" / f"coming_from_{page}.md")  # which hold the assertions
    assert "loss" in names


def test_the_drawing_of_the_code_shows_its_imports():
    docs = ROOT / "docs"
    arrows = runpy.run_path(str(docs / "layout.py"))["arrows"]()
    svg = html.unescape((docs / "layout.svg").read_text(encoding="utf-8"))
    drawn = re.findall(r"<title>(.+)->(.+)</title>", svg)
    assert set(drawn) == arrows, "run docs/layout.py again"
    assert ("tinygrad_sm.viz", "tinygrad_sm.graph") in arrows


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_file_it_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:`|\()((?:tinygrad_sm|nn|examples|benchmarks|docs)/[\w./]*)", text)
    assert len(named) > 4 or page != README
    assert [name for name in named if not (ROOT / name).exists()] == []
