"""tls_server_sni_maps: every row can be read by smtpd(8), and its files are there.

postfix/sni.py says what a row is, and why our tables of them are text. Raises nothing.

Known limit: of tables outside the commit, and of inline: ones, no row is known.
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
    """Every row can be read by smtpd, and its files are there."""
    for scope, parameter, reference in sni.references(merged, facts):
        table = merged.tables.get(own_name(reference.name) or "")
        if table and table.compiler and table.type == reference.type:
            what = (
                f'{sni.PARAMETER}: "{reference}" is compiled, and holds the names of files where smtpd wants what is in'
                f" them: TLS would fail for every name in it; rename {table.file} to tables/{table.name}.texthash"
            )
            yield scope.finding("compiled-sni-map", parameter, what, table.name)
    for row in sni.rows(merged, facts):
        for path in row.files:
            if facts.files.get(path) is False or not path.startswith("/"):
                what = (
                    f'missing file "{path}": it is not there or can\'t be read; smtpd would skip the row, and show'
                    " another certificate"
                    if path.startswith("/")
                    else f'"{path}" is no absolute path; a row names the files of a key and its certificates'
                )
                yield row.finding("missing-file", what, path)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Whether the files that rows name are there."""
    return Mentioned(paths=sni.files(merged, facts))


PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "compiled-sni-map": (
        "A compiled table is asked for the certificate of a name. Such a map holds keys and certificates themselves, "
        "as `postmap -F` makes it, and this one holds the names of their files: TLS fails for every name in it. Call "
        "the file tables/NAME.texthash, or tables/sni; smtpd then reads the files by itself as it starts, and renewed "
        "certificates are taken over by a reload."
    ),
}
