"""Each chapter as a notebook too, with a link on its page: what is downloaded is what was run.

MyST-NB runs a chapter as a notebook, from top to bottom, to make its page. That notebook is taken
here, without its outputs, so that they can be predicted; its text is put into plain Markdown.
"""

import re
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.errors import ExtensionError

FOLDER = "notebooks"
FOLDS = {"hide-input": "source_hidden", "hide-output": "outputs_hidden"}
LINK = re.compile(r"\[([^\]]+)\]\(((?:[\w./-]+\.(?:md|rst|html)|#)[^)\s]*)\)")
ROLE = re.compile(r"\{[\w:]+\}`~?([^`<]+?)(?: <[^`>]*>)?`")
ADMONITIONS = "admonition|attention|caution|danger|error|hint|important|note|seealso|tip|warning"
ADMONITION = re.compile(rf"^(:::+|```+)\{{({ADMONITIONS})\}}(.*)\n((?:.*\n)*?)\1$", re.M)
# Other things that only MyST reads: directives, labels, comments, definitions, attributes; and
# pictures in files, which would have to come along.
SPECIAL = re.compile(r"^:::|^```+\{|^\(\S+\)=$|^%|^\+\+\+|^: |^\{|\]\{|!\[.*\]\((?!https:)", re.M)
CODE = re.compile(r"^```\w*\n(?:.*\n)*?```$|`[^`\n]+`|\$[^$]+\$", re.M)


def is_chapter(docname):
    return docname.startswith("path/")


def executed(app):
    return Path(app.doctreedir, "executed")


def keep(app):
    """Let MyST-NB leave what it ran within the build: by default it is a folder beside it."""
    app.env.mystnb_config = app.env.mystnb_config.copy(output_folder=str(executed(app)))


def notebook(path):
    """The chapter that was run as it is given away; solutions and predictions folded."""
    made = nbformat.read(path, as_version=4)
    made.metadata = {"kernelspec": made.metadata.kernelspec}
    for cell in made.cells:
        tags = cell.metadata.get("tags", [])
        folded = {name: True for tag, name in FOLDS.items() if tag in tags}
        cell.metadata = {"jupyter": folded} if folded else {}
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source)
        elif cell.execution_count is None:
            raise ExtensionError(f"{path.name}: this cell was not run:\n{cell.source}")
        else:
            cell.execution_count, cell.outputs = None, []
    return made


def plain(text):
    """MyST as the Markdown of Jupyter: chapters link to each other, other pages are not there."""
    text = LINK.sub(_link, ROLE.sub(r"`\1`", ADMONITION.sub(_quoted, text)))
    if special := SPECIAL.search(CODE.sub("", text)):
        raise ExtensionError(f"Jupyter cannot show {special[0]!r} in:\n{text}")
    return text


def _quoted(match):
    _, kind, title, body = match.groups()
    lines = [f"**{title.strip() or kind.capitalize()}**", "", *body.strip().split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _link(match):
    text, target = match.groups()
    chapter = re.fullmatch(r"(?:\./)?(\w+)\.md(?:#.*)?", target)
    return f"[{text}]({chapter[1]}.ipynb)" if chapter else text


def describe(app, doctree):
    """A picture that a cell draws has no words of its own, unless the cell has `image: alt`."""
    for image in doctree.findall(nodes.image):
        image.setdefault("alt", "Picture drawn by the code above")


def write(app, error):
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(exist_ok=True)
    for docname in filter(is_chapter, app.env.found_docs):
        path = executed(app) / f"{docname}.ipynb"
        nbformat.write(notebook(path), folder / path.name)


def link(app, pagename, templatename, context, doctree):
    if is_chapter(pagename):
        context["notebook"] = f"{FOLDER}/{Path(pagename).name}.ipynb"


def setup(app):
    app.connect("builder-inited", keep, priority=600)  # after MyST-NB has read its settings
    app.connect("doctree-read", describe)
    app.connect("html-page-context", link)
    app.connect("build-finished", write, priority=400)  # before the links are checked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
