"""Reads an HTML page: its title, text and pictures, and what it would load from elsewhere."""

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "link", "br", "hr", "input"}


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.title, self.text, self.pictures, self.external, self.headings, self.cells = "", "", [], [], [], []
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action") and not (value or "").startswith(("data:", "#")):
                self.external.append(value)
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        where = self.open[-1] if self.open else ""
        if where == "title":
            self.title += data
        elif where == "style":
            self.external += re.findall(r"url\(|@import", data)
        elif where != "script":
            self.text += data
            if where in ("h1", "h2"):
                self.headings.append(data)


def parse(text):
    """The page, when every tag is closed in order."""
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page
