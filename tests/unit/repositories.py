"""Real git repositories for the tests."""

import os
import subprocess
from pathlib import Path

from reconciler.host.effects import Host
from reconciler.repository.repo import Repository

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
} | {f"GIT_{role}_{field}": "tester@example.com" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str, stdin: bytes = b"", user: int | None = None) -> str:
    """Run git in a folder, as another user if need be; its output without the last line end."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder, input=stdin, env=ENVIRONMENT, user=user, group=user, check=True, capture_output=True,
    )  # fmt: skip
    return done.stdout.decode().removesuffix("\n")


def bare(path: Path, user: int | None = None) -> Repository:
    """A new bare repository, of another user if need be."""
    path.mkdir()
    if user is not None:
        os.chown(path, user, user)
    git(path, "init", "-q", "--bare", "-b", "main", ".", user=user)
    return Repository(path, "main", Host())


def commit(folder: Path, files: dict[str, str], message: str = "a commit", branch: str = "main") -> str:
    """Put a commit on top of *branch* of a bare repository that holds these files and no others; its name."""
    lines = []
    for name, content in files.items():
        blob = git(folder, "hash-object", "-w", "--stdin", stdin=content.encode())
        lines.append(f"100644 {blob}\t{name}\n")
    git(folder, "read-tree", "--empty")
    git(folder, "update-index", "--index-info", stdin="".join(lines).encode())
    return commit_tree(folder, git(folder, "write-tree"), message, branch)


def commit_tree(folder: Path, tree: str, message: str = "a commit", branch: str = "main") -> str:
    """Put a tree on top of *branch*; the commit's name."""
    old = git(folder, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
    parents = ["-p", old] if old else []
    new = git(folder, "commit-tree", tree, *parents, "-m", message)
    git(folder, "update-ref", f"refs/heads/{branch}", new)
    return new
