"""Pages of the site from notebooks: text as it is, code in blocks, and a link to the notebook itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook (mkdocs calls this)."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        text = Path(str(notebook.abs_src_path)).read_text(encoding="utf-8")
        page = as_markdown(text, Path(notebook.src_uri).name)
        files.append(File.generated(config, f"{notebook.src_uri.removesuffix('.ipynb')}.md", content=page))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to a notebook, as they work on GitHub, to its page (mkdocs calls this); not the page's own link."""
    del config
    own = files.get_file_from_path(f"{page.file.src_uri.removesuffix('.md')}.ipynb")
    return markdown if own else re.sub(r"(\]\([\w./-]+)\.ipynb\)", r"\1.md)", markdown)


def as_markdown(notebook: str, name: str) -> str:
    """The cells of a notebook as one page, with a link to it below the title."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
    parts.insert(1, f"[Download the notebook]({name})")
    return "\n\n".join(parts) + "\n"
