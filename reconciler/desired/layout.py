"""The layout of a commit: the meaning of each file by its path, and the likely intent of a path that nothing reads.

Known limit: what is in docs/, below a name that begins with a dot, or looks like a text for people, gets no finding.
"""

from __future__ import annotations

import re
from functools import lru_cache
from io import BytesIO
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconciler.desired import table_memory
from reconciler.features import databases, site_files, sites, tables
from reconciler.features.databases import Definition
from reconciler.features.dns.records import Templates, read_templates
from reconciler.model import Finding, Table, Where, closest, did_you_mean, error_at, meant, warning_at
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.references import CLIENTS, TABLE_REFERENCE
from reconciler.postfix.tables import TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from reconciler.desired.budget import Budget
    from reconciler.desired.described import AnyTable
    from reconciler.model import File, Tree
    from reconciler.model.postfix import Unread

COMPILED_TYPES = ("lmdb", "hash", "cdb")
RESERVED_NAMES = frozenset(
    {"main.cf", "master.cf", "dynamicmaps.cf", "postfix-files", "postfix-script", "post-install"}
)
PLACES = ("mail.yaml", "hosts", "tables", "files", "master.d", "secrets", "sites", "dns", "flows")
FILES_ALONE = frozenset({tables.SECTION, databases.SECTION})
"""The sections that are files of their own and are never written in YAML."""
ENTRIES = {sites.SECTION: "sites are not written here: each site has a file of its own, sites/siteNN/site.yaml"}
"""The sections with a YAML file for each entry, and the error text for an entry that is written elsewhere."""
INSTEAD = {
    "main.cf": 'reconciler writes main.cf; put its values under "parameters:" in mail.yaml',
    "master.cf": 'reconciler writes master.cf; use "services:" in mail.yaml, or master.d/NAME.cf',
}
_BY_PARAMETER = {
    name: known
    for known, parameter in tables.WIRED.items()
    for name in (parameter, parameter.removesuffix("_maps"), known.removesuffix("s"), f"{known}s")
    if name not in tables.WIRED
}
_NAMED_FILES = {
    "flows": (re.compile(r"[^/]+\.yaml"), "yaml"),
    "dns": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.zone\.j2"), "zone.j2"),
}
_TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,199}\Z")
_NAMED = re.compile(r"(?<=[:/])[\w-]+", re.ASCII)
_LIKE_POSTFIX = frozenset({"postfix", "etc", "etc/postfix", "conf", "config"})
_PAPERS = frozenset({"md", "txt", "rst", "html", "pdf"})
_PROSE = frozenset({"doc", "docs"})
_NOTICES = frozenset({"AUTHORS", "CHANGELOG", "CODEOWNERS", "CONTRIBUTING", "COPYING", "LICENCE", "LICENSE", "NOTICE"})
_WORDS = re.compile(r"[\w-]+", re.ASCII)
_COMPILED = frozenset({".db", ".dir", ".pag"})  # NAME.lmdb is the source of a table of that type
LEFTOVER = re.compile(r"\.(?:db|dir|pag|bak|old|orig|rej|save|swp|tmp|dpkg-\w+|rpm\w+|ucf-\w+)\Z|~\Z|^#.*#\Z", re.ASCII)
PASSWORDS = re.compile(r"(?:sasl_pass.*|(?:.*[_-])?passwd|smtp_auth.*|.*password_maps)\Z", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"hosts/([^/]+)\.ya?ml")
_SITE = re.compile(rf"sites/({site_files.NAME.pattern})/site\.yaml")
_SITE_FILE = re.compile(rf"sites/(?P<site>{site_files.NAME.pattern})/tables/(?P<table>[^/]+)")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.age")
_NO_KEY = frozenset(one.encode() for one in (*SPACE, "#"))
"""How a text begins that does not begin with the key of a row."""
_AGE = (b"age-encryption.org/v1", b"-----BEGIN AGE ENCRYPTED FILE-----")


def misplaced(files: Tree, host: str) -> Iterator[Finding]:
    """Yield a finding for each file that nothing reads or deploys, and one for a folder of them."""
    hosts: dict[str, str] = {}
    unread: dict[str, list[str]] = {}
    root = misnamed_root(files)
    for path in sorted(files):
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
    return top in _PROSE or _is_prose(name) or name.partition(".")[0].upper() in _NOTICES or _suffix(name) in _PAPERS


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _misnamed(path: str, folder: str, name: str) -> Iterator[Finding]:
    form, suffix = _NAMED_FILES[folder]
    if not form.fullmatch(name) and not _is_prose(name):
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


def _is_prose(name: str) -> bool:
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
    if _is_prose(name):
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
        if not _is_prose(path):
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
    if _is_prose(rest) or _SITE_FILE.fullmatch(path) or entry_of(path):
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


