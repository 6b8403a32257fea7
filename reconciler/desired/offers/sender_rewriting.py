"""Write PostSRSd's look-ups and settings as ``sender_rewriting``, with its secret sealed. Pure; raises nothing.

The rewriting itself stays: the domain, the secret, and the domains that are excluded. What the section does beside it
is to be confirmed: it excludes every domain that this host handles, and mail from sendmail(1).

Known limits: only PostSRSd 1 (Debian 12) with its own ports and one secret, and only if no other table changes
addresses in the same parameters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.offers.mail_text import before_parameters, without
from reconciler.desired.offers.master_text import WRITTEN_ANEW, is_outside_chroot
from reconciler.desired.offers.offer import MAIL, NotOffered, Offer
from reconciler.desired.yaml_editor import scalar
from reconciler.features import sender_rewriting as srs
from reconciler.features.domains import DOMAIN
from reconciler.model import Secret
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.postfix.scopes import Scope, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.desired.offers.offer import Ground

SECRET = "srs"  # noqa: S105 - its name
_LOOKUP = re.compile(r"tcp:(?:localhost|127\.0\.0\.1):([0-9]+)\Z", re.ASCII)
_NEWER = re.compile(r"socketmap:")
_SETTING = re.compile(r"([A-Z_]+)=(?:\"([^\"$`\\]*)\"|'([^']*)'|([^\s\"'$`\\;&|()<>]*))\s*(?:#.*)?\Z", re.ASCII)
_BETWEEN = re.compile(r"[\s,]+", re.ASCII)
_OWN, _EXCLUDED, _LENGTH = "SRS_DOMAIN", "SRS_EXCLUDE_DOMAINS", "SRS_HASHLENGTH"
_SHOWN = 5


def find(ground: Ground) -> Offer | NotOffered | None:
    """Offer the section."""
    main = Scope(ground.origin, ground.facts)
    asked = [word for name in srs.MAPS for word in main.words(name) if _LOOKUP.match(word) or _NEWER.match(word)]
    if not asked or ground.desired.section(srs.Schema) is not None:
        return None
    if ground.postsrsd is None:
        return NotOffered(f"the files of PostSRSd 1 on this host are not known, and {asked[0]} may be another program")
    settings = _settings(ground.postsrsd)
    if settings is None:
        return NotOffered("/etc/default/postsrsd has a line that is more than NAME=VALUE")
    if problem := _of_postfix(main, ground) or _of_postsrsd(settings) or _of_secret(ground):
        return NotOffered(problem)
    return _offer(main, settings, ground)


def _settings(text: str) -> Mapping[str, str] | None:
    """Return the settings of /etc/default/postsrsd; None if a shell would do more than set them."""
    found: dict[str, str] = {}
    for line in split_lines(text):
        if line.strip(SPACE) and not line.lstrip(SPACE).startswith("#"):
            match = _SETTING.match(line.strip(SPACE))
            if match is None:
                return None
            found[match[1]] = match[2] or match[3] or match[4] or ""
    return found


# ---- what the section can say ----------------------------------------------------------------------------------------


def _of_postfix(main: Scope, ground: Ground) -> str:
    """Return why the section can't say what Postfix has; empty if it can."""
    for name, port in zip(srs.MAPS, (srs.FORWARD, srs.REVERSE), strict=True):
        match = _LOOKUP.match(main.value(name).strip(SPACE))
        if not match or int(match[1]) != port:
            return f"{name} is {main.value(name) or 'empty'}, and the section asks PostSRSd alone, on port {port}"
        if ground.written(name) is None:
            return f"{name} is not a parameter of mail.yaml"
    for name, classes in srs.ADDRESSES.items():
        if {*main.words(name)} != {*words(classes)}:
            return f"{name} is {main.value(name)}, and the section has {classes}"
    if any(option.name in {*srs.MAPS, *srs.ADDRESSES} for one in ground.origin.entries for option in one.overrides):
        return "a service of master.cf has canonical maps of its own"
    return _of_cleanup(main, ground)


def _of_cleanup(main: Scope, ground: Ground) -> str:
    """Return why a cleanup service of its own would treat mail from sendmail(1) otherwise; empty if it would not."""
    cleanup = next((one for one in ground.origin.entries if one.key == "cleanup/unix"), None)
    if cleanup is None or main.value("cleanup_service_name") != "cleanup":
        return "there is no cleanup service of the usual name"
    if cleanup.overrides or cleanup.arguments:
        return "cleanup has options, which the section's cleanup for mail from sendmail(1) would lack"
    paths = (word.removeprefix("unix:") for word in main.words("non_smtpd_milters"))
    if not is_outside_chroot(cleanup, ground) and any(path.startswith("/") for path in paths):
        return "cleanup finds a Milter below its chroot, and the section's cleanup is in none"
    return ""


