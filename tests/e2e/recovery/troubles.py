"""The troubles of a host, as data: what each needs on a host that is well, how it begins, and how it ends.

``python -m tests.e2e.recovery.matrix`` makes each, tries every event beside it, and writes docs/troubles.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.e2e.adopted_host import MAIL, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE = "/var/lib/reconciler"
SMALL = "cp -a {0} /root/kept; mount -t tmpfs -o mode=711,{1} tmpfs {0}; cp -a /root/kept/. {0}/; rm -r /root/kept"
CHAIN = "/etc/ssl/mx.pem"
KEY = (
    "cd /etc/ssl && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90"
    " -subj /CN=mx1.example.com -keyout key -out cert 2>/dev/null"
    f" && cat key cert >{CHAIN} && chmod 600 {CHAIN} && cp -a {CHAIN} good.pem"
)
EXPIRE = f"cd /etc/ssl && openssl x509 -in cert -signkey key -days -1 -out old 2>/dev/null && cat key old >{CHAIN}"
TLS = ("smtpd_tls_chain_files: /etc/ssl/mx.pem", "smtpd_tls_security_level: may")
PATIENT = ("max_idle: 1h", "service_throttle_time: 1s")
"""The smtpd that started before a trouble does not end by itself; master starts one soon after one that failed."""
DAMAGE = f"""
cp -a {REPOSITORY} /srv/good && cd {REPOSITORY} && git repack -adq && chmod u+w objects/pack/*
for pack in objects/pack/*.pack; do
    size=$(stat -c %s "$pack") && truncate -s 12 "$pack" && truncate -s "$size" "$pack"
done
"""
DPKG = (
    "import fcntl, time; lock = open('/var/lib/dpkg/lock', 'w'); fcntl.lockf(lock, fcntl.LOCK_EX);"
    " open('/tmp/held', 'w'); time.sleep(1000)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A trouble that the shell commands *begin* and *end*, on a host with this *mail* and, in front, a *server*.

    *prepare* runs first. *disk* are the options of a small disk for the state directory. *repairs*: a push can make the
    trouble harmless.
    """

    name: str
    begin: str
    end: str = ""
    mail: str = MAIL
    server: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    disk: str = ""
    repairs: bool = False


def _mail(*parameters: str) -> str:
    return MAIL + "".join(f"  {one}\n" for one in parameters)


def _server_down(name: str, server: tuple[str, ...], *parameters: str) -> Trouble:
    """Return the trouble that the program of inside/servers.py which Postfix asks has ended."""
    mail = _mail(*parameters)
    return Trouble(name=name, begin="pkill -f [i]nside/servers.py", mail=mail, server=server, repairs=True)


WHOLE = "until [ -s /etc/postfix/main.cf ] && [ -s /etc/postfix/master.cf ]; do sleep .05; done"


TROUBLES = (
    _server_down(
        "A milter is down (tempfail)",
        ("milter", "8891"),
        "smtpd_milters: inet:127.0.0.1:8891",
        "milter_default_action: tempfail",
    ),
    _server_down(
        "A policy server is down",
        ("policy", "10040"),
        "smtpd_recipient_restrictions: check_policy_service inet:127.0.0.1:10040",
    ),
    _server_down(
        "The SASL socket is gone",
        ("logins", "/var/spool/postfix/private/auth"),
        "smtpd_sasl_auth_enable: yes",
        "smtpd_sasl_type: dovecot",
        "smtpd_sasl_path: private/auth",
        *PATIENT,
    ),
    _server_down(
        "The server of a table is down (socketmap; LDAP and SQL likewise)",
        ("table", "10050"),
        "virtual_alias_maps: socketmap:inet:127.0.0.1:10050:virtual",
    ),
    Trouble(
        name="PostSRSd died and can't start",
        begin="chmod -x /usr/sbin/postsrsd; pkill -KILL -x postsrsd",
        end="chmod +x /usr/sbin/postsrsd",
        mail=MAIL + "sender_rewriting: {secrets: [!secret srs]}\n",
        secrets={"srs": "echo old-secret-of-24-letters"},
        repairs=True,
    ),
    Trouble(
        name="rspamd died and can't start",
        begin="chmod -x /usr/bin/rspamd; pkill -KILL -x rspamd",
        end="chmod +x /usr/bin/rspamd",
        mail=MAIL + "dkim: {selector: one, key: !secret dkim}\n",
        secrets={"dkim": "openssl genrsa 2048 2>/dev/null"},
        repairs=True,
    ),
    Trouble(
        name="The identity is gone",
        begin="mv /etc/reconciler/identity.age /root/",
        end="[ ! -e /root/identity.age ] || mv /root/identity.age /etc/reconciler/",
        mail=MAIL + "smart_host: {nexthop: '[127.0.0.1]:2525', username: u, password: !secret pw}\n"
        "tls: {outbound: may}\n",
        secrets={"pw": "echo geheim"},
        repairs=True,
    ),
    Trouble(
        name="The certificate expired",
        begin=EXPIRE,
        end=f"cp -a /etc/ssl/good.pem {CHAIN}",
        mail=_mail(*TLS),
        prepare=KEY,
        repairs=True,
    ),
    Trouble(
        name="The certificate can't be read",
        begin=f"echo noise >{CHAIN}",
        end=f"cp -a /etc/ssl/good.pem {CHAIN}",
        mail=_mail(*TLS, *PATIENT),
        prepare=KEY,
        repairs=True,
    ),
    Trouble(
        name="DNS is dead",
        begin="echo nameserver 192.0.2.250 >/etc/resolv.conf",
        end="echo nameserver 127.0.0.1 >/etc/resolv.conf",
    ),
    Trouble(
        name="The disk is full",
        begin=f"dd if=/dev/zero of={STATE}/filler bs=4k 2>/dev/null; true",
        end=f"rm -f {STATE}/filler",
        disk="size=6m",
    ),
    Trouble(
        name="The disk is read-only",
        begin=f"mount --bind {STATE} {STATE} && mount -o remount,ro,bind {STATE}",
        end=f"! mountpoint -q {STATE} || umount -l {STATE}",
    ),
    Trouble(
        name="The disk has no inodes left",
        begin=f"mkdir {STATE}/filler; cd {STATE}/filler; touch $(seq 1500) 2>/dev/null; true",
        end=f"rm -rf {STATE}/filler",
        disk="nr_inodes=1200",
    ),
    Trouble(name="An administrator stopped Postfix", begin="postfix stop", end="pgrep -x master || postfix start"),
    Trouble(name="Postfix's master was killed", begin="pkill -KILL -x master"),
    Trouble(
        name="A folder replaced the link /etc/postfix",
        # The daemon may put the link back between rm and mv.
        begin="cp -aL /etc/postfix /etc/new && until rm -f /etc/postfix && mv -T /etc/new /etc/postfix; do :; done",
    ),
    Trouble(
        name="Another link replaced the link /etc/postfix",
        begin="rm -rf /srv/other; cp -aL /etc/postfix /srv/other && ln -sfn /srv/other /etc/postfix",
    ),
    Trouble(name="The link /etc/postfix was removed", begin="rm /etc/postfix"),
    Trouble(
        name="main.cf and master.cf were emptied",
        # The daemon puts them back at once; a restart would come before or after that by chance.
        begin=f"cd /etc/postfix && : >main.cf && : >master.cf; {WHOLE}",
    ),
    Trouble(
        name="The branch is locked in the repository",
        begin=f": >{REPOSITORY}/refs/heads/main.lock",
        end=f"rm -f {REPOSITORY}/refs/heads/main.lock",
    ),
    Trouble(
        name="Packs of the repository are damaged",
        begin=DAMAGE,
        end=f"[ ! -e /srv/good ] || {{ rm -rf {REPOSITORY}; mv /srv/good {REPOSITORY}; }}",
    ),
    Trouble(
        name="The repository is gone",
        begin=f"mv {REPOSITORY} /srv/away",
        end=f"[ ! -e /srv/away ] || mv /srv/away {REPOSITORY}",
    ),
    Trouble(
        name="dpkg is at work",
        begin=f'rm -f /tmp/held; setsid python3 -c "{DPKG}" >/dev/null 2>&1 & '
        "until [ -e /tmp/held ]; do sleep 0.1; done",
        end="pkill -f [d]pkg/lock; true",
    ),
    Trouble(name="A second daemon is started", begin="reconciler run; [ $? = 75 ]"),
)
