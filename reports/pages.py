"""What all self-contained pages share: the templates, JSON that is safe in a page, and Plotly in it."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from jinja2 import Template
    from markupsafe import Markup

__all__ = ["dump", "joined", "packed", "packed_plotly", "plain_figure", "plotly", "template"]


def template(name: str) -> Template:
    """Return a template of `reports/templates`; what it is given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def joined(text: str) -> str:
    """Return text whose figures, percent signs and p-values stay on one line."""
    for apart in (" %", "p = ", "p < "):
        text = text.replace(apart, apart.replace(" ", "\u00a0"))
    return text


def dump(document: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plain_figure(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as plain JSON types, arrays packed as Plotly packs them."""
    document: dict[str, Any] = json.loads(figure.to_json())
    return document


def packed(document: object) -> str:
    """Return JSON compressed, as text that is safe anywhere in a page; `unpack` in draw.js reads it."""
    return _squeezed(json.dumps(document, separators=(",", ":"), allow_nan=False))


def plotly() -> Markup:
    """Return the library's source, to stand in a script element once."""
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())  # noqa: S704 - the library is ours


@cache
def packed_plotly() -> str:
    """Return the library compressed, a third of its size; `loadPlotly` in draw.js runs it."""
    from plotly.offline import get_plotlyjs

    return _squeezed(get_plotlyjs())


def _squeezed(text: str) -> str:
    # mtime 0: the same page for the same results.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()
