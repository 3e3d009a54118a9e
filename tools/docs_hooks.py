"""Hooks of MkDocs: pages of the site that are files outside of `docs/`, and reference pages made from the code.

README.md is the home page. Links are those of the repository, between files, and are turned into links between pages.
"""

import ast
import posixpath
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "envdata/bundled/README.md": "bundled-grids.md",
    "skills/autotts-discover/SKILL.md": "skill.md",
}
"""Pages of the site, by the file of the repository that they are."""
PLAIN = {"CITATION.cff": "citation.cff"}
"""Files that pages link to and that are no pages."""
SOURCES = {page: source for source, page in PAGES.items()}


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that are not in `docs/`."""
    for source, page in {**PAGES, **PLAIN}.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Return a page's text with links between pages, and what is made from the code in place of its marker."""
    own = page.file.src_uri
    markdown = _between_pages(markdown, SOURCES.get(own, f"docs/{own}"), own)
    if own == "reference/python.md":
        return markdown.replace("<!-- exports -->", _exports())
    if own == "gallery.md":
        return markdown.replace("<!-- controllers -->", _controllers())
    return markdown


def _between_pages(markdown: str, source: str, page: str) -> str:
    """Return the text of the file `source` with its links to files of the repository as links from `page` to pages."""
    folder = posixpath.dirname(source)
    parts = markdown.split("](")
    for index, part in enumerate(parts[1:], 1):
        target, end, rest = part.partition(")")
        path, mark, anchor = target.partition("#")
        if not path or "://" in path or not end:
            continue
        named = posixpath.normpath(posixpath.join(folder, path))
        place = {**PAGES, **PLAIN}.get(named, named.removeprefix("docs/"))
        parts[index] = posixpath.relpath(place, posixpath.dirname(page) or ".") + mark + anchor + end + rest
    return "](".join(parts)


def _exports() -> str:
    """Return an entry for each public name of `autotts`, by the module that defines it."""
    tree = ast.parse((ROOT / "autotts/__init__.py").read_text(encoding="utf-8"))
    table = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_EXPORTS"
    )
    entries = {name: module for module, names in table.items() for name in names}
    return "\n\n".join(
        f'## autotts.{name} {{ #{name} data-toc-label="{name}" }}\n\n::: {module}.{name}\n    options:\n'
        "      show_root_heading: false\n      show_root_toc_entry: false"
        for name, module in sorted(entries.items(), key=lambda each: each[0].lower())
    )


def _controllers() -> str:
    """Return the source of each shipped controller, folded, below the first line of its docstring."""
    parts = []
    for path in sorted((ROOT / "sandbox/controllers").glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")
        summary = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0]
        code = "\n".join(f"    {line}".rstrip() for line in source.splitlines())
        parts.append(f'## {path.stem}\n\n{summary}\n\n??? example "sandbox/controllers/{path.name}"\n\n'
                     f"    ```python\n{code}\n    ```")  # fmt: skip
    return "\n\n".join(parts)