def _of_postsrsd(settings: Mapping[str, str]) -> str:
    """Return why the section can't say what PostSRSd has; empty if it can."""
    fixed = {**srs.FIXED, _LENGTH: settings.get(_LENGTH, "4")}
    defaults = {"RUN_AS": "", "CHROOT": "", _LENGTH: "4"}
    for name, value in fixed.items():
        if (has := settings.get(name, defaults.get(name, value))) != value:
            return f"PostSRSd has {name}={has}, and the section {value}"
    if fixed[_LENGTH] not in {"4", "5", "6", "7", "8"}:
        return f"PostSRSd has {_LENGTH}={fixed[_LENGTH]}, and the section 8"
    if more := sorted(name for name in settings.keys() - {*fixed, _OWN, _EXCLUDED} if settings[name]):
        return f"PostSRSd has {more[0]}, which the section can't say"
    if not DOMAIN.fullmatch(settings.get(_OWN, "")):
        return f"{_OWN} of /etc/default/postsrsd is {settings.get(_OWN) or 'not set'}, and not a domain in lower case"
    wrong = (name for name in _excluded(settings) if not DOMAIN.fullmatch(name.removeprefix(".")))
    return next((f"PostSRSd excludes {name}, which is not a domain in lower case" for name in wrong), "")


def _of_secret(ground: Ground) -> str:
    """Return why the secret can't be sealed for the section; empty if it can."""
    secrets = _secrets(ground)
    if ground.has_secret(SECRET):
        return f"the commit has a secret {SECRET} already"
    if len(secrets) != 1:
        return f"/etc/postsrsd.secret has {len(secrets)} secrets, and import seals one"
    is_good = re.fullmatch(r"[!-~]+", secrets[0]) and len(secrets[0]) >= srs.SHORTEST
    return "" if is_good else f"the secret of PostSRSd is shorter than {srs.SHORTEST} characters, or has blanks"


def _secrets(ground: Ground) -> list[str]:
    lines = split_lines(ground.srs_secrets.value) if ground.srs_secrets else []
    return [line for line in lines if line]


def _excluded(settings: Mapping[str, str]) -> list[str]:
    return [word for word in _BETWEEN.split(settings.get(_EXCLUDED, "")) if word]


# ---- the commit ------------------------------------------------------------------------------------------------------


def _offer(main: Scope, settings: Mapping[str, str], ground: Ground) -> Offer | NotOffered:
    names = [name for name in (*srs.MAPS, *srs.ADDRESSES) if name in ground.origin.parameters]
    shorter = without(ground.mail, names)
    if {*shorter.names} != {*names}:
        return NotOffered(f"{min({*names} - {*shorter.names})} can't be taken out of mail.yaml at its place")
    domain, excluded = settings[_OWN], _excluded(settings)
    known = {*srs.excluded(srs.Schema(domain=domain), main, ground.desired)}
    more = [name for name in dict.fromkeys(excluded) if name not in known]
    lines = [*shorter.comments, f"{srs.SECTION}:", f"  domain: {scalar(domain)}", f"  secrets: [!secret {SECRET}]"]
    lines += [f"  exclude: [{', '.join(map(scalar, more))}]"] * bool(more)
    pickup = next((one for one in ground.origin.entries if one.key == "pickup/unix"), None)
    is_apart = pickup is not None and not any(one.name == "cleanup_service_name" for one in pickup.overrides)
    new = sorted(name for name in known - {domain, *excluded} if not _is_below(name, excluded))
    return Offer(
        summary=f"write PostSRSd's settings as sender_rewriting ({domain})",
        files={MAIL: before_parameters(shorter.text, lines).encode()},
        secret=Secret(SECRET, _secrets(ground)[0]),
        renamed={main.value(name).strip(SPACE): lookup
                 for name, lookup in zip(srs.MAPS, srs.lookups(ground.facts), strict=True)},
        added=frozenset({f"{srs.SENDMAIL}/unix"} if is_apart else ()),
        moved=frozenset({"pickup/unix"} if is_apart else ()), restated=frozenset({"pickup/unix"} if is_apart else ()),
        adjusted=frozenset({"cleanup_service_name"} if is_apart else ()),
        confirm=tuple(_told(new, settings, ground, is_apart=is_apart)),
    )  # fmt: skip


def _is_below(name: str, excluded: list[str]) -> bool:
    return any(name.endswith(suffix) for suffix in excluded if suffix.startswith("."))


def _told(new: list[str], settings: Mapping[str, str], ground: Ground, *, is_apart: bool) -> Iterator[str]:
    """Yield what to confirm."""
    yield f"the secret is sealed in secrets/{SECRET}.age, and /etc/postsrsd.secret is written from it"
    yield "/etc/default/postsrsd is written anew, without its comments, and PostSRSd is started again"
    if new:
        shown = ", ".join(new[:_SHOWN]) + (f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else "")
        yield f"senders in {shown} are rewritten no longer, because this host handles their mail"
    if (length := settings.get(_LENGTH, "4")) != srs.FIXED[_LENGTH]:
        yield f"rewritten addresses have a hash of {srs.FIXED[_LENGTH]} characters instead of {length}; both stay valid"
    if is_apart:
        yield WRITTEN_ANEW
        yield "senders of mail from sendmail(1) are rewritten no longer"
        cleanup = next(one for one in ground.origin.entries if one.key == "cleanup/unix")
        if not is_outside_chroot(cleanup, ground):
            yield f"{srs.SENDMAIL}, which takes mail from sendmail(1), is in no chroot"
