"""Sphinx: ``python -m sphinx -W --keep-going -n -b html docs OUT`` builds the documentation, without a network.

autosummary writes a page for each module into ``docs/api/modules``, which is not kept.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from numpydoc.numpydoc import mangle_signature
from sphinx.application import Sphinx
from sphinx.errors import ConfigError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compressor import __version__

if find_spec("torch") is None:  # a stand-in will not do: annotations of the modules that use it are computed
    raise ConfigError("the pages of compressor.training need PyTorch: pip install -e '.[docs,train]'")

project = "eie-sim"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"eie-sim {version}"
html_show_copyright = False  # a year would make other bytes of the same sources
html_copy_source = False
html_show_sourcelink = False

# The Markdown pages read well on a forge too: the same anchors of headings.
myst_heading_anchors = 3

autosummary_generate = True
templates_path = ["_templates"]
default_role = "code"  # what docstrings put between single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say more than types: shape, dtype and unit
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_attributes_as_param_list = True

# Names of other projects: nothing is fetched to resolve them.
nitpick_ignore_regex = [(r"py:.*", r"(collections|concurrent|numpy|os|torch|pydantic|typer)\..*")]


def setup(app: Sphinx) -> None:
    """Take signatures from Python alone.

    numpydoc also looks for them in docstrings, of which ours have none, and gives those of ``tuple`` or ``Callable`` to
    aliases of types, on which autodoc fails.
    """
    for listener in list(app.events.listeners["autodoc-process-signature"]):
        if listener.handler is mangle_signature:
            app.disconnect(listener.id)
