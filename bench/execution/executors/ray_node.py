"""A Ray cluster on this machine only, as a program: ``ray_node.py CPUS``.

It prints the cluster's address, or ``failed`` and why, and keeps running. The driver runs it guarded
(`bench.process_lifetime.Guarded`), since processes that Ray starts from the driver outlive a killed driver.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time


def serve(cpus: int) -> None:
    """Start the cluster, print its address, and run until this process is ended."""
    import ray

    try:
        with contextlib.redirect_stdout(sys.stderr):
            context = ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        answer = context.address_info["gcs_address"]
    except Exception as error:  # the driver explains it
        answer = f"failed {' '.join(str(error).split())}"
    print(answer, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