def entry_of(path: str) -> tuple[str, str] | None:
    """Return the section and key whose value is a whole file, as sites.site12 for sites/site12/site.yaml, or None."""
    match = _SITE.fullmatch(path)
    return (sites.SECTION, match[1]) if match else None


def folders(files: Tree) -> dict[type, object]:
    """Return the sections that are folders of files in a form of their own."""
    return {Templates: read_templates(files)}


def host_in(path: str) -> str | None:
    """Return the name of the host that a file is for, or None."""
    match = _HOST.fullmatch(path)
    return match[1] if match else None


# ---- tables ---------------------------------------------------------------------------------------------------------


def read_tables(files: Tree, findings: list[Finding], budget: Budget) -> Iterator[AnyTable]:
    """Yield the tables of a commit with the entries of sites; append errors in their names to *findings*.

    A table on a server is described only.

    Raises InvalidSource for more lines than the budget has room for.
    """
    pieces_by_table: dict[str, list[tuple[str, str]]] = {}
    for path, name in _sources(files):
        base, _, suffix = name.partition(".")
        others = pieces_by_table.get(base, [])
        if problem := _bad_table(name, base, suffix):
            findings.append(_error(problem[0], path, problem[1], name))
        # Sites may add to a table of the same file name; a second file in tables/ may not.
        elif others and (others[0][1] != name or path.startswith("tables/")):
            text = (
                f"duplicate table {base}: {others[0][0]} is its source already, and both would become"
                f" $config_directory/{base}"
            )
            findings.append(error_at("ambiguous-table", Where(path), text, base, Where(others[0][0])))
        else:
            pieces_by_table.setdefault(base, []).append((path, name))
    for base, parts in pieces_by_table.items():
        kind = tables.type_of(base, parts[0][1].partition(".")[2])
        compiler = "" if kind in TEXT_TYPES else "postalias" if base == "aliases" else "postmap"
        for path, _ in parts:
            budget.take_lines(table_memory.lines_of(files[path]), Where(path))
        if kind in CLIENTS:
            yield from _described(base, kind, [(path, files[path].read()) for path, _ in parts], findings)
            continue
        source, pieces = _source([path for path, _ in parts], files, findings)
        yield Table(name=base, type=kind, source=source, file=parts[0][0], compiler=compiler, pieces=pieces)


def _source(
    paths: list[str], files: Tree, findings: list[Finding]
) -> tuple[bytes | Unread, tuple[tuple[int, str], ...]]:
    """Return the source of a table that these files make, and the first line of each piece if there are several."""
    if len(paths) == 1:
        return table_memory.source_of(files[paths[0]]), ()
    texts = [(path, files[path].read()) for path in paths]
    findings += _continuing(texts)
    return _joined(texts)


def _described(name: str, kind: str, texts: list[tuple[str, bytes]], findings: list[Finding]) -> Iterator[Definition]:
    """Yield the description of a table on a server, which is one file of tables/."""
    for path, text in texts:
        if path.startswith("tables/"):
            yield Definition(name, kind, path, text)
        else:
            what = f"a site can't add to the table {name}: its rows are on a server; remove this file"
            findings.append(_error("invalid-table", path, what, path))


def _sources(files: Tree) -> Iterator[tuple[str, str]]:
    """Yield each table file with the table's file name: those of tables/ first, then those of sites by number."""
    for path in sorted(files):
        name = path.removeprefix("tables/")
        if name != path and not _is_prose(name):
            yield path, name
    matches = [match for path in files if (match := _SITE_FILE.fullmatch(path)) and not _is_prose(match["table"])]
    for match in sorted(matches, key=lambda match: (int(match["site"].removeprefix("site")), match["table"])):
        yield match[0], match["table"]


def _continuing(parts: list[tuple[str, bytes]]) -> Iterator[Finding]:
    """Yield an error for each piece that begins with a continuation line, which would extend the piece before."""
    for (before, _), (path, text) in pairwise(parts):
        if text[:1] not in _NO_KEY:
            continue  # as most of thousands
        lines = enumerate((line.decode("utf-8", "replace") for line in BytesIO(text)), 1)  # one at a time
        told = ((number, line, line.strip(SPACE)) for number, line in lines)
        first = next((one for one in told if one[2] and not one[2].startswith("#")), None)
        if first and first[1][0] in SPACE:
            what = (
                f'"{first[2]}" begins with blanks, so Postfix would read it as a continuation of the last line'
                f" of {before}; remove the blanks"
            )
            yield error_at("malformed-entry", Where(path, first[0]), what, path)


