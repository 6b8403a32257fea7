"""What each rule means: every name that a finding may have, with a few sentences for the person who met it.

The explanations stand beside their rules; this gathers them, and holds those of the stages that act, whose files are
about what they do. A test holds that the names explained are the names used. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired import allowances, flows, layout, lint, load, master_d, schema_errors, yaml_reader
from reconciler.postfix import syntax, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPLAINED = {
    "activation": (
        "Postfix could not be reloaded or started with the new configuration. What was live before was put back. "
        "The finding holds what the program said; `reconciler log` and the mail log say more."
    ),
    "silent-companion": (
        "A program beside Postfix that the configuration needs did not come up, or does not do what it is for. When "
        "the commit changed it, what was live before was put back. The finding says what it said last; `reconciler "
        "status` shows how it is now."
    ),
    "companion-in-use": (
        "A program beside Postfix is no longer wanted, and an SMTP session that began before still asks it. It is left "
        "running, so that this session's mail is not turned away, and a later pass stops it."
    ),
    "stopped-meanwhile": (
        "An administrator stopped Postfix while a new configuration was being verified. reconciler leaves it stopped, "
        "because that was intended. Start Postfix again, and the next pass goes on."
    ),
    "master-died": (
        "Postfix's master ended after the new configuration was activated. The generation before it was restored and "
        "Postfix started again. The mail log has the reason, mostly an address or a port; the commit is not tried "
        "again until the branch moves or `reconciler once REV`."
    ),
    "fatal-in-log": (
        "A program of Postfix ended with a fatal error after the new configuration was activated. What was live "
        "before was restored. The finding quotes the log; fix what it names."
    ),
    "service-fails": (
        "A service answers otherwise than it should with the new configuration: no greeting, or a TLS handshake "
        "that fails. What was live before was put back. Look at the mail log for the reason."
    ),
    "service-silent": (
        "A service of the new configuration does not answer on its address. What was live before was put back. "
        "Look at the mail log: mostly its program ends as soon as a client connects."
    ),
    "quarantined": (
        "The commit was refused for good, or rolled back. It is not tried again until the branch moves. Push a "
        "correction, or say `reconciler once REV` to try this very commit again."
    ),
    "branch-rewound": (
        "The branch no longer holds the commit that is live, so that applying it would undo what was accepted. "
        "Nothing changes until it does, or until `reconciler once REV` says that it was meant."
    ),
    "branch-deleted": (
        "The watched branch is not there. What is live stays. Push the branch again, or name another one in "
        "/etc/reconciler.toml."
    ),
    "postconf": (
        "Postfix's own postconf complained about the configuration before it went live, in the words of the "
        "finding. Its complaints are refused even where it exits with 0. Correct the line it names."
    ),
    "postfix-check": (
        "A path or permission of the configuration is one that Postfix's own check refuses, or warns of. Postfix "
        "would not start with it. Correct the parameter or the file that the finding names."
    ),
    "postmap": (
        "postmap complained about a table, in the words of the finding: an odd line, a duplicate, a pattern that "
        "can't be read. An entry would be missing from the map, and a filter would fail open. Correct the line."
    ),
    "rspamd": (
        "rspamd can't read the files that were made for it, in its own words. Nothing went live. Mostly a version of "
        "rspamd is meant that is not installed; `rspamadm configtest` says the same."
    ),
    "postalias": (
        "postalias complained about the table of aliases, in the words of the finding. An alias would be missing. "
        'Correct the line; an entry is "name: value".'
    ),
    "read-back": (
        "A compiled map does not hold what its source says. Nothing went live. Try again; if it stays so, look at "
        "the disk and at the database package."
    ),
    "broken-certificate": (
        "A certificate or key that Postfix uses has changed on disk and can't be used. Postfix was not reloaded and"
        " goes on with what it has in memory, but processes that start from now on offer no TLS. Fix the files; the"
        " change is noticed without a push."
    ),
    "no-way-back": (
        "A commit on probation was to be rolled back, and no older generation is intact. It stays live, and nothing"
        " more is done until an administrator acts. `reconciler rescue` restores the state from before adoption."
    ),
    "cause-in-traffic": (
        "While a commit was on probation, real mail met a fault that only the configuration can cause, and"
        " that was not there before. The generation before is live again. The finding quotes the log; fix what it"
        " names."
    ),
    "not-confirmed": (
        "confirm.mode is manual, and `reconciler confirm` was not run in time. The generation before is live again."
        " Push the commit anew, and confirm it."
    ),
    "left-alone": (
        "The commit changes something that an ignore rule of this host's settings leaves as it was edited by hand. The"
        " hand edit stays live until the rule ends. Remove the rule from drift.ignore if the commit should prevail."
    ),
    "not-requeued": (
        "A transport was removed, and the mail that waited for it could not be told to try again now. Nothing is lost: "
        "it takes its new route at its next attempt. `postqueue -f` has all deferred mail tried at once."
    ),
    "not-rehearsed": (
        "This host can't hold a rehearsal: its kernel refuses a mount or a network that one needs. Everything else was"
        " checked, and what goes live is verified and can be rolled back. Set rehearsal.mode to off to silence "
        "this warning."
    ),
    "master-fails": (
        "In a rehearsal, Postfix's master did not start with this configuration, or died soon after. On the "
        "host, all mail "
        "would have stopped. The finding quotes its last words; fix what they name."
    ),
    "service-dies": (
        "In a rehearsal, a program of Postfix ended with a fatal error. Live, master would throttle it, and clients or "
        "mail would wait. The finding quotes its last words; fix the setting that they name."
    ),
    "no-mail-in": (
        "In a rehearsal no listener accepted and kept a message: each one was refused, discarded or put "
        "on hold. A list of restrictions rejects every client, a check of headers or bodies matches every "
        "message, or the "
        "size that a message may have is far too small. Where a table or a server decides who is let in, it may know "
        "clients that a rehearsal does not, and this is a warning only."
    ),
    "warning-in-rehearsal": (
        "In a rehearsal, a program of Postfix logged a warning. Most warnings say that a setting is not in force as it "
        "is written. Fix it, or leave it if it is intended."
    ),
    "listener-fails": (
        "In a rehearsal, a listener did not answer, hung up, or answered that the mail system itself is in trouble. "
        "Live, its clients would get the same. The finding quotes the reply, and what the log said of it."
    ),
    "starttls-not-offered": (
        "The configuration asks for TLS, but in a rehearsal the listener did not offer STARTTLS. Mostly the "
        "certificate or its key can't be used. Look at the warnings beside this finding."
    ),
    "auth-not-offered": (
        "The configuration asks for logins, but in a rehearsal the listener did not offer AUTH. Mostly the SASL plugin "
        "is missing, or no mechanism is left by smtpd_sasl_security_options. Clients could not log in."
    ),
    "transport-fails": (
        "In a rehearsal, the queue manager could not hand mail to a transport. Live, mail for it would wait in the "
        "queue. The finding quotes the log; look at the service of that name in master.cf."
    ),
    "too-many-files": (
        "The commit holds more files than reconciler reads. It was not read any further. Keep other things in "
        "another repository."
    ),
    "symlink": (
        "The commit holds a symbolic link. Nothing follows it, for it could lead anywhere on this host. "
        "Commit the file itself."
    ),
    "submodule": (
        "The commit holds a submodule, whose files are not in it. Nothing would be read from there. "
        "Commit the files themselves."
    ),
    "unsafe-path": (
        "The commit holds a path that is no plain name: too long, or with control characters, or with dots that lead "
        "elsewhere. Nothing goes live from such a commit. Rename or remove it."
    ),
    "file-too-large": (
        "The commit holds a file that is larger than reconciler reads. Move the data to a database, or split the table."
    ),
    "malformed-recipient": (
        "A line of secrets/recipients is no age recipient. Secrets could not be encrypted to it. Write one age1..."
        " or ssh- key a line, and comments behind #."
    ),
    "secret-not-opened": (
        "A secret could not be opened with this host's identity. Postfix would have no login. Encrypt it again for"
        " this host: add its recipient to secrets/recipients, and say `reconciler secret set NAME`."
    ),
    "too-many-deletions": (
        "The commit removes more than 30 % of a table of ten entries or more. That is more often an accident than "
        'a wish. Write the trailer "Confirm: deletions" into the commit\'s message if it was meant.'
    ),
}
_SOURCES = (lint, allowances, syntax, tables, yaml_reader, flows, load, master_d, schema_errors, layout)


def explanations() -> Mapping[str, str]:
    """What every rule means, by its name, sorted."""
    gathered = dict(EXPLAINED)
    for source in _SOURCES:
        gathered |= source.EXPLAINED
    return dict(sorted(gathered.items()))
