"""Names from files, made safe for figures: Plotly reads a little HTML in its labels."""

from __future__ import annotations

import html

__all__ = ["shown"]


def shown(name: str) -> str:
    """Return a name that a Plotly label shows as it is."""
    return html.escape("".join(c if c.isprintable() else " " for c in name), quote=False)
