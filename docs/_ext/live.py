"""The page of `explain` for the network in the README's picture, on the site: `backprop.html`."""

from pathlib import Path

from backprop_animation import network

from tinygrad_sm import explain


def write(app, error):
    if not error and app.builder.name == "html":
        explain(network(), Path(app.outdir, "backprop.html"), lr=0.5)


def setup(app):
    app.connect("build-finished", write, priority=400)  # before the links are checked
    return {"parallel_read_safe": True, "parallel_write_safe": True}
