"""Which file may import which: arrows run one way, nn → tinygrad_sm and viz → graph → tensor."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nn
import tinygrad_sm

ENGINE = Path(tinygrad_sm.__file__).parent
NETWORKS = Path(nn.__file__).parent


def files(folder, *but):
    found = [p for p in sorted(folder.rglob("*.py")) if p.relative_to(folder).parts[0] not in but]
    assert found
    return found


def imports(path, everywhere=True):
    """The names that a file imports, as module or module.name; without those only for types.

    everywhere: also those inside functions, which happen when they run.
    """
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not everywhere:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def within(name, *packages):
    return any(name == p or name.startswith(p + ".") for p in packages)


def test_the_parser_sees_every_kind_of_import(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import a.b\n"
        "from c import d, e\n"
        "if TYPE_CHECKING:\n    import types_only\n"
        "def f():\n    from g import h\n"
        "class K:\n    import k\n"
    )
    assert imports(path) == {"a.b", "c.d", "c.e", "g.h", "k"}
    assert imports(path, everywhere=False) == {"a.b", "c.d", "c.e", "k"}


@pytest.mark.parametrize("path", files(ENGINE), ids=lambda p: str(p.relative_to(ENGINE)))
def test_the_engine_knows_nothing_of_networks(path):
    assert not [name for name in imports(path) if within(name, "nn")]


@pytest.mark.parametrize("path", files(ENGINE / "ops"), ids=lambda p: p.name)
def test_operations_know_only_arrays(path):
    allowed = ("numpy", "tinygrad_sm.ops", "tinygrad_sm.errors", *sys.stdlib_module_names)
    assert not [name for name in imports(path) if not within(name, *allowed)]


def test_the_backward_pass_does_not_import_tensors():
    assert not [n for n in imports(ENGINE / "autograd.py") if within(n, "tinygrad_sm.tensor")]


@pytest.mark.parametrize(
    "path",
    files(ENGINE, "graph.py", "gradient_report.py", "viz"),
    ids=lambda p: str(p.relative_to(ENGINE)),
)
def test_the_engine_does_not_load_the_pictures(path):
    pictures = ("tinygrad_sm.graph", "tinygrad_sm.viz", "graphviz", "pygraphviz", "matplotlib")
    assert not [n for n in imports(path, everywhere=False) if within(n, *pictures)]


def test_the_graph_does_not_know_its_pictures():
    assert not [n for n in imports(ENGINE / "graph.py") if within(n, "tinygrad_sm.viz")]


def code_lines(path):
    """How many lines are neither blank nor comment, docstring or import."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    prose = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for line in range(node.lineno, node.end_lineno + 1)
    }
    lines = enumerate(map(str.strip, source.splitlines()), 1)
    return len([i for i, line in lines if line and line[0] != "#" and i not in prose])


def test_the_engine_can_be_read_in_an_evening():
    # An operation more is a formula more in its sheet: these files are what there is to understand.
    core = ["ops/op.py", "autograd.py", "tensor.py"]
    around = ["values.py", "creation.py", "differentiate.py", "gradcheck.py", "errors.py"]

    def total(names):
        return sum(code_lines(ENGINE / name) for name in names)

    assert total(core) <= 625
    assert total(core + around) <= 1100


def private(name):
    return name.startswith("_") and not name.startswith("__")


def private_attributes(path):
    """The private attributes that a file reads, and those that it defines."""
    read, defined = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Attribute) and private(node.attr):
            (defined if isinstance(node.ctx, ast.Store) else read).add(node.attr)
    return read, defined


@pytest.mark.parametrize("path", files(NETWORKS), ids=lambda p: str(p.relative_to(NETWORKS)))
def test_networks_use_only_public_names_of_the_engine(path):
    from_engine = [name for name in imports(path) if within(name, "tinygrad_sm")]
    assert not [name for name in from_engine if any(map(private, name.split(".")))]
    read, defined = private_attributes(path)
    assert read <= defined


def test_imports_are_light():
    heavy = [
        "matplotlib",
        "graphviz",
        "pygraphviz",
        "safetensors",
        "torch",
        "tqdm",
        "tinygrad_sm.viz",
        "nn.datasets",
    ]
    code = f"import sys, tinygrad_sm, nn; print([m for m in {heavy} if m in sys.modules])"
    folder = ENGINE.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", [tinygrad_sm, nn])
def test_every_public_name_is_there_and_explained(package):
    assert sorted(package.__all__, key=str.lower) == sorted(set(package.__all__), key=str.lower)
    for name in package.__all__:
        assert getattr(package, name).__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'tenser'"):
        tinygrad_sm.tenser  # noqa: B018
