"""Delivery services with addresses of their own become sites, with the rows that send mail there, and the comments."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.offer import NotOffered, Offer
from reconciler.desired.offers.sites import find
from reconciler.postfix.tables import Entries
from tests.unit.desired.offers.grounds import HEAD, after, ground, of_files, text
from tests.unit.host_facts import HOST

MAPS = "sender_dependent_default_transport_maps"
MAIL = f"{HEAD}  compatibility_level: 3.6\n  {MAPS}: hash:/etc/postfix/senders\n"
FIRST = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
SHOP = (
    "# a shop\nshop unix - - n - - smtp\n  -o syslog_name=postfix/shop -o smtp_bind_address=192.0.2.10\n"
    "  -o smtp_helo_name=shop.test\n"
)
BOOKS = (
    "site12-out unix - - n - - smtp -o syslog_name=postfix/site12-out -o smtp_bind_address6=2001:db8::10"
    " -o smtp_helo_name=books.test -o smtp_bind_address_enforce=yes -o inet_protocols=ipv6\n"
)
ROWS = "# who\n@shop.test  shop:\n@shop.example  shop:\n@books.test  site12-out:\nann@a.test  smtp:\n"
ENFORCED = "mail of site1-out waits if this host loses 192.0.2.10, and no longer leaves from another address"


def offered(mail: str = MAIL, master: str = FIRST + SHOP + BOOKS, rows: str = ROWS) -> Offer:
    offer = find(ground(mail, master, senders__hash=rows))
    assert isinstance(offer, Offer), offer
    return offer


def test_services_and_rows_become_sites() -> None:
    offer = offered()

    assert text(offer, "sites/site1/site.yaml") == (
        "# a shop\ndomains:\n  # who\n  - shop.test\n  - shop.example\n"
        "delivery: {address: 192.0.2.10, helo: shop.test}\n"
    )
    assert text(offer, "sites/site12/site.yaml") == (
        "domains: [books.test]\ndelivery: {address: 2001:db8::10, helo: books.test}\n"
    )
    assert text(offer, "tables/senders.hash") == "ann@a.test  smtp:\n"
    assert text(offer, "master.d/host.cf") == FIRST
    assert text(offer) == MAIL.replace("/senders\n", "/senders, table:site_transport\n")
    assert offer.replaced == {"shop/unix": "site1-out/unix", "site12-out/unix": "site12-out/unix"}
    assert offer.split == {
        "hash:/etc/postfix/senders": ("hash:/etc/postfix/senders", "lmdb:/etc/postfix/site_transport")
    }
    assert offer.confirm[1:] == (
        "mail that shop delivered is logged as postfix/site1-out", ENFORCED,
        "mail of site1-out leaves by IPv4 alone, because it has no address of the other family",
    )  # fmt: skip


@pytest.mark.parametrize("rows", [ROWS, ROWS.partition("ann@")[0] + "# who\n"])
def test_comments_of_the_table_in_latin_1_are_kept_as_utf_8(rows: str) -> None:
    content = rows.encode().replace(b"who", b"f\xfcr")
    files = {"mail.yaml": MAIL.encode(), "master.d/host.cf": (FIRST + SHOP + BOOKS).encode()}
    offer = find(of_files({**files, "tables/senders.hash": content}, HOST, None))

    assert isinstance(offer, Offer)
    assert text(offer, "sites/site1/site.yaml").count("# f\u00fcr\n") == rows.count("# who")


def test_every_domain_is_sent_by_the_service_that_took_the_place_of_its_own() -> None:
    before = ground(MAIL, FIRST + SHOP + BOOKS, senders__hash=ROWS)

    new = after(before, offered())

    rows = {one.key: one.value for name in ("senders", "site_transport") for one in Entries(new.tables[name])}
    assert rows == {
        "ann@a.test": "smtp:", "@shop.test": "site1-out:", "@shop.example": "site1-out:", "@books.test": "site12-out:",
    }  # fmt: skip
    options = {one.name: one.value for one in new.services["site1-out/unix"].overrides}  # type: ignore[union-attr]
    assert (options["smtp_bind_address"], options["smtp_helo_name"]) == ("192.0.2.10", "shop.test")
    assert new.parameters[MAPS].value == "hash:/etc/postfix/senders, lmdb:$config_directory/site_transport"


def test_a_table_without_other_rows_goes_and_its_comments_stay() -> None:
    rows = "# head\n\n@shop.test shop:\n# tail\n"

    offer = offered(MAIL, FIRST + SHOP, rows)
    explained = offered(MAIL.replace(f"  {MAPS}", f"  # why\n  {MAPS}"), FIRST + SHOP, rows)

    assert offer.files["tables/senders.hash"] is None
    assert text(offer, "sites/site1/site.yaml").startswith("# head\n# tail\n# a shop\ndomains: [shop.test]\n")
    assert text(offer) == f"{HEAD}  compatibility_level: 3.6\n"
    assert text(explained) == f"{HEAD}  compatibility_level: 3.6\n  # why\n  {MAPS}: table:site_transport\n"
    assert offer.confirm[-1] == "senders has no row left, and nothing reads it"


def test_a_table_that_is_wired_by_its_name_needs_no_setting() -> None:
    rows = ROWS.replace("site12-out:", "smtp:")

    offer = find(ground(f"{HEAD}  compatibility_level: 3.6\n", FIRST + SHOP, sender_transport=rows))

    assert isinstance(offer, Offer)
    assert text(offer) == f"{HEAD}  compatibility_level: 3.6\n"
    assert text(offer, "tables/sender_transport") == "@books.test  smtp:\nann@a.test  smtp:\n"


def test_a_helo_of_main_cf_is_written_out() -> None:
    offer = offered(f"{MAIL}  smtp_helo_name: out.test\n", FIRST + SHOP.replace("  -o smtp_helo_name=shop.test\n", ""),
                    rows="@shop.test shop:\n")  # fmt: skip

    assert "helo: out.test}" in text(offer, "sites/site1/site.yaml")
    assert (
        "site1-out says out.test in HELO, as main.cf has it now, and no longer follows main.cf there" in offer.confirm
    )


@pytest.mark.parametrize(
    ("mail", "master", "why"),
    [
        ("", SHOP.replace("helo_name", "helo_timeout"), "shop has smtp_helo_timeout, which a site can't say"),
        ("", SHOP.replace("- n - -", "- n - 5"), "shop has fields or arguments that a site can't say"),
        ("", SHOP.replace("192.0.2.10", "$x"), "shop leaves from what is no address"),
        ("", SHOP.replace("shop.test", "Shop"), "shop says Shop in HELO, which is no domain in lower case"),
        ("  shop_destination_rate_delay: 1s\n", SHOP, "main.cf has limits for shop, which a site can't say"),
        ("  sender_bcc_maps: hash:/etc/postfix/senders\n", SHOP, "sender_bcc_maps reads senders too"),
        (
            "  relay_transport: shop\n", SHOP,
            "something else may send mail to shop, such as a table that is not in the commit",
        ),
        (
            "  transport_maps: hash:/etc/mail/transport\n", SHOP,
            "something else may send mail to shop, such as a table that is not in the commit",
        ),
        (
            "", SHOP + "  -o smtp_bind_address6=::2 -o inet_protocols=ipv4\n",
            "shop has inet_protocols, which a site with two addresses can't say",
        ),
        (
            "", SHOP + BOOKS.replace("6=2001:db8::10", "=192.0.2.10"),
            "shop shares its address with another service, and each site has its own",
        ),
    ],
)  # fmt: skip
def test_what_a_site_can_not_say_stays_and_is_said_why(mail: str, master: str, why: str) -> None:
    assert find(ground(MAIL + mail, FIRST + master, senders__hash=ROWS)) == NotOffered(why)


def test_a_service_that_can_be_a_site_is_one_beside_others() -> None:
    offer = offered(MAIL, FIRST + SHOP.replace("- n - -", "- n - 5") + BOOKS)

    assert offer.replaced == {"site12-out/unix": "site12-out/unix"}
    assert "shop unix" in text(offer, "master.d/host.cf")
    assert "@shop.test  shop:" in text(offer, "tables/senders.hash")


def test_a_service_with_an_address_of_each_family_keeps_both() -> None:
    offer = offered(master=FIRST + SHOP + "  -o smtp_bind_address6=2001:db8::10 -o smtp_bind_address_enforce=yes\n")

    assert "{address: [192.0.2.10, 2001:db8::10], helo: shop.test}" in text(offer, "sites/site1/site.yaml")
    assert [line for line in offer.confirm if line.startswith("mail")] == [
        "mail that shop delivered is logged as postfix/site1-out"
    ]


def test_a_number_that_a_service_has_is_given_to_no_other() -> None:
    other = "site1-out unix - - n - - smtp\n"

    assert offered(MAIL, FIRST + SHOP + other).replaced == {"shop/unix": "site2-out/unix"}


def test_without_such_rows_there_is_nothing_to_say() -> None:
    assert find(ground(f"{HEAD}  biff: no\n", FIRST + SHOP)) is None
    assert find(ground(MAIL, FIRST + SHOP, senders__hash="@shop.test smtp:\n")) is None
    assert find(ground(MAIL, FIRST + SHOP, senders__hash="@shop.test shop:other.test\n")) is None
    assert find(ground(MAIL.replace("hash:", "texthash:"), FIRST + SHOP, senders__texthash=ROWS)) is None
