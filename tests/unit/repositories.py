"""Real git repositories for the tests."""

import os
import subprocess
from pathlib import Path

import pygit2

from reconciler.host.effects import Host
from reconciler.repository.repo import Repository

AUTHOR = "tester@example.com"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
} | {f"GIT_{role}_{field}": AUTHOR for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}


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
    repository, index = pygit2.Repository(str(folder)), pygit2.Index()
    for name, content in files.items():
        blob = repository.create_blob(content.encode())
        index.add(pygit2.IndexEntry(name, blob, pygit2.enums.FileMode.BLOB))
    return commit_tree(folder, str(index.write_tree(repository)), message, branch)


def commit_tree(folder: Path, tree: str, message: str = "a commit", branch: str = "main") -> str:
    """Put a tree on top of *branch*; the commit's name."""
    repository, name = pygit2.Repository(str(folder)), f"refs/heads/{branch}"
    parents = [repository.references[name].target] if name in repository.references else []
    who = pygit2.Signature(AUTHOR, AUTHOR)
    new = repository.create_commit(None, who, who, f"{message}\n", tree, parents)
    repository.references.create(name, new, force=True)
    return str(new)
