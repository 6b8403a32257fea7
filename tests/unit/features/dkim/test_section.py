"""The section ``dkim``: what rspamd and Postfix get, and what is refused."""

from __future__ import annotations

import json

import pytest

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Desired, File, Finding, Listener, Secret, Severity
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import HEALTHY, linted
from tests.unit.dkim_keys import KEY as PEM
from tests.unit.host_facts import HOST, facts

SEALED = File.of(b"age-encryption.org/v1\n")


def state(section: str, key: str = PEM, **parameters: str) -> Desired:
    shared = json.dumps({"hostname": "mx.test.example", "parameters": HEALTHY | parameters})[1:-1]
    text = f'{{{shared}, "dkim":\n{section}}}\n'
    files = {"mail.yaml": text.encode(), "tables/virtual": b"info@v.example  root@mx.test.example\n"}
    sealed = {path: File.of(content) for path, content in files.items()} | {"secrets/k.age": SEALED}
    return load(sealed, HOST.host, {"k": Secret("k", key)})


def said(section: str, key: str = PEM, **parameters: str) -> list[str]:
    """What is refused or doubtful, by rule and place."""
    try:
        findings = linted(state(section, key, **parameters))
    except InvalidSource as error:
        findings = list(error.findings)
    return [f"{one.rule} {one}" for one in findings]


SIGNING = "{selector: s1, key: !secret k}"


def test_mail_is_handed_to_rspamd_from_smtpd_and_from_cleanup_and_waits_for_it() -> None:
    merged = compose(state(SIGNING), HOST)
    for name in ("smtpd_milters", "non_smtpd_milters"):
        assert merged.parameters[name].value == "{ inet:localhost:11332, default_action=tempfail }"
    opened = compose(state("{selector: s1, key: !secret k, default_action: accept}"), HOST)
    assert opened.parameters["smtpd_milters"].value.endswith("default_action=accept }")


@pytest.mark.parametrize("section", ["{enabled: no}", "{enabled: no, selector: s1, key: !secret k}"])
def test_off_leaves_no_trace(section: str) -> None:
    merged = compose(state(section), HOST)
    assert not {"smtpd_milters", "non_smtpd_milters"} & merged.parameters.keys()
    assert not merged.companions


def rendered(section: str) -> dict[str, File]:
    return dict(compose(state(section), HOST).companions["rspamd"].files)


BODY = "".join(PEM.splitlines()[1:-1])
ALL = """\
# Made from the desired state; what is edited here is put back.
enabled = true;
use_redis = false;
use_http_headers = false;
sign_authenticated = true;
sign_local = false;
sign_inbound = false;
sign_networks = ["127.0.0.0/8", "::1/128"];
signing_table = ["*@* all"];
key_table = ["all %:s1:KEY"];
"""


def test_rspamd_signs_with_the_domain_of_from_whatever_sender_and_login_are() -> None:
    files = rendered(SIGNING)
    file = files["override.d/dkim_signing.conf"]
    assert file.read().decode() == ALL.replace("KEY", BODY)
    assert (file.mode, file.owner) == (0o640, "root:_rspamd")
    assert set(files) == {"override.d/dkim_signing.conf", "override.d/options.inc", "rspamd.conf.local.override"}


def test_only_named_domains_are_signed_and_the_administrators_rspamd_keeps_its_own_files() -> None:
    more = "domains: [A.example, b.example.], networks: [10.0.0.0/8], only_sign: no"
    files = rendered(f"{{selector: s1, key: !secret k, {more}}}")
    (file,) = files.values()
    told = file.read().decode()
    assert 'signing_table = ["*@* %"];' in told
    assert f'key_table = ["a.example %:s1:{BODY}", "b.example %:s1:{BODY}"];' in told
    assert 'sign_networks = ["127.0.0.0/8", "::1/128", "10.0.0.0/8"];' in told


NEXT = "{{selector: s1, key: !secret k, next: {{selector: {}, key: !secret k, since: {}}}}}"
BAD = {
    "{}": "half-a-key mail.yaml:1",
    "{selector: s1}": "dkim: signing needs selector and key; key is missing",
    "{selector: s1, key: secret-text}": "plain-text-secret",
    "{selector: -s, key: !secret k}": 'malformed-selector mail.yaml:2:12: dkim.selector: not a selector: "-s"',
    "{selector: s1, key: !secret kk}": "missing-secret mail.yaml:2:21: there is no secrets/kk.age in this commit",
    "{selector: s1, key: !secret k, domains: [a@b.c]}": 'dkim.domains: not a domain: "a@b.c"',
    "{selector: s1, key: !secret k, domains: []}": "malformed-signing-domain",
    "{selector: s1, key: !secret k, networks: [10.0.0.1/8]}": "malformed-network",
    "{selector: s1, key: !secret k, ttl: 12}": "malformed-time mail.yaml:2:37: dkim.ttl: expected a time such as",
    "{selector: s1, key: !secret k, ttl: 8d}": "malformed-time",
    "{selector: s1, key: !secret k, only_sign: maybe}": "invalid-value",
    "{selector: s1, key: !secret k, default_action: acept}": "invalid-value",
    "{selectr: s1, key: !secret k}": 'unknown-key mail.yaml:2:2: unknown key "selectr" in dkim; did you mean selector?',
    NEXT.format("s1", "2026-11-23T10:00:00Z"): "duplicate-selector",
    NEXT.format("s2", "today"): "malformed-time",
    NEXT.format("s2", "9999-12-31T23:00:00Z"): "malformed-time",
}


@pytest.mark.parametrize(("section", "expected"), BAD.items())
def test_bad_input_is_refused_with_place_and_intent(section: str, expected: str) -> None:
    found = said(section)
    assert [one for one in found if expected in one], found


def test_a_secret_that_is_no_key_is_refused_and_not_shown() -> None:
    (told,) = [one for one in said(SIGNING, key="hunter2") if one.startswith("malformed-key")]
    assert "reconciler dkim new s1" in told
    assert "hunter2" not in told
    assert not [one for one in said(SIGNING) if one.startswith("malformed-key")]


def test_what_would_leave_unsigned_or_break_a_signature_is_told_of() -> None:
    found = said(SIGNING, smtpd_milters="inet:127.0.0.1:8891", smtp_generic_maps="inline:{a=b}")
    assert len([one for one in found if one.startswith(("unsigned-mail", "broken-signature"))]) == 2
    both = "inet:127.0.0.1:8891, inet:localhost:11332"
    assert not [one for one in said(SIGNING, smtpd_milters=both) if one.startswith("unsigned-mail")]
    (finding,) = [one for one in linted(state(SIGNING, non_smtpd_milters="")) if one.rule == "unsigned-mail"]
    assert finding.severity is Severity.WARNING


def test_a_stranger_where_rspamd_is_to_listen_is_refused_for_now() -> None:
    def on(program: str) -> list[Finding]:
        listening = facts(listeners=(Listener("127.0.0.1", 11332, program, ours=False),))
        return [one for one in linted(state(SIGNING), listening) if one.rule == "rspamd-port-taken"]

    (finding,) = on("python3")
    assert (finding.is_error, finding.lasting) == (True, False)
    assert not on("rspamd")
