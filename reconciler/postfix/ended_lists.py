"""The DNS lists that ended, each with the year and a public source. A value; raises nothing.

The name of a list also stands for what is below it. A list without a source is not here, however long nobody has heard
of it: some that look dead are in service. Lists that moved or became commercial are not here either.
"""

from __future__ import annotations

from typing import NamedTuple


class Ended(NamedTuple):
    """The year in which a list ended, or in which it is known to have ended, and who says so."""

    year: int
    source: str


ENDED = {
    "ahbl.org": Ended(2015, "https://github.com/chrislee35/dnsbl-client/pull/5"),
    "db.wpbl.info": Ended(2024, "https://github.com/killmasta93/tutorials/issues/3"),
    "dnsbl.burnt-tech.com": Ended(2015, "https://www.dnsbl.com/2015/09/status-of-dnsblburnt-techcom-dead.html"),
    "dnsbl.cyberlogic.net": Ended(2018, "https://github.com/matteocorti/check_rbl/issues/17"),
    "dnsbl.inps.de": Ended(2020, "https://github.com/dmippolitov/pydnsbl/pull/11"),
    "dnsbl.madavi.de": Ended(2025, "https://github.com/matteocorti/check_rbl/pull/63"),
    "dsbl.org": Ended(2008, "https://vamsoft.com/company/news/dsbl-shutdown"),
    "emailbasura.org": Ended(2019, "https://github.com/EvotecIT/PSBlackListChecker/issues/8"),
    "ix.dnsbl.manitu.net": Ended(2025, "https://github.com/rspamd/rspamd/issues/5299"),
    "lbl.lagengymnastik.dk": Ended(2004, "https://dnsbl.com/2007/02/status-of-lbllagengymnastikdk-dead.html"),
    "megarbl.net": Ended(2016, "https://github.com/gsauthof/utility/pull/1"),
    "njabl.org": Ended(2013, "https://github.com/ndrut/node-dnsbl/pull/1"),
    "orbs.org": Ended(2001, "https://www.dnsbl.com/2007/04/"),
    "ordb.org": Ended(2006, "https://nowhere.dk/articles/ordb_org_is_dead_and_gone"),
    "osirusoft.com": Ended(
        2003, "https://www.information-age.com/spammers-launch-major-denial-of-service-attack-23045"
    ),
    "rfc-clueless.org": Ended(2023, "http://rfc-clueless.org/"),
    "rfc-ignorant.org": Ended(2012, "http://rfc-clueless.org/"),
    "sorbs.net": Ended(2024, "https://github.com/mailcow/mailcow-dockerized/pull/5901"),
    "spam.abuse.ch": Ended(2019, "https://github.com/rspamd/rspamd/issues/2744"),
    "spam.dnsbl.anonmails.de": Ended(2024, "https://github.com/matteocorti/check_rbl/pull/60"),
    "spamcannibal.org": Ended(2019, "https://github.com/matteocorti/check_rbl/pull/27"),
    "spamtrap.drbl.drand.net": Ended(2024, "https://github.com/matteocorti/check_rbl/pull/53"),
    "tqmcube.com": Ended(2009, "http://www.dnsbl.com/2007_06_01_archive.html"),
    "virbl.dnsbl.bit.nl": Ended(2017, "https://github.com/dmippolitov/pydnsbl/issues/48"),
}
