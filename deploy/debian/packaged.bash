# Sourced by places.bash in the Debian package: the places that differ there, and what its scripts share.
#
# The program, its pages, the units and the panel's hook are dpkg's; reconciler-install and reconciler-uninstall leave
# them alone. What they write below /etc is this host's.
# shellcheck shell=bash disable=SC2034

packaged=yes
venv=/usr/lib/reconciler
python=$venv/bin/python
link=/usr/bin/reconciler
panel=/usr/sbin/site-removed
page=/usr/share/man/man8/reconciler.8.gz
completion=/usr/share/bash-completion/completions/reconciler
commands=reconciler-
builders=()

# Restart the daemons that run, if policy-rc.d allows it. A warning names one that fails to start; systemd retries it.
restart_daemons() {
    local running
    has_systemd || return 0
    systemctl daemon-reload
    mapfile -t running < <(systemctl list-units --plain --no-legend --state=active,activating,reloading \
        reconciler.service 'reconciler@*.service' | cut -d' ' -f1)
    ((${#running[@]} == 0)) || deb-systemd-invoke restart "${running[@]}" ||
        say "a daemon does not start: systemctl status ${running[*]}"
}

# Run a command for the settings of each instance, the default one last. A copy such as out.old.toml is none's.
for_each_instance() {
    local file
    for file in "$folder"/*.toml; do
        (use_instance "$(basename "$file" .toml)" || exit 0; "$@") || return
    done
    "$@"
}
