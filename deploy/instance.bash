# Sourced by deploy/install and deploy/quickstart: one more Postfix instance on this host (postmulti(1)).
#
# Promises: an instance that is there stays as it is. One that is made takes no mail until a commit says otherwise,
# neither from the network nor from local programs, as after `postmulti -e create`; the default instance is not changed.
# shellcheck shell=bash disable=SC2034

# Make the folders and the files of an instance: its name, and its folders for configuration, queue and data.
make_instance() {
    local name=$1 config=$2 queue=$3 data=$4 shared
    [[ ! -e $config/main.cf ]] || return 0
    say "making the Postfix instance $name in $config"
    install -d -m 755 "$config" "$queue"
    install -d -m 700 -o "$(postconf -hx mail_owner)" "$data"
    # shellcheck disable=SC2016  # Postfix expands it
    sed 's|syslog_name=postfix/|syslog_name=$multi_instance_name/|; /^postlog /q' \
        /usr/share/postfix/master.cf.dist >"$config/master.cf"  # without the examples of pipes, which end it
    shared=$(postconf -n | grep -E '^(mail_owner|setgid_group|(command|daemon|shlib|meta)_directory) =' || true)
    cat /usr/share/postfix/main.cf.debian - >"$config/main.cf" <<-MAIN
	multi_instance_name = $name
	multi_instance_enable = yes
	queue_directory = $queue
	data_directory = $data
	alias_maps = hash:/etc/aliases
	master_service_disable = inet
	authorized_submit_users =
	$shared
	MAIN
    touch -d '10 seconds ago' "$config/main.cf"  # every Postfix program sleeps while it is new
}

# Whether a list of configuration directories has this one, by any of its names, such as one with a slash at its end.
is_listed() {
    local config=$1 directories directory
    read -ra directories <<<"${2//,/ }"
    for directory in "${directories[@]}"; do
        [[ ! $directory -ef $config ]] || return 0
    done
    return 1
}

# Have the default instance start this one with the host, by a commit if reconciler manages that. Say so in $unlisted if
# the commit must be made elsewhere, because the default instance follows a remote that this host does not push to.
list_instance() {
    local config=$1 own=$settings now
    now=$(postconf -hx multi_instance_directories)
    ! is_listed "$config" "$now" || return 0
    settings=/etc/reconciler.toml
    if adopted && [[ $(setting url) && $(setting push) == off ]]; then
        say_commit "${now:+$now }$config"
        unlisted=yes
    else
        say "having the default instance start $config with the host"
        # shellcheck disable=SC2016  # Postfix expands it
        set_default multi_instance_wrapper '${command_directory}/postmulti -p --'
        set_default multi_instance_enable yes
        set_default multi_instance_directories "${now:+$now }$config"
    fi
    settings=$own
}

say_commit() {
    say "commit this to mail.yaml in $(setting branch) of $(setting url), which this host does not push to:"
    cat >&2 <<-'YAML'
	parameters:
	  multi_instance_wrapper: ${command_directory}/postmulti -p --
	  multi_instance_enable: yes
	YAML
    printf '  multi_instance_directories: %s\n' "$1" >&2
}

set_default() {
    if adopted; then
        RECONCILER_INSTANCE='' step "setting $1 in $(setting branch) of $(setting repository)" \
            "$venv/bin/reconciler" set "$1" "$2"
    else
        postconf -e "$1 = $2"
    fi
}
