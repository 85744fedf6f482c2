"""A page taken apart, for the tests of pages."""

from __future__ import annotations

import base64
import gzip
import json
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects what the tests look at, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.text += data

    def packed(self):
        """Return the compressed parts by key."""
        return {
            a["data-packed"]: gzip.decompress(base64.b64decode(body)).decode()
            for a, body in self.scripts
            if "data-packed" in a
        }

    def figures(self):
        return {a["data-figure"]: json.loads(body) for a, body in self.scripts if "data-figure" in a}
