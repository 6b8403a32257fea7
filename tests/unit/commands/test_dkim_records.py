"""The DKIM records to publish."""

from __future__ import annotations

import json

from reconciler.commands.dkim_records import dkim_records
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.host.pem import public_half
from reconciler.model import Desired, File, Secret
from tests.unit.desired_states import HEALTHY
from tests.unit.dkim_keys import KEY as PEM
from tests.unit.host_facts import HOST

SEALED = File.of(b"age-encryption.org/v1\n")


def state(section: str, key: str = PEM, **parameters: str) -> Desired:
    shared = json.dumps({"hostname": "mx.test.example", "parameters": HEALTHY | parameters})[1:-1]
    text = f'{{{shared}, "dkim":\n{section}}}\n'
    files = {"mail.yaml": text.encode(), "tables/virtual": b"info@v.example  root@mx.test.example\n"}
    sealed = {path: File.of(content) for path, content in files.items()} | {"secrets/k.age": SEALED}
    return load(sealed, HOST.host, {"k": Secret("k", key)})


SIGNING = "{selector: s1, key: !secret k}"


def rendered(section: str) -> dict[str, File]:
    return dict(compose(state(section), HOST).companions["rspamd"].files)


def test_keys_that_do_not_sign_are_published_and_stay_off_the_host() -> None:
    more = "since: 2026-11-23T10:00:00Z, key: !secret k}"
    section = f"{{selector: s1, key: !secret k, next: {{selector: s2, {more}, previous: {{selector: s0, {more}}}"
    assert rendered(section) == rendered(SIGNING)
    assert sorted(dkim_records(state(section))) == ["s0", "s1", "s2"]


def test_a_record_is_the_public_half_in_strings_that_dns_can_hold() -> None:
    (record,) = dkim_records(state(SIGNING)).values()
    strings = record[1:-1].split('" "')
    assert "".join(strings) == f"v=DKIM1; k=rsa; p={public_half(PEM)}"
    assert max(map(len, strings)) <= 255
    assert dkim_records(state("{enabled: no, selector: s1, key: !secret k}")) == {}