def _joined(parts: list[tuple[str, bytes]]) -> tuple[bytes, tuple[tuple[int, str], ...]]:
    """Join texts so that each begins on a line of its own; return the text, and the first line of each piece."""
    pieces, texts, line = [], [], 1
    for path, text in parts:
        whole = text if text.endswith(b"\n") or not text else text + b"\n"
        pieces.append((line, path))
        texts.append(whole)
        line += whole.count(b"\n")
    return b"".join(texts), tuple(pieces)


def file_of(name: str, kind: str) -> str | None:
    """Return the file of a commit for a table of the configuration directory, or None if it can't be in a commit."""
    file = name if tables.type_of(name, "") == kind else f"{name}.{kind}"
    return None if "." in name or _bad_table(file, *file.partition(".")[::2]) else f"tables/{file}"


@lru_cache(maxsize=1024)
def _bad_table(name: str, base: str, suffix: str) -> tuple[str, str] | None:
    known = (*COMPILED_TYPES, *TEXT_TYPES, *CLIENTS)
    if PASSWORDS.match(base) and suffix not in CLIENTS:
        text = (
            f"table {base} would store passwords in the history; use smart_host with password: !secret NAME,"
            " after `reconciler secret set NAME`"
        )
        return "plain-text-secret", text
    if leftover := LEFTOVER.search(name):
        if leftover[0] in _COMPILED:
            text = f'"{name}" is what postmap makes of a table; remove it, since reconciler compiles tables itself'
        else:
            text = (
                f'"{name}" looks like a copy that an editor or a person left; remove it, since git keeps old versions'
            )
        return "invalid-table", text
    if "/" in name:
        return "invalid-table", f'"{name}" can\'t be the name of a table: nothing reads folders here; move it up'
    if not _TABLE_NAME.match(base) or name in RESERVED_NAMES:
        return "invalid-table", f'"{name}" can\'t be the name of a table'
    if suffix in {"txt", "map", "maps", "cf", "conf", "table", "tbl", "list"}:
        return "invalid-table", f'unknown table type "{suffix}"; rename it to tables/{base}'
    if suffix and suffix not in known:
        return (
            "invalid-table",
            f'unknown table type "{suffix}"{did_you_mean(suffix, known) or "; known types are " + ", ".join(known)}',
        )
    return None


def unwired(commit_tables: Collection[AnyTable], values: Iterable[str]) -> Iterator[Finding]:
    """Yield a warning for each table that no value of any host refers to."""
    missing = sorted(tables.WIRED.keys() - {table.name for table in commit_tables})
    texts = list(values)
    named = {name for text in texts for name in _NAMED.findall(text)}
    mentioned = {name for text in texts for name in _WORDS.findall(text)}
    unknown = {name for text in texts for name in TABLE_REFERENCE.findall(text)} - {one.name for one in commit_tables}
    misspelt = {closest(name, [one.name for one in commit_tables]) for name in unknown}  # reported where they stand
    for table in commit_tables:
        if table.name in misspelt:
            continue
        if table.name in tables.WIRED or table.name in named:
            continue
        known = _BY_PARAMETER.get(table.name)
        if known and known not in missing:
            text = f"nothing uses table {table.name}; {tables.WIRED[known]} reads tables/{known}: did you mean that?"
            yield warning_at("unused-table", table.where, text, table.name)
        elif likely := known or closest(table.name, missing):
            text = f"nothing uses table {table.name}; did you mean {likely}, which is {tables.WIRED[likely]}?"
            yield warning_at("unused-table", table.where, text, table.name)
        elif table.name not in mentioned:
            text = f"nothing uses table {table.name}: no setting names table:{table.name}"
            yield warning_at("unused-table", table.where, text, table.name)


# ---- secrets --------------------------------------------------------------------------------------------------------


def unsealed(files: Tree, opened: Collection[str]) -> Iterator[Finding]:
    """Yield an error for each misnamed or unencrypted file in secrets/; those in *opened* were decrypted."""
    for path in sorted(files):
        name = path.removeprefix("secrets/")
        if name in {path, "recipients"} or name.rpartition("/")[2].startswith((".", "README")):
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
    "ambiguous-table": (
        "Two files are the source of the same table. Both would be compiled to the same name, and one of them "
        "would be lost. Keep one, or rename the other."
    ),
    "invalid-table": (
        "A file in tables/ has a name that no table can have. Names are letters, digits, - and _, and may end "
        "in a type: lmdb, hash, cdb, pcre, regexp, cidr, texthash, or the type of a table on a server, such as mysql. "
        "Rename the file."
    ),
    "unused-table": (
        "No setting names a table, so its entries have no effect. Its name may be a misspelling of one that reconciler "
        "wires itself, or a parameter with another value may take its place. Rename it to the well-known name, name it "
        "in a parameter as table:NAME, or remove it."
    ),
}
