"""Follow every link within the built site: a page, file or place that is not there is a warning.

Sphinx checks the references that it makes itself; here are also those written by hand.
"""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

from sphinx.util import logging

logger = logging.getLogger(__name__)


class Page(HTMLParser):
    """The places that a page has, and where its links, pictures and scripts lead to."""

    def __init__(self, path):
        super().__init__()
        self.places, self.targets, self.elsewhere = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places.add(attributes.get("id"))
        self.places.add(attributes.get("name") if tag == "a" else None)
        target = attributes.get("href") or attributes.get("src")
        if target and "://" not in target and not target.startswith(("data:", "mailto:")):
            self.targets.add(target)
        elif target and tag in ("script", "link", "img") and "://" in target:
            self.elsewhere.add(target)  # it would be loaded from the network


def check(app, error):
    if error or app.builder.name != "html":
        return
    pages = {path: Page(path) for path in Path(app.outdir).resolve().rglob("*.html")}
    for path, page in pages.items():
        for target in sorted(page.elsewhere):
            logger.warning("%s: %s is loaded from the network", path.name, target)
        for target in sorted(page.targets):
            address, place = urldefrag(unquote(target))
            to = (path.parent / address.split("?")[0]).resolve() if address else path
            missing = not to.exists() or (place and to in pages and place not in pages[to].places)
            if missing:
                logger.warning("%s: broken link to %s", path.name, target)


def setup(app):
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
