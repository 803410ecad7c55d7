"""Runs bflb-flash-command-uart 1.4.3.post1.

As published it ends at once: it reads an option `interface` that its parser does not define. Here the option has the
value that the tool's own help names as the default. Nothing else is changed.
"""

import argparse

argparse.Namespace.interface = "uart"

from bflb_flash_command.__main__ import run_main  # noqa: E402

run_main()
