"""``tunebench check``: does what measures, or what generates, behave as it must?"""

from __future__ import annotations

import typer

app = typer.Typer(help="Check that metrics respond to what they should.", no_args_is_help=True)
