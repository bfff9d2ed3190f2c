"""What the site holds beside ``docs/``: README.md as its first page, the results, and what these pages link to.

A hook of mkdocs (mkdocs.yml names it). Links stay as they stand in the repository, where editors and code hosts follow
them too; here they are turned into links within the site, so that ``mkdocs build --strict`` finds every dead one.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LOG = logging.getLogger("mkdocs.hooks.pages")
ROOT = Path(__file__).resolve().parents[1]
BESIDE = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE",
    "gald/models/pretrained/README.md", "examples/*.py", "results/**/*",
)  # fmt: skip
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|<)([^)#\s]+)")  # a relative target of [text](target) or ![text](target)
FILE = re.compile(r"<code>((?:gald|tests|tools|examples|benchmarks|docs|results)/[\w./-]+)</code>")
NAME = re.compile(r"<code>(gald(?:\.(?!json\b)\w+)+)</code>")  # not gald.json, a file


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that lie beside ``docs/``."""
    for path in sorted(path for pattern in BESIDE for path in ROOT.glob(pattern) if path.is_file()):
        files.append(File.generated(config, in_site(path.relative_to(ROOT).as_posix()), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page into links within the site."""
    here = posixpath.dirname(in_repository(page.file.src_uri))
    there = posixpath.dirname(page.file.src_uri)

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[1]))
        return posixpath.relpath(in_site(target), there or ".")

    return LINK.sub(turned, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let `gald.GALD` and other names of the API lead to what they name, in docstrings and pages.

    A name that isn't there, or has no docstring, is a warning; so is a file of the repository that isn't there.
    """
    for path in FILE.findall(html):
        if not (ROOT / path).exists() and "foo" not in path:  # CONTRIBUTING.md calls new files so
            LOG.warning(f"Doc file '{page.file.src_uri}' names a file that isn't there: {path}")
    return NAME.sub(r'<autoref identifier="\1"><code>\1</code></autoref>', html)


def in_site(path: str) -> str:
    """Where a file of the repository stands in the site."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def in_repository(uri: str) -> str:
    """Where a page of the site stands in the repository."""
    if uri == "index.md":
        return "README.md"
    return f"docs/{uri}" if (ROOT / "docs" / uri).is_file() else uri
