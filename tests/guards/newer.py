"""Symbols newer than the oldest target has, written by hand from the libraries' own histories.

Oldest target: Debian 11 with glibc 2.31, SQLite 3.34.1, libcurl 7.74.0, OpenSSL 1.1.1, APR 1.7.0,
APR-util 1.6.1, yajl 2.1.0; of httpd 2.4.52 (Ubuntu 22.04). Sources: sqlite.org/changes.html, curl's
docs/libcurl/symbols-in-versions and the manual pages' "Added in", OpenSSL's CHANGES.md,
include/ap_mmn.h of httpd, CHANGES of APR and APR-util, NEWS of glibc.
"""
import re

SQLITE = """
    sqlite3_autovacuum_pages sqlite3_changes64 sqlite3_total_changes64
    sqlite3_error_offset sqlite3_vtab_distinct sqlite3_vtab_rhs_value sqlite3_vtab_in
    sqlite3_vtab_in_first sqlite3_vtab_in_next
    sqlite3_db_name sqlite3_value_encoding sqlite3_is_interrupted sqlite3_stmt_explain
    sqlite3_get_clientdata sqlite3_set_clientdata sqlite3_setlk_timeout sqlite3_db_status64
    sqlite3_set_errmsg sqlite3session_changeset_size sqlite3changegroup_schema
    sqlite3changegroup_add_change sqlite3rebaser_configure
"""
CURL = """
    curl_url_strerror curl_easy_header curl_easy_nextheader curl_ws_recv curl_ws_send curl_ws_meta
    curl_ws_start_frame curl_global_trace curl_multi_get_handles curl_multi_waitfds
    curl_easy_ssls_import curl_easy_ssls_export curl_multi_get_offt curl_multi_notify_enable
    curl_multi_notify_disable
"""
APR = """
    apr_thread_current apr_thread_current_create apr_thread_current_after_fork apr_memzero_explicit
    apr_array_pop_noclear apr_sockaddr_is_wildcard apr_pollset_method_name_get
    apr_socket_sendto_many apr_base64_encode_check apr_json_decode apr_json_encode apr_buffer_mem_set
    apr_crypto_digest apr_crypto_digest_init apr_crypto_prng_after_fork apr_jose_decode apr_uri_decode
    apr_dbd_mysql_version
"""
HTTPD = """
    ap_thread_create ap_thread_main_create ap_thread_current ap_set_time_process_request
    ap_h1_append_header ap_h1_terminate_header ap_h1_response_out_filter ap_unescape_url_ex
    ap_unescape_url_keep2f_ex ap_fgetline_ex ap_proxy_fixup_uds_filename ap_bucket_headers_create
    ap_bucket_response_create ap_stat_check ap_set_content_type_ex
"""
GLIBC = """
    close_range closefrom execveat strlcpy strlcat wcslcpy wcslcat arc4random arc4random_buf
    arc4random_uniform pidfd_open pidfd_getfd pidfd_send_signal epoll_pwait2 process_madvise
    process_mrelease pthread_clockjoin_np dl_iterate_phdr_np _Fork qsort_r_np sched_setattr
    sched_getattr mount_setattr posix_spawn_file_actions_addtcsetpgrp_np timespec_getres
    sem_clockwait_np pthread_cond_clockwait_np
"""
OPENSSL = re.compile(
    r"OSSL_\w+|EVP_(MAC|KDF|RAND|KEYMGMT|SIGNATURE|KEYEXCH)_\w+|EVP_(MD|CIPHER)_fetch|EVP_Q_\w+|"
    r"EVP_PKEY_Q_keygen|EVP_MD_get_\w+|EVP_CIPHER_get_\w+|EVP_PKEY_get_\w+|SSL_get1_peer_certificate|"
    r"OPENSSL_strn?casecmp|ERR_get_error_all|OPENSSL_info|BIO_\w+_ex$|X509_\w+_ex$")

NAMES = frozenset(" ".join((SQLITE, CURL, APR, HTTPD, GLIBC)).split())

# SQL that SQLite 3.34 does not understand: version, what it looks like in a statement.
SQL = [
    ("3.35", re.compile(r"\bRETURNING\b")),
    ("3.35", re.compile(r"\bMATERIALIZED\b")),
    ("3.35", re.compile(r"\bDROP\s+COLUMN\b")),
    ("3.35", re.compile(r"\b(?:ceil|ceiling|floor|ln|log10|log2|pow|power|sqrt|mod|trunc|pi)\s*\(")),
    ("3.37", re.compile(r"\)\s*(?:WITHOUT\s+ROWID\s*,\s*)?STRICT\b")),
    ("3.38", re.compile(r"->>?\s*(?:'|\?|\\\"|\$)")),
    ("3.38", re.compile(r"\bunixepoch\s*\(")),
    ("3.38", re.compile(r"(?<!\w)format\s*\(")),
    ("3.39", re.compile(r"\b(?:FULL|RIGHT)\s+(?:OUTER\s+)?JOIN\b")),
    ("3.39", re.compile(r"\bIS\s+(?:NOT\s+)?DISTINCT\s+FROM\b")),
    ("3.41", re.compile(r"\bunhex\s*\(")),
    ("3.43", re.compile(r"\b(?:octet_length|timediff)\s*\(")),
    ("3.44", re.compile(r"\b(?:concat|concat_ws|string_agg)\s*\(")),
    ("3.45", re.compile(r"\bjsonb\w*\s*\(")),
]


def newer_symbols(undefined):
    return sorted(s for s in undefined if s in NAMES or OPENSSL.fullmatch(s))
