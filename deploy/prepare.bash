# Sourced by tests/run, deploy/quickstart and deploy/install: installs what they need on Debian 12.
#
# The caller sets $name, the prefix of its messages, and works in the checkout.
# Promises: no service is started, packages are only added, and a second run repeats nothing.
# shellcheck shell=bash

policy=/usr/sbin/policy-rc.d
umask 022  # whatever the caller's is: Postfix's users and those who push read what is installed

say() { printf '%s: %s\n' "${name:?}" "$*" >&2; }

stop() {
    say "$2"
    exit "$1"
}

# Do one step: print its line, hide its output, and show the end of the output if the step fails.
step() {
    local what=$1 log
    shift
    say "$what"
    log=$(mktemp)
    if ! "$@" </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        stop 1 "failed: $what"
    fi
    rm -f "$log"
}

missing_packages() {
    local package installed
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
    for package; do
        [[ $'\n'$installed$'\n' == *$'\n'"$package installed"$'\n'* ]] || printf '%s\n' "$package"
    done
}

# Any installed package that provides a mail transport agent and is not Postfix: apt would remove it.
other_mta() {
    dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' |
        awk '$1 == "installed" && $2 != "postfix" && /mail-transport-agent/ && !found++ { print $2 }'
}

restore_policy() {
    rm -f "$policy"
    if [[ -e $policy.before-reconciler || -L $policy.before-reconciler ]]; then
        mv "$policy.before-reconciler" "$policy"
    fi
}

# Debian starts a service as soon as it is installed, unless policy-rc.d says 101 ("forbidden").
forbid_services() {
    trap restore_policy EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [[ -e $policy || -L $policy ]]; then
        mv -n "$policy" "$policy.before-reconciler"
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

answer_questions() {
    debconf-set-selections <<-ANSWERS
	postfix postfix/main_mailer_type select Local only
	postfix postfix/mailname string $(hostname)
	ANSWERS
}

# Install the missing packages; stop if that would remove another mail server.
install_packages() {
    local missing other
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || stop 1 "this is not Debian; install ${missing[*]} first"
    other=$(other_mta)
    [[ -z $other ]] ||
        stop 1 "another mail server is installed: $other; remove it first, or use another machine"
    export DEBIAN_FRONTEND=noninteractive
    forbid_services
    step "reading Debian's package lists" apt-get -qy update
    step "answering Postfix's installer: Local only" answer_questions
    step "installing ${missing[*]}" apt-get -qy --no-install-recommends \
        -o DPkg::Lock::Timeout=120 install "${missing[@]}"
    restore_policy
    trap - EXIT HUP INT TERM
}

# Debian's own Python comes first: apt keeps it safe, any user may read it, and one built by hand is often slower.
find_python() {
    local python
    while read -r python; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done < <(PATH=/usr/bin:$PATH type -aP python3)
    stop 1 "no python3 of version 3.11 or later in /usr/bin or on PATH"
}

# Install exactly what lock files pin: pip compares each file with its SHA-256 before it installs the first one. Its list
# of all allowed sums is hundreds of lines long, and one of them is enough.
install_pinned() {
    local python=$1
    shift
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps "$@" 2>&1 | sed '
        s/.*THESE PACKAGES DO NOT MATCH.*/refused, nothing was installed: another file than the lock file pins:/
        /^ *Expected *or /d'
}

# Install what lock files pin, all at the same time: no package is in two of them. The last one is in the foreground,
# where an interrupt from the terminal ends it.
install_locks() {
    local python=$1 last=${*: -1} lock each status=0 others=()
    for lock in "${@:2:$#-2}"; do
        install_pinned "$python" --only-binary :all: -r "$lock" &
        others+=($!)
    done
    install_pinned "$python" --only-binary :all: -r "$last" || status=$?
    for each in "${others[@]}"; do
        wait "$each" || status=$?
    done
    return "$status"
}

# Install the project of the checkout with the build backend that is pinned too, so that nothing else is fetched.
install_project() {
    local python=$1
    shift
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation "$@"
}

# Make .venv in the checkout and install the project in it, with the tools of its tests or without.
install_python() {
    local extra=${1:-} python stamps=(.venv/stamp) locks=(deploy/requirements.lock) wanted
    if [[ $extra ]]; then
        stamps+=(.venv/stamp-test)
        locks+=(tests/requirements.lock)
    fi
    # The first half of pyproject.toml and the locks decide what is installed; the scripts in .venv hold the path.
    wanted=$(sed '/^\[tool/,$d' pyproject.toml | cat - deploy/*.lock tests/*.lock | sha256sum)$PWD
    if [[ -x .venv/bin/python && $(cat "${stamps[-1]}" 2>/dev/null) == "$wanted" ]]; then
        return
    fi
    if [[ ! -x .venv/bin/python ]]; then
        python=$(find_python)
        step "making .venv with $python" "$python" -m venv --clear .venv
    fi
    step "installing the packages for reconciler${extra:+ and its tests} into .venv" \
        install_locks .venv/bin/python "${locks[@]}"
    [[ -z $extra ]] || step "installing the tools that exist as sources only" \
        install_pinned .venv/bin/python --no-build-isolation -r tests/sources.lock
    step "installing reconciler into .venv" install_project .venv/bin/python -e .
    tee "${stamps[@]}" <<<"$wanted" >/dev/null
}
