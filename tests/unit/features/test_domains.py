"""Mail domains that the repository names literally."""

from __future__ import annotations

from reconciler.features.composition import compose
from reconciler.features.dns.changes import RRset
from reconciler.features.domains import mail_domains
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


def test_mail_domains_are_those_that_the_repository_says_literally() -> None:
    files = {"tables/relay_domains": "r.example OK\n.sub.example OK\n", "tables/box": "x@b.example x\nb.example OK\n"}
    state = desired({"virtual_mailbox_domains": "table:box, pcre:/etc/x"}, files)
    found = mail_domains(Scope(compose(state, HOST), HOST))
    assert found == {"b.example", "mx.test.example", "r.example", "v.example"}


def found(ttl: int, *data: str) -> RRset:
    """A set as a server has it."""
    return RRset(ttl, {one: one for one in data})
