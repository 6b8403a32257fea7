# Sourced by deploy/install and deploy/uninstall: the places of reconciler on a host.
# shellcheck shell=bash disable=SC2034

venv=/opt/reconciler
python=$venv/bin/python
link=/usr/local/bin/reconciler
panel=/usr/local/sbin/site-removed
page=/usr/local/share/man/man8/reconciler.8
completion=/usr/local/share/bash-completion/completions/reconciler
settings=/etc/reconciler.toml
units=/etc/systemd/system
unit=reconciler.service
boot_unit=reconciler-egress.service
order=postfix@.service.d/reconciler.conf

has_systemd() { [[ -d /run/systemd/system ]]; }

# One setting, as reconciler itself reads it; empty where there is none.
setting() {
    RECONCILER_SETTINGS=$settings $python -c \
        'import sys; from reconciler.host.settings import read_settings as r; print(getattr(r(), sys.argv[1]) or "")' "$1"
}

# Whether reconciler's own link is at Postfix's configuration directory, and not one that somebody else made.
adopted() { [[ $(readlink "$(setting config_directory)") == "$(setting state)/live/postfix" ]]; }
