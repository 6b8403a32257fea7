"""The explanations of all rules: each name that a finding can have, with a few sentences for the reader of a finding.

Most explanations are in the files of their rules. This module collects them, and holds the explanations for the stages
that act on the host. A test checks that every name in use is explained, and no other. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired import (
    allowances,
    budget,
    deployed,
    flows,
    layout,
    lint,
    load,
    master_d,
    move_in,
    schema_errors,
    table_files,
    text_faults,
    yaml_reader,
)
from reconciler.postfix import syntax, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPLAINED = {
    "bounce-template": (
        "bounce(8) can't use a template of the file that bounce_template_file names. After a warning it sends its own "
        "text instead; after an error it would send no bounce at all, and senders would not learn that their mail was "
        "not delivered. `postconf -b FILE` shows what becomes of a file, and bounce(5) describes its form."
    ),
    "file-in-the-way": (
        "In Postfix's folder, something has the place of a file of files/ or of a table: a link, a folder, or what "
        "another user may change. reconciler writes nothing through a link, takes nothing from another user, and "
        "removes no folder with files that are not its own. Move it away, or give the file of the commit another name. "
        "A link of a file of files/ needs a folder that is there, and that only root may change, as all above it. "
        "reconciler checks this again at every pass."
    ),
    "internal-error": (
        "reconciler itself has a bug, and this input meets it; no commit is to blame, and nothing that was live "
        "changed. A push is rejected; a commit that is on the branch already is tried again with growing pauses, and a "
        "later one without that input goes live. Report the bug to the maintainers with the finding, the version "
        "(`reconciler --version`) and the traceback. The daemon's log has the traceback (`journalctl -u reconciler`), "
        "and a command prints it if RECONCILER_DEBUG is set. It can quote your configuration, so remove what is "
        "confidential first."
    ),
    "activation": (
        "Postfix could not be reloaded or started with the new configuration. The generation before it was restored. "
        "The finding quotes the program's error; `reconciler log` and the mail log have more details."
    ),
    "silent-companion": (
        "A companion that the configuration needs did not start, or does not do its work. If the commit changed the "
        "companion, the generation before was restored. The finding quotes the companion's last message; "
        "`reconciler status` shows its present state."
    ),
    "companion-in-use": (
        "The configuration no longer needs a companion, but an SMTP session that began earlier still uses it. The "
        "companion keeps running, so that Postfix does not refuse that session's mail. A later pass stops it."
    ),
    "stopped-meanwhile": (
        "An administrator stopped Postfix while reconciler verified a new configuration. reconciler leaves Postfix "
        "stopped, because that was intended. Start Postfix again, and the next pass continues."
    ),
    "master-died": (
        "Postfix's master ended after the new configuration was activated. Where the mail log had no reason, Postfix "
        "was started and verified once more, because something else may have ended it. The generation before it was "
        "restored, and Postfix was started again. The usual reasons are an address or a port. The commit is not tried "
        "again until the branch moves or an operator runs `reconciler once REV`."
    ),
    "fatal-in-log": (
        "A program of Postfix ended with a fatal error after the new configuration was activated. The generation "
        "before it was restored. The finding quotes the log; fix the setting that it names."
    ),
    "service-fails": (
        "With the new configuration, a service does not answer as expected: it sends no greeting, or the TLS "
        "handshake fails. The generation before was restored. The mail log has the reason."
    ),
    "service-silent": (
        "A service of the new configuration does not answer on its address. The generation before was restored. "
        "See the mail log: usually the service's program ends as soon as a client connects. If it greets its client "
        "and hangs then, it waits for somebody else, such as a policy server that is dead."
    ),
    "mail-waits": (
        "A listener told a client to come back later, because the mail system has trouble: a table or a policy server "
        "can't be asked, a milter is down, or the queue has no room. Mail waits at its senders. If the listener took "
        "such mail before the commit, the generation before was restored. If it was so before, the commit stays, and "
        "the finding is a warning. The finding quotes the reply and what Postfix logged; fix what they name."
    ),
    "mail-refused": (
        "A listener took mail for a recipient before the commit, and refuses it now. The generation before was "
        "restored, unless the refusal is about the client that asked alone, or the listener now asks its clients to "
        "log in, or the next host does not know a recipient that no table lists; then it is a warning. See the list of "
        "restrictions that the reply is from. If the refusal is "
        'intended, push the change with the trailer "Confirm: refusals" in the commit\'s message.'
    ),
    "sendmail-fails": (
        "Programs of this host can't hand mail to Postfix, so that sendmail(1) and cron fail. The finding quotes "
        "postdrop(1). Usually the setgid bit of postdrop or the group of the queue's maildrop folder is wrong; "
        "`postfix set-permissions` restores both."
    ),
    "nothing-verified": (
        "After the swap, no listener took mail for any recipient that it was asked for, and none did before. So "
        "nothing says whether mail flows. That is right for a host that takes mail only of clients that log in, or "
        "of other addresses than its own; send a message to test the rest."
    ),
    "site-left-out": (
        "A site's part of the commit has an error. Everything else of the commit went live; the site stays as it was "
        "live, or out if it was not live. A push that brings such an error is rejected; this happens to a commit that "
        "came past the check, or when the host has changed. Correct the site's files and push: the correction goes "
        "live like any commit. An error of the moment, such as DNS, is tried again at every pass."
    ),
    "quarantined": (
        "The commit has a lasting error, or was rolled back. It is not tried again until the branch moves. Push a "
        "correction, or run `reconciler once REV` to try this commit again."
    ),
    "branch-rewound": (
        "The branch no longer contains the commit that is live, so applying the branch would undo accepted changes. "
        "Nothing changes until the branch contains that commit again, or until an operator runs `reconciler once REV` "
        "to accept the branch as it is."
    ),
    "branch-deleted": (
        "The watched branch does not exist. The live generation stays. Push the branch again, or name another one in "
        "/etc/reconciler.toml."
    ),
    "postconf": (
        "Postfix's own postconf reported a fault in the configuration before it went live; the finding quotes it. "
        "Such a report refuses the commit even if postconf exits with 0. Correct the line that the finding names."
    ),
    "postfix-check": (
        "Postfix's own check refuses a path or a permission of the configuration, or warns about it. Postfix "
        "would not start with it. Correct the parameter or the file that the finding names."
    ),
    "postmap": (
        "postmap reported a fault in a table; the finding quotes it. The fault is a malformed line, a duplicate, or a "
        "pattern that can't be read. An entry would be missing from the map, and a filter would fail open. Correct the "
        "line."
    ),
    "rspamd": (
        "rspamd can't read the files that were generated for it; the finding quotes its error. Nothing went live. "
        "Usually the files need another version of rspamd than the installed one; `rspamadm configtest` reports the "
        "same error."
    ),
    "postalias": (
        "postalias reported a fault in the table of aliases; the finding quotes it. An alias would be missing. "
        'Correct the line; an entry is "name: value".'
    ),
    "read-back": (
        "A compiled map does not contain the entries of its source. Nothing went live. Try again; if the error "
        "persists, check the disk and the database package."
    ),
    "broken-certificate": (
        "A certificate or key that Postfix uses has changed on disk and can't be used. Postfix was not reloaded, and"
        " its running processes keep the old one in memory, but processes that start from now on offer no TLS. Fix the"
        " files; reconciler notices the change without a push."
    ),
    "no-way-back": (
        "A commit on probation had to be rolled back, but no older generation is intact. The commit stays live, and"
        " reconciler does nothing more until an administrator acts. `reconciler rescue` restores the files from before"
        " adoption."
    ),
    "cause-in-traffic": (
        "While a commit was on probation, real mail met a fault that only the configuration can cause, or a service"
        " that it names, and that did not occur before. The generation before it is live again. The finding quotes the"
        " log; fix the setting that it names. A fault of another program, such as a milter or a database, counts only"
        " if it lasts."
    ),
    "turned-away": (
        "While a commit was on probation, half or more of the answers about recipients who had mail before it were"
        " refusals, bounces or delays, at least five, and at least twice the share from before. The generation before"
        " it is live again. The finding quotes the latest answer. Strangers, unknown users, block lists, greylisting,"
        " quotas and other servers do not count, nor do recipients whose entry the commit removes. If the change is"
        " meant, push it again and run `reconciler confirm`."
    ),
    "not-confirmed": (
        "confirm.mode is manual, and no operator ran `reconciler confirm` in time. The generation before is live again."
        " Push a new commit with the change, and confirm it."
    ),
    "left-alone": (
        "The commit changes something that was edited by hand and that an ignore rule of this host's settings leaves in"
        " place. The hand edit stays live until the rule expires. Remove the rule from drift.ignore if the commit"
        " should prevail."
    ),
    "queue-left-behind": (
        "The commit changes queue_directory while mail waits in the present queue. Postfix would read only the new "
        "queue, and that mail would stay undelivered without a word. Deliver it (`postqueue -f`) or delete it "
        "(`postsuper -d`); reconciler tries again with growing pauses, and the commit goes live once the queue is "
        "empty. As a warning: mail that a rollback or a rescue found in the newer queue could not be moved."
    ),
    "not-requeued": (
        "A transport was removed, and the mail that waited for it could not be requeued. No mail is lost: it takes its "
        "new route at its next delivery attempt. `postqueue -f` makes Postfix try all deferred mail at once."
    ),
    "not-rehearsed": (
        "The rehearsal of this commit failed by itself, or did not end in time. That is a problem of this host or of"
        " reconciler and no fault of the commit, but what was not rehearsed does not go live. reconciler tries again,"
        " with growing pauses. If a host can't hold rehearsals at all, set rehearsal.mode to off: check and verify"
        " remain."
    ),
    "rehearsal-exceeds": (
        "In a rehearsal, the programs that this configuration starts took more memory or more processes than all of"
        " Postfix needs. The rehearsal ended at once, and the host is not affected. Look for a command of master.cf, an"
        " alias, or debugger_command that starts itself again and again, or that writes without end."
    ),
    "master-fails": (
        "In a rehearsal, Postfix's master did not start with this configuration, or ended soon after. On the host, all "
        "mail would have stopped. The finding quotes its last messages; fix the setting that they name."
    ),
    "service-dies": (
        "In a rehearsal, a program of Postfix ended with a fatal error. On the live host, master would throttle it, "
        "and clients or mail would wait. The finding quotes its last messages; fix the setting that they name."
    ),
    "login-refused": (
        "In a rehearsal, a client that had logged in to a listener could not send mail to another host. On the live "
        "host, nobody could send mail there. The finding quotes the reply. Put permit_sasl_authenticated before what "
        "refuses, in each list of restrictions that holds for the listener."
    ),
    "login-as-another": (
        "In a rehearsal, a client that had logged in could send from an address to which smtpd_sender_login_maps gives "
        "another owner. Put reject_authenticated_sender_login_mismatch at the beginning of smtpd_sender_restrictions "
        "of that listener, before permit_mynetworks and permit_sasl_authenticated."
    ),
    "postscreen-refuses": (
        "In a rehearsal, postscreen passed no client on to an smtpd, not even one that came back. On the live host, no "
        "mail from outside would arrive. After the tests of postscreen_pipelining_enable, "
        "postscreen_non_smtp_command_enable and postscreen_bare_newline_enable, it needs postscreen_cache_map to know "
        "a client again; otherwise look at postscreen_access_list and the actions. It is a warning if a table decides, "
        "because other clients may be let in."
    ),
    "sendmail-refused": (
        "In a rehearsal, a program on the host could not send mail with sendmail(1), as cron does. The finding quotes "
        "the reason. It is a warning if sendmail took the message and no pickup service exists that takes it further."
    ),
    "recipient-refused": (
        "In a rehearsal, a stranger could send to none of the recipients that were taken from a table: Postfix knows "
        "them, but the domain is in no list of domains, or another table does not have them. Add the domain to "
        "mydestination, virtual_alias_domains, virtual_mailbox_domains or relay_domains."
    ),
    "no-mail-in": (
        "In a rehearsal no listener accepted and kept a message: each message was refused, discarded or put on hold. A "
        "list of restrictions rejects every client, a check of headers or bodies matches every message, or the limit "
        "for the size of a message is far too small. If a table or a server decides which clients may send, it may "
        "know clients that the rehearsal does not use, so this is a warning only. So is mail that is discarded or put "
        "on hold: a maintenance does that on purpose."
    ),
    "warning-in-rehearsal": (
        "In a rehearsal, a program of Postfix logged a warning. Most warnings mean that a setting does not take effect "
        "as it is written. Fix the setting, or leave it if it is intended."
    ),
    "listener-fails": (
        "In a rehearsal, a listener did not answer, closed the connection, or reported an error of the mail system. "
        "On the live host, its clients would get the same. The finding quotes the reply and the log."
    ),
    "starttls-not-offered": (
        "The configuration asks for TLS, but in a rehearsal the listener did not offer STARTTLS. Usually the "
        "certificate or its key can't be used. See the other warnings of the rehearsal."
    ),
    "auth-not-offered": (
        "The configuration asks for logins, but in a rehearsal the listener did not offer AUTH. Usually the SASL "
        "plugin is missing, or smtpd_sasl_security_options excludes every mechanism. Clients could not log in."
    ),
    "transport-fails": (
        "In a rehearsal, the queue manager could not pass mail to a transport. On the live host, mail for it would "
        "wait in the queue. The finding quotes the log; check the service of that name in master.cf."
    ),
    "too-many-files": (
        "The commit contains more files than reconciler reads. reconciler stopped reading it. Keep unrelated files in "
        "another repository."
    ),
    "symlink": (
        "The commit contains a symbolic link. reconciler does not follow links, because one could point to any file of "
        "this host. Commit the file itself."
    ),
    "submodule": (
        "The commit contains a submodule, whose files are not part of the commit. reconciler would not read them. "
        "Commit the files themselves."
    ),
    "unsafe-path": (
        "The commit contains an unsafe path: it is too long, or has control characters, or has dots that lead out of "
        "the tree. Nothing goes live from such a commit. Rename or remove the file."
    ),
    "file-too-large": (
        "The commit contains a file that is larger than reconciler reads. Move the data to a database, or split the "
        "table."
    ),
    "object-too-large": (
        "The commit itself, a tag or a list of files in it is larger than any that people write, such as a message of "
        "many megabytes. reconciler does not unpack it. Rewrite the commit, and push it again."
    ),
    "malformed-recipient": (
        "A line of secrets/recipients is not an age recipient, so secrets can't be encrypted for it. Write one age1..."
        " or ssh- key on each line, and comments after #."
    ),
    "secret-not-opened": (
        "This host's identity is gone, or can't decrypt a secret. Postfix would have no login. If the secret could be"
        " decrypted before, restore the identity: until then every commit that needs the secret is postponed, and what"
        " is live stays as it is. If the secret is new, encrypt it for this host: add its recipient to"
        " secrets/recipients, and run `reconciler secret set NAME`."
    ),
    "too-many-deletions": (
        "The commit removes more than 30 % of a table of ten entries or more. This is usually an "
        'accident. If it is intended, add the trailer "Confirm: deletions" to the commit\'s message.'
    ),
}
_SOURCES = (
    lint, allowances, budget, syntax, tables, yaml_reader, flows, load, master_d, schema_errors, layout, table_files,
    deployed, move_in, text_faults,
)  # fmt: skip


def explanations() -> Mapping[str, str]:
    """Return the explanation of every rule by its name, sorted by name."""
    gathered = dict(EXPLAINED)
    for source in _SOURCES:
        gathered |= source.EXPLAINED
    return dict(sorted(gathered.items()))
