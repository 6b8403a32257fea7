"""Prove that a commit with an offer means the same as without it: Postfix tells its own view of both.

Each is rendered into a stage, with copies of all other files, and Postfix's own programs read the stages: the value of
every parameter, the services in their order, their options, the rows of each table, and the other files. Equal is what
is equal but for what the offer names: tables of another type with the same rows, services that are left out, and
parameters that change.

Promises: nothing is changed outside of the stages; no row of a table is quoted. Raises OSError, and CommandFailed for a
program that hangs.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.programs import postconf, postmap
from reconciler.model import printable
from reconciler.model.ascii_text import split_lines, split_words
from reconciler.passes.proof import MOST, Line, compared, identity_of, last_of_each
from reconciler.postfix.levels import level_of
from reconciler.postfix.references import SUFFIXES
from reconciler.postfix.restrictions import LISTS
from reconciler.postfix.scopes import words
from reconciler.postfix.syntax import read_master, show_service
from reconciler.postfix.vocabulary import ServiceLimits
from reconciler.state.generations import Generations
from reconciler.state.manifest import compiled_name
from reconciler.state.others import walk
from reconciler.trees.render import MASTER, render

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.desired.offers.offer import Offer
    from reconciler.host.effects import Host
    from reconciler.model import Contribution, Facts, Parameter, Service, Tree

_QUESTIONS = (
    ("settings", "-x", "postconf -x, all parameters"), ("services", "-M", "postconf -M, in order"),
    ("options", "-P", "postconf -P"),
)  # fmt: skip
_OF_WORDS = {
    *LISTS, "local_header_rewrite_clients", "proxy_read_maps", "recipient_canonical_classes",
    "sender_canonical_classes",
}  # fmt: skip
_PROCESS = "process_id"  # another one in each process; debugger_command may name it
_OWN_DIRECTORY = re.compile(r"\$(?:config_directory\b|\{config_directory\})", re.ASCII)


class Rendered(NamedTuple):
    """A rendered commit, and the folder with it and all other files; *problem* if a table can't be compiled."""

    root: Path
    target: Tree
    origin: Contribution
    problem: str


