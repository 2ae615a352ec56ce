/* SPDX-License-Identifier: ISC */
#ifndef TLS_FILES_H
#define TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "tls/rules.h"

/*
 * The files of keys and certificates that a service's configuration names:
 * the launcher opens no others, and keys asks for these.
 *
 * Either smtpd_tls_chain_files is set (keys, each with its certificates behind
 * it), or up to three pairs of a certificate file and a key file.
 */
struct tls_file {
	struct str name; /* as written; relative to config_directory */
	bool is_key;	 /* a key is taken from it */
	bool is_cert;	 /* certificates are */
};

#define TLS_FILES_MAX 16

/* Whose parameters this snapshot is asked for. */
enum tls_side tls_side(const struct conf *c);

/*
 * The files in order: for pairs the certificate, then its key.  Returns how
 * many, at most TLS_FILES_MAX; what is beyond is left out.
 */
size_t tls_files(const struct conf *c, enum tls_side side, struct tls_file *v);

/* Does the service need the holder of keys? */
bool tls_needs_keys(const struct conf *c);

/* How the server handles TLS: smtpd_tls_security_level and its old forms. */
enum tls_level {
	TLS_LEVEL_NONE,
	TLS_LEVEL_MAY,
	TLS_LEVEL_ENCRYPT,
	TLS_LEVEL_BAD, /* a word that is none */
};
enum tls_level tls_smtpd_level(const struct conf *c);

#endif
