"""Properties of parameters that Postfix's defaults do not show: their words, and which may not be empty or 0.

The tables come from the sources of Postfix 3.7 (``VAR_`` tables of the daemons, name_code(3) and name_mask(3)). Its
functions only build the tables; ServiceLimits has the parameters of each service. Raises nothing.

Known limit: a word that a later Postfix adds to an enumeration must be added here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import split_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model.service_index import ServiceIndex

Vocabulary = tuple[frozenset[str], bool]
"""The words in lower case (with the empty word if empty is allowed), and whether another word is fatal."""


def names(text: str) -> frozenset[str]:
    """Return the words of *text*."""
    return frozenset(split_words(text))


def _fatal(text: str, *, empty: bool = False) -> Vocabulary:
    return names(text) | (frozenset({""}) if empty else frozenset()), True


def _ignored(text: str, *, empty: bool = False) -> Vocabulary:
    return _fatal(text, empty=empty)[0], False


def _both(known: dict[str, Vocabulary]) -> dict[str, Vocabulary]:
    """Add the parameters of smtp under the names of lmtp, which is the same program."""
    of_smtp = {name: words for name, words in known.items() if name.startswith("smtp_")}
    return known | {name.replace("smtp_", "lmtp_", 1): words for name, words in of_smtp.items()}


_CLIENT_LEVELS = _fatal("none may encrypt dane dane-only fingerprint verify secure", empty=True)
# smtpd(8) treats fingerprint, verify and secure as encrypt.
_SERVER_LEVELS = _fatal("none may encrypt fingerprint verify secure", empty=True)
_CIPHERS = _fatal("export low medium high null")
CIPHERS = _CIPHERS[0]
PROTOCOL = re.compile(
    r"!?(?:SSLv[23]|TLSv1(?:\.[123])?)|[<>]=(?:None|SSLv3|TLSv1(?:\.[123])?|0x[0-9a-f]+|0[0-7]+)",
    re.IGNORECASE | re.ASCII,
)
_SCREEN = _fatal("ignore enforce drop")
_TEMPFAIL = _fatal("defer defer_if_permit")
_FAMILY = _fatal("any ipv4 ipv6")
_LOG_LEVEL = _fatal("0 1 2 3 4 none routine debug ssl-expert ssl-developer")
_CURVES = _fatal("none strong ultra auto")
_PROXY = _fatal("haproxy", empty=True)
_SOURCES = "sendmail smtpd qmqpd forward bounce notify verify"
WORDS: dict[str, Vocabulary] = _both(
    {
        "header_from_format": _fatal("standard obsolete"),
        "info_log_address_format": _fatal("external internal"),
        "milter_default_action": _fatal("accept reject tempfail quarantine shutdown"),
        "mynetworks_style": _fatal("class subnet host"),
        "postscreen_bare_newline_action": _SCREEN,
        "postscreen_blacklist_action": _SCREEN,
        "postscreen_denylist_action": _SCREEN,
        "postscreen_dnsbl_action": _SCREEN,
        "postscreen_greet_action": _SCREEN,
        "postscreen_non_smtp_command_action": _SCREEN,
        "postscreen_pipelining_action": _SCREEN,
        "postscreen_tls_security_level": _SERVER_LEVELS,
        "postscreen_upstream_proxy_protocol": _PROXY,
        "reject_tempfail_action": _TEMPFAIL,
        "sendmail_fix_line_endings": _fatal("always strict never"),
        "smtp_address_preference": _FAMILY,
        "smtp_address_verify_target": _fatal("rcpt data"),
        "smtp_dns_support_level": _fatal("disabled enabled dnssec", empty=True),
        "smtp_sasl_type": _fatal("cyrus"),
        "smtp_tls_ciphers": _CIPHERS,
        "smtp_tls_loglevel": _LOG_LEVEL,
        "smtp_tls_mandatory_ciphers": _CIPHERS,
        "smtp_tls_security_level": _CLIENT_LEVELS,
        "smtpd_forbid_bare_newline": _fatal("yes no normalize reject note"),
        "smtpd_sasl_type": _fatal("cyrus dovecot"),
        "smtpd_tls_ciphers": _CIPHERS,
        "smtpd_tls_eecdh_grade": _CURVES,
        "smtpd_tls_loglevel": _LOG_LEVEL,
        "smtpd_tls_mandatory_ciphers": _CIPHERS,
        "smtpd_tls_security_level": _SERVER_LEVELS,
        "smtpd_upstream_proxy_protocol": _PROXY,
        "tlsproxy_client_loglevel": _LOG_LEVEL,
        "tlsproxy_client_security_level": _CLIENT_LEVELS,
        "tlsproxy_tls_ciphers": _CIPHERS,
        "tlsproxy_tls_eecdh_grade": _CURVES,
        "tlsproxy_tls_loglevel": _LOG_LEVEL,
        "tlsproxy_tls_mandatory_ciphers": _CIPHERS,
        "tlsproxy_tls_security_level": _SERVER_LEVELS,
        "unknown_address_tempfail_action": _TEMPFAIL,
        "unknown_helo_hostname_tempfail_action": _TEMPFAIL,
        "unverified_recipient_tempfail_action": _TEMPFAIL,
        "unverified_sender_tempfail_action": _TEMPFAIL,
    }
)
_SASL = _fatal("noplaintext noactive nodictionary forward_secrecy noanonymous mutual_auth")
_ADDRESSES = "envelope_sender envelope_recipient header_sender header_recipient"
LISTS: dict[str, Vocabulary] = _both(
    {
        "allow_mail_to_commands": _fatal("alias forward include"),
        "allow_mail_to_files": _fatal("alias forward include"),
        "canonical_classes": _fatal(_ADDRESSES),
        "inet_protocols": _fatal("all ipv4 ipv6"),
        "internal_mail_filter_classes": _fatal(_SOURCES),
        "mailbox_delivery_lock": _fatal("fcntl flock dotlock"),
        "masquerade_classes": _fatal(_ADDRESSES),
        "notify_classes": _fatal("bounce 2bounce data delay policy protocol resource software"),
        "prepend_delivered_header": _fatal("command file forward"),
        "propagate_unmatched_extensions": _fatal("canonical virtual alias forward include generic"),
        "receive_override_options": _fatal(
            "no_unknown_recipient_checks no_address_mappings no_header_body_checks no_milters"
        ),
        "recipient_canonical_classes": _fatal("envelope_recipient header_recipient"),
        "sender_canonical_classes": _fatal("envelope_sender header_sender"),
        "smtp_dns_resolver_options": _fatal("res_defnames res_dnsrch"),
        "smtp_host_lookup": _fatal("dns native"),
        "smtp_sasl_security_options": _SASL,
        "smtp_sasl_tls_security_options": _SASL,
        "smtp_sasl_tls_verified_security_options": _SASL,
        "smtpd_sasl_security_options": _SASL,
        "smtpd_sasl_tls_security_options": _SASL,
        "smtp_pix_workarounds": _ignored("disable_esmtp delay_dotcrlf"),
        "smtpd_proxy_options": _fatal("speed_adjust"),
        "smtputf8_autodetect_classes": _fatal(f"{_SOURCES} all"),
        "virtual_mailbox_lock": _fatal("fcntl flock dotlock"),
    }
)
# Numbers of 64 bits; all others have 32 bits.
LONG = names("lmdb_map_size mailbox_size_limit message_size_limit queue_minfree virtual_mailbox_limit")
# Texts whose default looks like a number.
NOT_NUMBERS = names("mail_release_date milter_protocol smtp_tcp_port lmtp_tcp_port")
# Texts that may not be empty.
NOT_EMPTY = names(
    """
    2bounce_notice_recipient address_verify_default_transport address_verify_local_transport
    address_verify_relay_transport address_verify_service_name address_verify_virtual_transport
    bounce_notice_recipient bounce_service_name cleanup_service_name command_directory command_expansion_filter
    connection_cache_service_name daemon_directory data_directory default_database_type
    default_destination_concurrency_negative_feedback default_destination_concurrency_positive_feedback
    default_privs default_rbl_reply default_transport default_verp_delimiters defer_service_name
    delay_notice_recipient dnsblog_service_name double_bounce_sender empty_address_default_transport_maps_lookup_key
    empty_address_recipient empty_address_relayhost_maps_lookup_key error_notice_recipient error_service_name
    execution_directory_expansion_filter flush_service_name forward_expansion_filter hash_queue_names lmtp_lhlo_name
    lmtp_tls_secure_cert_match lmtp_tls_verify_cert_match local_transport mail_name mail_owner mailq_path
    meta_directory milter_macro_daemon_name milter_macro_v milter_protocol myorigin newaliases_path openssl_path
    pickup_service_name postlog_service_name postscreen_expansion_filter process_id_directory proxymap_service_name
    proxywrite_service_name queue_directory queue_service_name relay_transport rewrite_service_name sendmail_path
    setgid_group shlib_directory showq_service_name smtp_helo_name smtp_tls_fingerprint_digest
    smtp_tls_secure_cert_match smtp_tls_verify_cert_match smtpd_banner smtpd_expansion_filter
    smtpd_policy_service_default_action smtpd_sasl_path smtpd_sasl_service smtpd_service_name
    smtpd_tls_fingerprint_digest syslog_facility syslog_name tlsmgr_service_name tlsproxy_client_fingerprint_digest
    tlsproxy_service_name tlsproxy_tls_fingerprint_digest trace_service_name verp_delimiter_filter virtual_transport
    """
)
# Numbers and times that must be above 0.
NOT_ZERO = names(
    """
    address_verify_negative_expire_time address_verify_negative_refresh_time address_verify_pending_request_limit
    address_verify_poll_count address_verify_poll_delay address_verify_positive_expire_time
    address_verify_positive_refresh_time anvil_rate_time_unit anvil_status_update_time application_event_drain_time
    berkeley_db_create_buffer_size berkeley_db_read_buffer_size bounce_size_limit command_time_limit
    connection_cache_protocol_timeout connection_cache_status_update_time connection_cache_ttl_limit daemon_timeout
    debug_peer_level default_process_limit default_recipient_refill_delay default_recipient_refill_limit
    deliver_lock_attempts deliver_lock_delay fast_flush_purge_time fast_flush_refresh_time fork_attempts fork_delay
    hash_queue_depth header_address_token_limit header_size_limit hopcount_limit initial_destination_concurrency
    ipc_idle ipc_timeout ipc_ttl line_length_limit lmdb_map_size lmtp_connection_cache_time_limit
    lmtp_connection_reuse_time_limit lmtp_data_done_timeout lmtp_data_init_timeout lmtp_data_xfer_timeout
    lmtp_lhlo_timeout lmtp_mail_timeout lmtp_min_data_rate lmtp_pix_workaround_delay_time lmtp_quit_timeout
    lmtp_rcpt_timeout lmtp_rset_timeout lmtp_starttls_timeout lmtp_xforward_timeout max_idle max_use
    maximal_backoff_time milter_command_timeout milter_connect_timeout milter_content_timeout
    mime_boundary_length_limit mime_nesting_limit minimal_backoff_time postlogd_watchdog_timeout
    postscreen_bare_newline_ttl postscreen_cache_retention_time postscreen_command_count_limit
    postscreen_command_time_limit postscreen_dnsbl_max_ttl postscreen_dnsbl_min_ttl postscreen_dnsbl_threshold
    postscreen_dnsbl_timeout postscreen_greet_ttl postscreen_greet_wait postscreen_non_smtp_command_ttl
    postscreen_pipelining_ttl postscreen_post_queue_limit postscreen_pre_queue_limit
    postscreen_upstream_proxy_timeout postscreen_watchdog_timeout qmgr_daemon_timeout qmgr_fudge_factor
    qmgr_ipc_timeout qmgr_message_active_limit qmgr_message_recipient_limit qmgr_message_recipient_minimum
    qmqpd_timeout queue_file_attribute_count_limit queue_run_delay service_throttle_time
    smtp_connection_cache_time_limit smtp_connection_reuse_time_limit smtp_data_done_timeout smtp_data_init_timeout
    smtp_data_xfer_timeout smtp_helo_timeout smtp_mail_timeout smtp_min_data_rate smtp_pix_workaround_delay_time
    smtp_quit_timeout smtp_rcpt_timeout smtp_rset_timeout smtp_starttls_timeout smtp_xforward_timeout
    smtpd_forbid_bare_newline_reject_code smtpd_hard_error_limit smtpd_history_flush_threshold
    smtpd_junk_command_limit smtpd_min_data_rate smtpd_policy_service_max_idle smtpd_policy_service_max_ttl
    smtpd_policy_service_retry_delay smtpd_policy_service_timeout smtpd_policy_service_try_limit smtpd_proxy_timeout
    smtpd_recipient_limit smtpd_recipient_overshoot_limit smtpd_soft_error_limit smtpd_starttls_timeout
    smtpd_timeout smtpd_upstream_proxy_timeout stale_lock_time tls_daemon_random_bytes tls_random_bytes
    tls_random_prng_update_period tls_random_reseed_period tlsproxy_watchdog_timeout transport_retry_time
    trigger_timeout unverified_recipient_defer_code unverified_recipient_reject_code unverified_sender_defer_code
    unverified_sender_reject_code virtual_alias_address_length_limit virtual_alias_expansion_limit
    virtual_alias_recursion_limit virtual_minimum_uid
    """
)
# Postfix 3.7, postconf_service.c: the per-service parameters, each with the parameter for its default.
PER_SERVICE = {
    "recipient_limit": "default_recipient_limit",
    "extra_recipient_limit": "default_extra_recipient_limit",
    "recipient_refill_limit": "default_recipient_refill_limit",
    "recipient_refill_delay": "default_recipient_refill_delay",
    "delivery_slot_cost": "default_delivery_slot_cost",
    "delivery_slot_loan": "default_delivery_slot_loan",
    "delivery_slot_discount": "default_delivery_slot_discount",
    "minimum_delivery_slots": "default_minimum_delivery_slots",
    "initial_destination_concurrency": "initial_destination_concurrency",
    "destination_concurrency_limit": "default_destination_concurrency_limit",
    "destination_recipient_limit": "default_destination_recipient_limit",
    "destination_concurrency_positive_feedback": "default_destination_concurrency_positive_feedback",
    "destination_concurrency_negative_feedback": "default_destination_concurrency_negative_feedback",
    "destination_concurrency_failed_cohort_limit": "default_destination_concurrency_failed_cohort_limit",
    "destination_rate_delay": "default_destination_rate_delay",
    "transport_rate_delay": "default_transport_rate_delay",
}
_TIMED, _TIME_LIMIT = ("pipe", "spawn"), "_time_limit"
_ENDINGS = (*(f"_{suffix}" for suffix in PER_SERVICE), _TIME_LIMIT)
# Parameters of older versions, and of the VDA patch for quotas, which stay in many a main.cf.
FORMER = names(
    """
    extract_recipient_limit lmtp_cache_connection local_transports opportunistic_encryption_by_recipient
    program_directory qmgr_site_hog_factor smtp_tls_cipherlist smtpd_sasl_application_name smtpd_tls_cipherlist
    smtpd_tls_eecdh_strong_curve tlsproxy_tls_session_cache_database tlsproxy_tls_session_cache_timeout
    virtual_create_maildirsize virtual_mailbox_extended virtual_mailbox_limit_inbox virtual_mailbox_limit_maps
    virtual_mailbox_limit_override virtual_maildir_extended virtual_maildir_filter virtual_maildir_filter_maps
    virtual_maildir_limit_message virtual_maildir_limit_message_maps virtual_maildir_suffix virtual_overquota_bounce
    virtual_trash_count virtual_trash_name
    """
)
# Values with names that the daemon or the shell expands ("raw" parameters of main.cf).
RAW = names(
    "command_execution_directory debugger_command default_rbl_reply forward_path luser_relay mailbox_command"
    " postscreen_expansion_filter postscreen_reject_footer smtpd_expansion_filter smtpd_reject_footer"
    " command_expansion_filter execution_directory_expansion_filter forward_expansion_filter"
)


class ServiceLimits(Mapping[str, str]):
    """The parameters that exist for each service, each with the parameter for its default.

    There are seventeen for each service, and thousands of services: none is made before it is asked for.
    """

    def __init__(self, services: ServiceIndex) -> None:
        self._unix = {service.name for service in services.by_type.get("unix", ())}
        timed = (service for command in _TIMED for service in services.by_program.get(command, ()))
        self._timed = {service.name for service in timed}

    def __getitem__(self, name: str) -> str:
        if name.endswith(_ENDINGS):
            for suffix, default in PER_SERVICE.items():
                if name.endswith(f"_{suffix}") and name[: -len(suffix) - 1] in self._unix:
                    return default
            if name.removesuffix(_TIME_LIMIT) in self._timed:
                return "command_time_limit"
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from (f"{service}_{suffix}" for service in self._unix for suffix in PER_SERVICE)
        yield from (f"{service}{_TIME_LIMIT}" for service in self._timed)

    def __len__(self) -> int:
        return len(self._unix) * len(PER_SERVICE) + len(self._timed)


class KnownNames(Collection[str]):
    """Several collections of names as one, without a copy of them."""

    def __init__(self, *parts: Collection[str]) -> None:
        self._parts = parts

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self._parts)

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys(name for part in self._parts for name in part)

    def __len__(self) -> int:
        return sum(1 for _ in self)


# What people call a level of TLS, and Postfix's word for it.
TLS_WORDS = dict.fromkeys(("yes", "on", "true", "optional", "opportunistic", "enable", "enabled", "allow"), "may")
TLS_WORDS |= dict.fromkeys(("mandatory", "required", "require", "force", "forced", "enforce", "enforced"), "encrypt")
TLS_WORDS |= dict.fromkeys(("no", "off", "false", "never", "disable", "disabled"), "none")