class Stages:
    """The stages of one proof after another, in a folder that the caller removes."""

    def __init__(self, directory: Path, scratch: Path, host: Host, facts: Facts) -> None:
        self.host, self.facts = host, facts
        self.home = facts.directory
        self._generations = Generations(scratch, directory, host, scratch / "backup")

    def of(self, name: str, origin: Contribution, templates: Mapping[str, str]) -> Rendered:
        """Return the stage of a commit."""
        target = render(origin, templates)
        root = self._generations.stage(target, name, time.time() - postconf.AGE).root
        tables = [table for table in origin.tables.values() if table.compiler]
        complaints = postmap.compile_tables(self.host, root, tables)
        return Rendered(root, target, origin, "; ".join(printable(one.text) for one in complaints[:MOST]))

    def prove(self, offer: Offer, before: Rendered, after: Rendered) -> Iterator[Line]:
        """Yield a line for each comparison."""
        unnamed = ServiceLimits(before.origin.index).keys() ^ ServiceLimits(after.origin.index).keys()
        for what, option, how in _QUESTIONS:
            apart = offer.gone | offer.added if option != "-x" else offer.changed | unnamed | {_PROCESS}
            apart |= offer.restated | offer.replaced.keys() if option == "-P" else frozenset()
            old = [_with_blanks(_with_new_names(line, offer, option)) for line in self._said(before, option, apart)]
            new = [*map(_with_blanks, self._said(after, option, apart))]
            yield compared(what, _in_order(old, option, offer), _in_order(new, option, offer), how)
        if offer.restated:
            yield self._effects(offer, before, after, unnamed)
        yield self._rows(offer, before, after)
        yield _others(offer, before, after)

    def _said(self, staged: Rendered, option: str, apart: Collection[str]) -> list[str]:
        """Return the lines that Postfix says, without those about what is *apart*."""
        lines = self._asked(staged.root, option)
        if option == "-x":
            unexpanded = [line for line in self._asked(staged.root) if _PROCESS in line]
            known = {_subject(line, option): line for line in unexpanded}
            lines = [known.get(_subject(line, option), line) for line in lines]
        elif option == "-M":
            lines = [_with_chroot(line, self._level(staged)) for line in last_of_each(lines)]
        return [line for line in lines if _subject(line, option) not in apart]

    def _effects(self, offer: Offer, before: Rendered, after: Rendered, unnamed: Collection[str]) -> Line:
        """Compare what every parameter means in each service that has other options now."""
        apart = {*offer.changed, *offer.adjusted, *unnamed, _PROCESS}
        former = {new: old for old, new in offer.replaced.items()}
        old, new = list[str](), list[str]()
        for key in sorted(offer.restated):
            found = self._within(before, former.get(key, key), apart)
            old += [f"{key}: {_with_blanks(_with_new_names(line, offer, '-x'))}" for line in found]
            new += [f"{key}: {_with_blanks(line)}" for line in self._within(after, key, apart)]
        return compared("effects", old, new, "postconf -x, with the options of each service")

    def _within(self, staged: Rendered, key: str, apart: Collection[str]) -> list[str]:
        """Return what Postfix says of every parameter with the options of a service."""
        options = [
            word
            for service in staged.origin.entries
            if service.key == key
            for option in service.overrides
            for word in ("-o", f"{option.name}={option.value}")
        ]
        lines = self._asked(staged.root, "-x", *options)
        return [line for line in lines if _subject(line, "-x") not in apart]

    def _asked(self, root: Path, *options: str) -> list[str]:
        """Return the lines of ``postconf``, in which the stage has the name of the configuration directory."""
        said = self.host.run(("postconf", "-c", str(root), *options)).checked().stdout
        return split_lines(_OWN_DIRECTORY.sub(self.home, said.replace(str(root), self.home)))

    def _level(self, staged: Rendered) -> str:
        return level_of(staged.origin, self.facts)

    def _rows(self, offer: Offer, before: Rendered, after: Rendered) -> Line:
        """Compare the rows of all tables, also of those that get another name."""
        common = {*self._compiled(before)} & {*self._compiled(after)}
        pairs: dict[str, tuple[str, ...]] = {name: (name,) for name in common}
        files = {old: (new,) for old, new in offer.renamed.items() if old.partition(":")[0] in SUFFIXES}
        pairs |= files | dict(offer.split)
        equal, total, told = 0, 0, list[str]()
        for old_name, new_names in sorted(pairs.items()):
            old = Counter(_with_new_services(row, offer) for row in self._rows_of(before, old_name))
            new = Counter(row for name in new_names for row in self._rows_of(after, name))
            total, equal = total + old.total(), equal + (old & new).total()
            if count := (old - new).total() + (new - old).total():
                told.append(f"table {printable(old_name.rpartition('/')[2])}: {count} rows differ")
        return Line("rows", equal, total, "postmap -s", tuple(told[:MOST]))

    def _rows_of(self, staged: Rendered, name: str) -> list[str]:
        return postmap.rows(self.host, name.replace(f":{self.home}/", f":{staged.root}/", 1))

    def _compiled(self, staged: Rendered) -> Iterator[str]:
        """Yield the name of each table that has a map."""
        for path, file in staged.target.items():
            if file.compiled:
                yield f"{file.compiled.partition(' ')[2]}:{self.home}/{path}"


def _with_new_names(line: str, offer: Offer, option: str) -> str:
    """Return a line with the new names of tables, and of the service that it is about."""
    lists = {old: ", ".join(new) for old, new in offer.split.items()}
    for old, new in {**offer.renamed, **lists}.items():
        line = re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w./-])", new, line, flags=re.ASCII)
    if option == "-M" and (new_key := offer.replaced.get(_subject(line, option))):
        line = " ".join([new_key.partition("/")[0], *split_words(line)[1:]])
    return line


