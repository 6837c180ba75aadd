"""Run the code of a notebook cell by cell, and print what a notebook would show of each cell's last line.

python run_notebook.py NOTEBOOK
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path


def main(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, cell["id"], "exec"), names)
            if isinstance(last, ast.Expr):
                show(eval(compile(ast.Expression(last.value), cell["id"], "eval"), names))


def show(value: object) -> None:
    if value is not None:
        as_html = getattr(value, "_repr_html_", None)
        print(as_html() if as_html else repr(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
