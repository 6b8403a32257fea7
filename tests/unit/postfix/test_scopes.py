"""What a setting is in main.cf and in one service: options over main.cf over Postfix's defaults, and lists of words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.features.composition import compose
from reconciler.model import Contribution, Parameter, Service, Severity, Where
from reconciler.postfix.macros import EndlessMacro
from reconciler.postfix.scopes import Scope, scopes, words
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = {"master.d/x.cf": "2525 inet n - n - - smtpd\n  -o smtpd_banner=$myhostname -o smtpd_tls_auth_only=yes\n"}


def both(parameters: dict[str, str]) -> tuple[Scope, Scope]:
    """main.cf, and the service at port 2525."""
    found = list(scopes(compose(desired(parameters, OPTIONS), HOST), HOST))
    return found[0], next(scope for scope in found if scope.service and scope.service.name == "2525")


def test_an_option_prevails_over_main_cf_and_main_cf_over_the_default() -> None:
    main, service = both({"smtpd_banner": "main", "mail_name": "mine"})

    assert (main.value("smtpd_banner"), service.value("smtpd_banner")) == ("main", "mx.test.example")
    assert service.value("mail_name") == "mine"
    assert (main.is_on("smtpd_tls_auth_only"), service.is_on("smtpd_tls_auth_only")) == (False, True)
    assert main.value("mail_spool_directory") == HOST.parameters["mail_spool_directory"]


def test_a_place_is_that_of_the_first_name_that_is_written() -> None:
    main, service = both({"relayhost": "[b.test]"})

    assert service.where("nosuch", "smtpd_banner").file == "master.d/x.cf"
    assert service.where("nosuch") == Where("master.d/x.cf", 1)
    assert main.where("nosuch") == Where("mail.yaml")


def test_the_folder_of_the_configuration_stays_as_it_is_written() -> None:
    main, _ = both({"header_checks": "regexp:$config_directory/h"})

    assert main.value("header_checks") == "regexp:$config_directory/h"


def test_what_can_not_be_expanded_is_empty_and_a_circle_is_endless() -> None:
    main, _ = both({"mail_name": "${", "luser_relay": "$luser_relay"})

    assert (main.value("mail_name"), main.expanded("${")) == ("", None)
    assert isinstance(main.failure("$luser_relay"), EndlessMacro)
    assert not isinstance(main.failure("${"), EndlessMacro)
    assert main.failure("$myhostname") is None


def test_a_finding_of_a_service_names_it() -> None:
    _, service = both({})
    parameter = service.parameter("smtpd_banner")
    assert parameter
    finding = service.finding("r", parameter, "wrong", "x")

    assert (finding.text, finding.subject) == ("service 2525/inet: wrong", "2525/inet smtpd_banner x")
    assert service.warning("r", parameter, "wrong", "x") == replace(finding, severity=Severity.WARNING)


def test_a_setting_that_holds_in_a_service_is_written_there_or_in_main_cf() -> None:
    main, service = both({"mynetworks": "127.0.0.0/8"})
    banner, networks = service.parameter("smtpd_banner"), service.parameter("mynetworks")
    assert banner
    assert networks

    assert service.place_of(banner) == service
    assert service.place_of(networks) == main.place_of(networks) == main


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        ("a, b\tc,,\n d", ["a", "b", "c", "d"]),
        ("{ a, b } c", ["{ a, b }", "c"]),
        ("check_x inline:{ {k = v, w} }", ["check_x", "inline:{ {k = v, w} }"]),
    ],
)
def test_a_list_is_split_at_commas_and_blanks_outside_of_braces(text: str, elements: list[str]) -> None:
    assert words(text) == elements


def test_the_options_of_a_service_are_looked_through_once() -> None:
    class Options(tuple[Parameter, ...]):
        __slots__ = ()
        looked = 0

        def __iter__(self) -> Iterator[Parameter]:
            Options.looked += 1
            return super().__iter__()

    options = Options(Parameter(f"a{number}", "x", Where("master.d/x.cf")) for number in range(9))
    service = Service(name="x", type="unix", command="smtp", overrides=options, where=Where("master.d/x.cf"))
    scope = Scope(Contribution(), HOST, service)
    before = Options.looked
    assert [scope.value(f"a{number}") for number in range(10)] == ["x"] * 9 + [""]
    assert Options.looked == before
