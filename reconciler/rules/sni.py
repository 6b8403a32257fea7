"""smtpd(8) must be able to read each row of tls_server_sni_maps, and the files of the row must exist.

postfix/sni.py describes the rows, and explains why our tables of them are text. Raises nothing.

Known limit: the rules do not know the rows of tables outside the commit and of inline: tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Mentioned
from reconciler.postfix import sni
from reconciler.postfix.references import own_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that smtpd can read each row, and that its files exist."""
    for scope, parameter, reference in sni.references(merged, facts):
        table = merged.tables.get(own_name(reference.name, facts.directory) or "")
        if table and table.compiler and table.type == reference.type:
            what = (
                f'{sni.PARAMETER}: "{reference}" is compiled, and holds file names where smtpd expects the contents of'
                f" the files: TLS would fail for every name in it; rename {table.file} to tables/{table.name}.texthash"
            )
            yield scope.finding("compiled-sni-map", parameter, what, table.name)
    for row in sni.rows(merged, facts):
        for path in row.files:
            if facts.files.get(path) is False or not path.startswith("/"):
                what = (
                    f'missing file "{path}": it does not exist or can\'t be read; smtpd would skip the row, and show'
                    " another certificate"
                    if path.startswith("/")
                    else f'"{path}" is not an absolute path; a row names the files of a key and its certificates'
                )
                yield row.finding("missing-file", what, path)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the files of the rows."""
    return Mentioned(paths=sni.files(merged, facts))


PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "compiled-sni-map": (
        "smtpd looks up the certificate of a name in a compiled table. Such a table must hold the keys and "
        "certificates themselves, as `postmap -F` writes them, but this one holds the names of their files. TLS fails "
        "for every name in it. Name the file tables/NAME.texthash, or tables/sni. smtpd then reads the files when it "
        "starts, and a reload activates renewed certificates."
    ),
}
