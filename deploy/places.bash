# Sourced by deploy/install and deploy/uninstall: the places of reconciler on a host, and those of an instance.
#
# An instance has settings, a unit and places of its own; the program, its pages and the panel's hook are the host's.
# shellcheck shell=bash disable=SC2034

packaged=''
commands=deploy/
builders=(python3-venv)  # Debian's packages that making the program needs
venv=/opt/reconciler
python=$venv/bin/python
link=/usr/local/bin/reconciler
panel=/usr/local/sbin/site-removed
page=/usr/local/share/man/man8/reconciler.8
completion=/usr/local/share/bash-completion/completions/reconciler
settings=/etc/reconciler.toml
folder=/etc/reconciler  # the identity, and the settings of instances
declare -A known=()  # see read_settings
instance=''
units=/etc/systemd/system
vendor=/usr/lib/systemd/system
unit=reconciler.service
default_unit=$unit
boot_unit=reconciler-egress.service
order=postfix@.service.d/reconciler.conf
template=reconciler@.service
[[ ! -e deploy/packaged.bash ]] || source deploy/packaged.bash

# Work on the instance NAME instead of the default one.
use_instance() {
    instance=${1#postfix-}
    [[ $instance =~ ^[A-Za-z0-9][A-Za-z0-9_-]*$ ]] || return
    settings=$folder/$instance.toml unit=reconciler@$instance.service
}

# A checkout leaves a host alone that has reconciler's Debian package.
leave_to_package() {
    [[ $packaged || $(missing_packages reconciler) ]] ||
        stop 1 "the Debian package of reconciler is installed; use reconciler-$name"
}

has_systemd() { [[ -d /run/systemd/system ]]; }

# The settings, as reconciler itself reads them, each as NAME=VALUE.
settings_by_name() {
    RECONCILER_SETTINGS=$settings $python -c 'import sys; from reconciler.host.settings import read_settings
found = read_settings()
for name in sys.argv[1:]: print(f"{name}={getattr(found, name) or str()}")
print("folders=" + " ".join(map(str, found.folders)))' \
        host group repository branch url push user identity state backup config_directory
}

# Read them once for every later `setting` about the same file: a start of Python takes longer than all of these.
read_settings() {
    local lines line
    lines=$(settings_by_name) || return
    known=([of]=$settings)
    while IFS= read -r line; do known[${line%%=*}]=${line#*=}; done <<<"$lines"
}

# One setting; empty where there is none.
setting() {
    [[ ${known[of]:-} == "$settings" ]] || read_settings || return
    printf '%s\n' "${known[$1]?}"
}

# The settings files of the other instances that reconciler manages on this host, the default one included.
other_settings() {
    local own=$settings file
    for file in /etc/reconciler.toml "$folder"/*.toml; do
        [[ -e $file && $file != "$own" ]] || continue
        settings=$file
        ! adopted || printf '%s\n' "$file"
    done
    settings=$own
}

# Whether reconciler's own link is at Postfix's configuration directory, and not one that somebody else made.
adopted() { [[ $(readlink "$(setting config_directory)") == "$(setting state)/live/postfix" ]]; }
