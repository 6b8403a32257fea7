"""Which delivery agents the routes of a configuration lead to."""

from __future__ import annotations

import pytest

from reconciler.features import compose
from reconciler.postfix.named_transports import unreached_agents
from reconciler.postfix.reached import asks_elsewhere
from reconciler.postfix.scopes import Scope
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST


@pytest.mark.parametrize(
    ("parameters", "transport", "unreached"),
    [
        ({}, "", set()),
        ({"virtual_mailbox_domains": "m.example"}, "", set()),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:/x"}, "", {"virtual"}),
        ({"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:/x"}, "a.example virtual:", set()),
        ({"local_transport": "error:no"}, "", {"local"}),
        ({"local_transport": "error:no", "mailbox_transport": "virtual"}, "", {"local"}),
        ({"local_transport": "error:no", "content_filter": "local:"}, "", set()),
        ({"local_transport": "error:no"}, "local.example smtp:[local.example]", {"local"}),
        ({"local_transport": "error:no", "transport_maps": "ldap:/etc/x.cf"}, "", set()),
    ],
)
def test_an_agent_is_reached_by_a_route_that_names_it(
    parameters: dict[str, str], transport: str, unreached: set[str]
) -> None:
    state = desired(parameters, {"tables/transport": f"{transport}\n"} if transport else {})
    assert unreached_agents(compose(state, HOST), HOST) == unreached


def test_a_table_outside_the_commit_may_answer_with_any_transport() -> None:
    merged = compose(desired({"transport_maps": "ldap:/etc/x.cf"}), HOST)
    assert asks_elsewhere(Scope(merged, HOST))
    assert not asks_elsewhere(Scope(compose(desired(), HOST), HOST))
