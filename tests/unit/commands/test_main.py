"""What importing the command line costs."""

from __future__ import annotations

import subprocess
import sys


def test_no_command_imports_dnspython_before_it_asks() -> None:
    script = "import sys, reconciler.commands.main; sys.exit(any(name.startswith('dns.') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], check=True)
