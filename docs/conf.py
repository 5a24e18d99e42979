"""The documentation site: `sphinx-build -W --keep-going -n docs docs/_build`.

Why Sphinx with MyST-NB: it runs the cells of every chapter while it builds and stops at the first
error, its references are checked, and the same Markdown file is a notebook. The pages need no
network: formulas are MathML, and nothing is loaded from elsewhere.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "_ext")]

import tinygrad_sm  # noqa: E402

project = "tinygrad_sm"
release = tinygrad_sm.__version__
copyright = "the tinygrad_sm authors, MIT licence"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "docstrings",
    "reference",
    "formulas",
    "notebooks",
    "live",
    "links",
]
exclude_patterns = ["_build", "_ext", "_static", "_templates"]
nitpicky = True
suppress_warnings = ["toc.empty_glob"]  # a part of the site may have no pages yet

# ---- the chapters: each cell is run, and an error or a warning in one stops the build -----------

nb_execution_mode = "force"
nb_execution_in_temp = True  # as where a learner opens the notebook: nothing lies beside it
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "warn"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# ---- the reference -----------------------------------------------------------------------------

default_role = "name"  # see _ext/docstrings.py
rst_prolog = """
.. |br| raw:: html

   <br>
"""
autodoc_typehints = "none"  # the docstrings tell the types and shapes in words
autodoc_member_order = "bysource"
add_module_names = False

# ---- how it looks ------------------------------------------------------------------------------

html_theme = "furo"
html_title = "tinygrad_sm"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_copy_source = False
html_math_renderer = "mathml"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
