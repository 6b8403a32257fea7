"""The layout of a commit: the meaning of each file by its path, and the likely intent of a path that nothing reads.

Known limit: what is in docs/, below a name that begins with a dot, or looks like a text for people, gets no finding.
"""

from __future__ import annotations

import re
import sys
from operator import attrgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from reconciler.features import databases, site_files, sites, tables
from reconciler.features.dns.records import Templates, read_templates
from reconciler.model import Finding, Where, did_you_mean, error_at, meant, paths_in, warning_at
from reconciler.model.ascii_text import SPACE
from reconciler.model.past import PastOfEach

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import File, Tree

PLACES = ("mail.yaml", "hosts", "tables", "files", "master.d", "secrets", "sites", "dns", "flows")
FILES_ALONE = frozenset({tables.SECTION, databases.SECTION})
"""The sections that are files of their own and are never written in YAML."""
ENTRIES = {sites.SECTION: "sites are not written here: each site has a file of its own, sites/siteNN/site.yaml"}
"""The sections with a YAML file for each entry, and the error text for an entry that is written elsewhere."""
INSTEAD = {
    "main.cf": 'reconciler writes main.cf; put its values under "parameters:" in mail.yaml',
    "master.cf": 'reconciler writes master.cf; use "services:" in mail.yaml, or master.d/NAME.cf',
}
_NAMED_FILES = {
    "flows": (re.compile(r"[^/]+\.yaml"), "yaml"),
    "dns": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.zone\.j2"), "zone.j2"),
}
_LIKE_POSTFIX = frozenset({"postfix", "etc", "etc/postfix", "conf", "config"})
_PAPERS = frozenset({"md", "txt", "rst", "html", "pdf"})
_PROSE = frozenset({"doc", "docs"})
_NOTICES = frozenset({"AUTHORS", "CHANGELOG", "CODEOWNERS", "CONTRIBUTING", "COPYING", "LICENCE", "LICENSE", "NOTICE"})
LEFTOVER = re.compile(r"\.(?:db|dir|pag|bak|old|orig|rej|save|swp|tmp|dpkg-\w+|rpm\w+|ucf-\w+)\Z|~\Z|^#.*#\Z", re.ASCII)
PASSWORDS = re.compile(r"(?:sasl_pass.*|(?:.*[_-])?passwd|smtp_auth.*|.*password_maps)\Z", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"hosts/([^/]+)\.ya?ml")
_SITE = re.compile(rf"sites/({site_files.NAME.pattern})/site\.yaml")
_SITE_FILE = re.compile(rf"sites/(?P<site>{site_files.NAME.pattern})/tables/(?P<table>[^/]+)")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.age")
_AGE = (b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----")


class _Entry(NamedTuple):
    """The entry of a section that a file is."""

    section: str
    key: str


class _InTable(NamedTuple):
    """The place of a file in a table: by the number of its site, and by its file name."""

    site: int
    name: str
    path: str


_kinds: PastOfEach[str, _Entry | _InTable | None] = PastOfEach()


def misplaced(files: Tree, host: str, ours: SiteFiles) -> Iterator[Finding]:
    """Yield a finding for each file that nothing reads or deploys, and one for a folder of them."""
    hosts: dict[str, str] = {}
    unread: dict[str, list[str]] = {}
    root = misnamed_root(files)
    for path in sorted(files.keys() - ours.read):
        top, _, rest = path.partition("/")
        if top == "master.d" and rest:
            yield from _misplaced_service(path, rest)
        elif top == "hosts" and rest:
            yield from _misplaced_host(path, host, hosts, files)
        elif top == "sites" and rest:
            yield from _misplaced_site(path, rest)
        elif top in _NAMED_FILES and rest:
            yield from _misnamed(path, top, rest)
        elif path == root:
            continue  # load() says that mail.yaml is missing
        elif top.startswith(".") or path == "mail.yaml" or (top in PLACES and rest):
            continue
        elif path not in PLACES and (text := _meant(top, rest)):
            yield warning_at("misplaced-file", Where(path), text, path)
        elif not _is_for_people(path):
            unread.setdefault(top, []).append(path)
    yield from (_unread(top, paths) for top, paths in unread.items())


def _unread(top: str, paths: list[str]) -> Finding:
    """Return one warning for all the files of a folder that has no meaning, or for a file at the top."""
    what = f'the folder "{top}"' if paths[0] != top else f'the file "{top}"'
    text = (
        f"nothing reads or deploys {what}; what Postfix is to have belongs into files/, what is for people into docs/,"
        f" and for other programs write # allow misplaced-file in {paths[0]}: REASON in mail.yaml"
    )
    return warning_at("misplaced-file", Where(paths[0]), text, top)


def _is_for_people(path: str) -> bool:
    """Return whether a file is likely to be for readers of the repository."""
    top, _, _ = path.partition("/")
    name = PurePosixPath(path).name
    return top in _PROSE or is_prose(name) or name.partition(".")[0].upper() in _NOTICES or _suffix(name) in _PAPERS


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _misnamed(path: str, folder: str, name: str) -> Iterator[Finding]:
    form, suffix = _NAMED_FILES[folder]
    if not form.fullmatch(name) and not is_prose(name):
        what = f'only files named NAME.{suffix} are read in {folder}, got "{name}"{_renamed(path, suffix)}'
        yield _error("misplaced-file", path, what)


def misnamed_root(files: Tree) -> str:
    """Return the file that was probably meant as mail.yaml, if that is missing; else an empty text."""
    if "mail.yaml" in files:
        return ""
    return min((path for path in files if re.fullmatch(r"mail\.ya?ml.*", path, re.IGNORECASE | re.ASCII)), default="")


def _error(rule: str, path: str, text: str, subject: str = "") -> Finding:
    return error_at(rule, Where(path), text, subject)


def _renamed(path: str, suffix: str) -> str:
    """Return the hint to give a file the suffix that is read, or to remove a copy."""
    if LEFTOVER.search(path):
        return "; it looks like a copy that an editor or a person left: remove it"
    if folder := re.fullmatch(r"(hosts/[^/]+)/[^/]+\.ya?ml", path):
        return f"; did you mean {folder[1]}.yaml?"
    name = re.sub(r"\.(?:ya?ml|conf|cfg|cf|txt|zone|j2|json)\Z|\.yaml\.\w+\Z", "", path, flags=re.ASCII)
    return f"; rename it to {name}.{suffix}" if re.fullmatch(r"[^/]+/[A-Za-z0-9][A-Za-z0-9._-]*", name) else ""


def is_prose(name: str) -> bool:
    """Return whether a file of that name is for people, wherever it is."""
    name = name.rpartition("/")[2]
    return name.startswith((".", "README")) or name.endswith(".md")


def _meant(top: str, rest: str) -> str:
    """Return what a path outside the known places may have been meant for, or an empty text."""
    folder, _, name = f"{top}/{rest}".rstrip("/").rpartition("/")
    place = f"{folder}/{name}".lstrip("/")
    if folder and folder.lower() not in _LIKE_POSTFIX:
        hint = did_you_mean(top, PLACES)
        return f'nothing reads the folder "{top}"{hint}' if hint else ""
    if name in INSTEAD:
        return f'nothing reads the file "{place}": {INSTEAD[name]}'
    if (table := name.partition(".")[0]) in tables.WIRED and name.partition(".")[2] not in _PAPERS:
        return f'nothing reads the file "{place}"{meant(f"tables/{table}")}'
    if name.endswith(".cf"):
        return f'nothing reads the file "{place}"{meant(f"master.d/{name}, or a table")}'
    hint = "" if folder else did_you_mean(name, PLACES)
    return f'nothing reads the file "{place}"{hint}' if hint else ""


def _misplaced_service(path: str, name: str) -> Iterator[Finding]:
    if is_prose(name):
        return
    if not name.endswith(".cf"):
        yield _error(
            "misplaced-file", path, f'only files named NAME.cf are read in master.d, got "{name}"{_renamed(path, "cf")}'
        )
    elif "/" in name:
        yield _error("misplaced-file", path, f'nothing reads folders in master.d, got "{name}"; move it up')


def _misplaced_host(path: str, host: str, seen: dict[str, str], files: Tree) -> Iterator[Finding]:
    match = _HOST.fullmatch(path)
    if not match:
        if not is_prose(path):
            yield _error(
                "misplaced-file", path, f'only hosts/NAME.yaml is read here, got "{path}"{_renamed(path, "yaml")}'
            )
        return
    name = match[1]
    if name == host.partition(".")[0] != host and f"hosts/{host}.yaml" not in files:
        what = (
            f'nothing reads this file on this host, which is "{host}"; if it is meant for it, name it hosts/{host}.yaml'
        )
        yield warning_at("misplaced-file", Where(path), what, name)
    if name in seen:
        yield _error("misplaced-file", path, f'duplicate host "{name}": {seen[name]} is its file already', name)
    elif name != host and name.lower() == host.lower():
        what = f'nothing reads this file: this host is "{host}", got "{name}"; rename it to hosts/{host}.yaml'
        yield _error("misplaced-file", path, what, name)
    seen.setdefault(name, path)


def _misplaced_site(path: str, rest: str) -> Iterator[Finding]:
    name, _, inside = rest.partition("/")
    if is_prose(rest):
        return
    if site_files.NAME.fullmatch(name):
        meant_file = f"sites/{name}/site.yaml" if re.fullmatch(r"[^/]+\.ya?ml|site", inside) else None
        what = f'only site.yaml and tables/NAME are read in sites/{name}, got "{inside}"{meant(meant_file)}'
    else:
        number = re.fullmatch(r"(?:site)?[-_]?0*([1-9][0-9]{0,8})(\.ya?ml)?", name, re.IGNORECASE | re.ASCII)
        folder = f"sites/site{number[1]}" if number else None
        what = f'a site is a folder sites/siteNN, got "{name}"'
        what += meant(f"{folder}/site.yaml" if number and number[2] else folder)
    yield _error("misplaced-file", path, what, path)


class SiteFiles(NamedTuple):
    """The files below sites/ that are read: those of *entries* and those that add to *tables*.

    Of an entry, it is the path by the section and the key, as sites.site12 for sites/site12/site.yaml.
    """

    entries: dict[tuple[str, ...], str]
    tables: list[_InTable]

    @property
    def read(self) -> set[str]:
        """The paths of all of them."""
        return {*self.entries.values(), *(one.path for one in self.tables)}


def of_sites(files: Tree) -> SiteFiles:
    """Return the files of the sites of a commit, the entries by their paths and the tables by the sites' numbers."""
    paths = paths_in(files, "sites/")
    kinds = _kinds.of(paths, (), _kind)
    entries: dict[tuple[str, ...], str] = {
        kind: path for kind, path in zip(kinds, paths, strict=True) if isinstance(kind, _Entry)
    }
    tables = [kind for kind in kinds if isinstance(kind, _InTable)]  # those of one site are in order
    return SiteFiles(entries, sorted(tables, key=attrgetter("site")))


def _kind(path: str) -> _Entry | _InTable | None:
    """Return the entry or the table that a path below sites/ is of."""
    if match := _SITE.fullmatch(path):
        return _Entry(sites.SECTION, sys.intern(match[1]))  # as sites have their names
    match = _SITE_FILE.fullmatch(path)
    if match is None or is_prose(match["table"]):
        return None
    return _InTable(site_files.number_of(match["site"]), sys.intern(match["table"]), path)


def folders(files: Tree) -> dict[type, object]:
    """Return the sections that are folders of files in a form of their own."""
    return {Templates: read_templates(files)}


def host_in(path: str) -> str | None:
    """Return the name of the host that a file is for, or None."""
    match = _HOST.fullmatch(path)
    return match[1] if match else None


# ---- secrets --------------------------------------------------------------------------------------------------------


def unsealed(files: Tree, opened: Collection[str]) -> Iterator[Finding]:
    """Yield an error for each misnamed or unencrypted file in secrets/; those in *opened* were decrypted."""
    for path in paths_in(files, "secrets/"):
        name = path.removeprefix("secrets/")
        if name == "recipients" or name.rpartition("/")[2].startswith((".", "README")):
            continue
        if _SECRET.fullmatch(name):
            if name.removesuffix(".age") not in opened and not is_sealed(files[path]):
                what = in_clear(path, "does not begin like an age file", name.removesuffix(".age"))
                yield _error("plain-text-secret", path, what, name)
        elif hint := did_you_mean(name, ("recipients",)):
            yield _error("misplaced-file", path, f'nothing reads "{path}"{hint}', name)
        elif is_sealed(files[path]):
            yield _error("misplaced-file", path, f'only secrets/NAME.age is read here, got "{path}"', name)
        else:
            yield _error("plain-text-secret", path, in_clear(path, "is not named NAME.age"), name)


def is_sealed(file: File) -> bool:
    """Return whether a file begins like one that age has encrypted."""
    return file.read().lstrip(SPACE.encode()).startswith(_AGE)


def in_clear(path: str, why: str, name: str = "") -> str:
    """Return what to do about a file that is not encrypted; *name* is that of its secret, if it has one."""
    secret = name or re.sub(r"[^A-Za-z0-9_.-]", "_", PurePosixPath(path).name.partition(".")[0]).lstrip("_.-") or "NAME"
    return (
        f'"{path}" {why}, so it is not encrypted and stays readable in the history; remove it, run'
        f" `reconciler secret set {secret}`, and change the password, which others may have seen"
    )


EXPLAINED = {
    "misplaced-file": (
        "A file is in a place where nothing reads or deploys it, so it changes nothing. Move or rename it as the "
        "finding says. Files named README* and *.md may be anywhere. For what is for other programs, write "
        "# allow misplaced-file in FILE: REASON in mail.yaml, or name its folder with a dot at the beginning."
    ),
}