def _with_new_services(row: str, offer: Offer) -> str:
    """Return a row of a table that is split, with the new name of the service that it is about."""
    key, tab, value = row.partition("\t")
    for old, new in offer.replaced.items():
        if value == f"{old.partition('/')[0]}:":
            return f"{key}{tab}{new.partition('/')[0]}:"
    return row


def _with_chroot(service: str, level: str) -> str:
    """Return a service with what ``-`` means for chroot at that level."""
    words = split_words(service)
    if words[4:5] == ["-"]:
        words[4] = "y" if re.match(r"0*(?:\.|\Z)", level, re.ASCII) else "n"
    return " ".join(words)


def _in_order(lines: list[str], option: str, offer: Offer) -> list[str]:
    """Return the lines about moved services in one form, below the others."""
    if option == "-x" or not offer.moved:
        return lines
    apart = [line for line in lines if _subject(line, option) in offer.moved]
    forms = (_in_one_form(line, option, offer) for line in apart)
    return [line for line in lines if line not in apart] + sorted(filter(None, forms))


def _in_one_form(line: str, option: str, offer: Offer) -> str:
    """Return a service as it is written in any order of its options, or one of them; without those that may differ."""
    name = _subject(line, option).partition("/")[0]
    line = re.sub(r"\$(?:service_name\b|\{service_name\})", name, line, flags=re.ASCII)
    if option == "-P":
        return "" if line.partition(" ")[0].rpartition("/")[2] in offer.changed else line
    services, _ = read_master(line, MASTER)
    kept = (replace(one, overrides=tuple(_alike(one, offer))) for one in services)
    return "".join(show_service(replace(one, overrides=tuple(sorted(one.overrides, key=_name_of)))) for one in kept)


def _alike(service: Service, offer: Offer) -> Iterator[Parameter]:
    """Yield the options that are to be the same."""
    if service.key not in offer.restated:
        yield from (option for option in service.overrides if option.name not in offer.changed)


def _with_blanks(line: str) -> str:
    """Return a line of ``postconf``, in which the words of some lists have blanks between them."""
    name, equals, value = line.partition(" =")
    return f"{name}{equals} {' '.join(words(value))}" if name in _OF_WORDS else line


def _name_of(option: Parameter) -> str:
    return option.name


def _subject(line: str, option: str) -> str:
    """Return the parameter that a line of ``postconf`` is about, or the service as NAME/TYPE."""
    words = split_words(line)
    if option == "-x":
        return "".join(words[:1])
    return "/".join(words[:2]) if option == "-M" else "/".join("".join(words[:1]).split("/")[:2])


def _others(offer: Offer, before: Rendered, after: Rendered) -> Line:
    """Compare every file but main.cf, master.cf, maps, and the source of a table of secrets that is written anew."""
    split = {_file(name) for old, new in offer.split.items() for name in (old, *new)}
    named = {_file(name) for pair in offer.renamed.items() for name in pair} | split
    maps = {name + suffix for name in named for suffixes in SUFFIXES.values() for suffix in suffixes if suffix}
    maps |= {compiled_name(path, file) for one in (before, after) for path, file in one.target.items()}
    apart = {postconf.MAIN, MASTER, *maps, *split, *(named if offer.secret else ())}
    old, new = (
        {path: identity_of(one.root, path) for path in walk(one.root) if path not in apart} for one in (before, after)
    )
    told = [f"file {printable(path)}" for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    equal = sum(1 for path in old if old[path] == new.get(path))
    return Line("files", equal, len(old), "bytes, mode and owner of all others", tuple(told[:MOST]))


def _file(table: str) -> str:
    """Return the file of a table ``TYPE:PATH``."""
    return Path(table.partition(":")[2]).name
