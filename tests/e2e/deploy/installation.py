"""deploy/install on throw-away hosts, which have no way out to fetch what it installs.

Promises: install() and install_anew() are the real installation. hand_over() ends alike, but one host of a run of tests
installs the program, and the others get a copy of what this left. Raises HostError when an installation
fails.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host_files import pack, unpack
from tests.e2e.hosts import CHECKOUT
from tests.e2e.kept import kept

if TYPE_CHECKING:
    from tests.e2e.hosts import Host
    from tests.e2e.kept import Copy

INSTALL, QUICKSTART = CHECKOUT / "deploy/install", CHECKOUT / "deploy/quickstart"
PACKAGES = "opt/reconciler"
PROGRAM = (
    PACKAGES, "usr/local/share/man/man8/reconciler.8", "usr/local/share/bash-completion/completions/reconciler"
)  # fmt: skip
PYTHON_OF_DEBIAN_13 = "3.13"
UNCOMPRESSED = {"DPKG_DEB_COMPRESSOR_TYPE": "none"}  # which only takes time
_LOCK = CHECKOUT / "deploy" / "requirements.lock"
# Every file, folder and link that must stay as it is, with mode, owner, size and time.
LISTING = (
    "find", "/etc", "/var/spool/postfix", "/var/lib/postfix", "/var/tmp", "/var/backups", "/srv", "/opt",
    "-mindepth", "1",
    "-type", "f,d,l", "-printf", r"%p %M %u:%g %s %T@ %l\n",
)  # fmt: skip


@pytest.fixture(scope="session")
def wheels() -> str:
    """Return a folder with all that pip needs for deploy/install: a throw-away host has no way out to fetch it."""
    return fetched(_LOCK.read_bytes()).as_uri()


@pytest.fixture(scope="session")
def package(wheels: str) -> Path:
    """Return the Debian package that deploy/package builds, once for all processes of a run of tests."""
    with kept("deploy/package") as copy:
        if not copy.text:
            links = f"{wheels} {fetched(_LOCK.read_bytes(), PYTHON_OF_DEBIAN_13).as_uri()}"
            env = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links, **UNCOMPRESSED}
            build = (CHECKOUT / "deploy/package", "--output", copy.file)
            built = subprocess.run(build, env=env, capture_output=True, text=True, check=False, timeout=300)
            assert built.returncode == 0, built.stderr
            copy.keep(built.stdout.strip())
        return Path(copy.text)


def fetched(lock: bytes, python: str = "") -> Path:
    """Return a folder with the wheels that a lock file pins, for this Python or another version of it."""
    name = hashlib.sha256(lock).hexdigest()[:16] + python
    folder = Path(sys.prefix) / "wheels" / name
    folder.mkdir(parents=True, exist_ok=True)
    requirements = folder / "requirements.lock"
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # another process may want the same
        if not (folder / "complete").exists():
            requirements.write_bytes(lock)
            pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
            pinned = ("--require-hashes", "--only-binary", ":all:", "--requirement", requirements)
            other = ("--implementation", "cp", "--python-version", python) if python else ()
            subprocess.run([*pip, *pinned, *other, "--dest", folder], check=True, timeout=300)
            (folder / "complete").touch()
    return folder


def install(host: Host, wheels: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run deploy/install."""
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels}
    return host.run(INSTALL, *options, env=env, timeout=180, check=check)


def install_anew(host: Host, wheels: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run deploy/install on a host without its packages, which are kept for others if none are yet."""
    with kept(PACKAGES) as copy:
        return _installed(copy, host, wheels, *options, check=check)


def hand_over(host: Host, wheels: str, option: str = "--yes") -> subprocess.CompletedProcess[str]:
    """Run `deploy/install --yes`: it installs the packages on one host, and finds a copy of these on every other.

    Another *option* may end with another status.
    """
    check = option == "--yes"
    with kept(PACKAGES) as copy:
        if not copy.text:
            return _installed(copy, host, wheels, option, check=check)
        unpack(host.root, copy.file)
    done = install(host, wheels, option, check=check)
    assert "installing the packages" not in done.stderr, "the copy is what would be installed"
    return done


def lay_packages(host: Host) -> None:
    """Give a host the packages that an earlier hand_over() has installed, so that deploy/install finds them."""
    with kept(PACKAGES) as copy:
        if copy.text:
            unpack(host.root, copy.file)


def _installed(
    copy: Copy, host: Host, wheels: str, *options: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = install(host, wheels, *options, check=check)
    if not copy.text:
        pack(host.root, PROGRAM, copy.file)
        copy.keep(str(copy.file))
    return done


def master(host: Host) -> int:
    """Return the process id of Postfix's master, as the host numbers it; 0 while none runs."""
    script = 'read -r pid <"$1" && test -d "/proc/$pid" && echo "$pid"'
    found = host.run("bash", "-c", script, "master", "/var/spool/postfix/pid/master.pid", check=False).stdout.strip()
    return int(found or 0)
