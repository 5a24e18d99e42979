"""What the README says works as it stands there."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_two_commands():
    (main_job, tests) = blocks("sh")
    assert "examples/softmax_regression.py" in main_job
    assert "pytest" in tests


def test_the_program_trains_and_draws(tmp_path, monkeypatch):
    pytest.importorskip("pygraphviz")
    monkeypatch.chdir(tmp_path)
    (program,) = blocks("python")
    names = {}
    exec(program, names)
    assert names["loss"].item() < 1  # ln 10 = 2.3 before training
    assert (tmp_path / "graph.svg").stat().st_size > 1000


def test_every_file_it_names_is_there():
    root = Path(__file__).parent.parent
    named = re.findall(r"(?:`|\()((?:tinygrad_sm|nn|examples|benchmarks|docs)/[\w./]*)", README)
    assert len(named) > 4
    assert [name for name in named if not (root / name).exists()] == []
