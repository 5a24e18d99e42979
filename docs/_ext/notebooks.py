"""Each chapter as a notebook too, made from the same file, with a link on its page."""

from pathlib import Path

import jupytext

FOLDER = "notebooks"


def is_chapter(docname):
    return docname.startswith("path/")


def notebook(source):
    """The chapter as a notebook in which solutions are folded away."""
    made = jupytext.read(source)
    for cell in made.cells:
        if "hide-input" in cell.metadata.get("tags", ()):
            cell.metadata["jupyter"] = {"source_hidden": True}
    return made


def write(app, error):
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(exist_ok=True)
    for docname in filter(is_chapter, app.env.found_docs):
        name = Path(docname).name
        jupytext.write(notebook(app.env.doc2path(docname)), folder / f"{name}.ipynb")


def link(app, pagename, templatename, context, doctree):
    if is_chapter(pagename):
        context["notebook"] = f"{FOLDER}/{Path(pagename).name}.ipynb"


def setup(app):
    app.connect("html-page-context", link)
    app.connect("build-finished", write, priority=400)  # before the links are checked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
