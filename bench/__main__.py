"""``python -P -m bench`` is the same as ``tunebench``."""

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; Ctrl-C while it is being imported ends the process at once."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # The exit status is `bench.errors.INTERRUPTED`, which is not imported yet.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from bench.cli import main as run

    run()


if __name__ == "__main__":
    main()
