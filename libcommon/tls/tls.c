/* SPDX-License-Identifier: ISC */
/*
 * Connections.
 *
 * While the private key is in another process, a handshake that wants a
 * signature is left in the middle: the library runs it on a stack of its own
 * (ASYNC_JOB), which stays as it is until the answer has come.  What is asked
 * of the other process is asked from the ordinary stack.
 */
#include "tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/async.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/mem.h"
#include "log/log.h"
#include "loop/loop.h"
#include "tls/tls_parts.h"

/* Stopped handshakes each have a stack, until they go on. */
#define STACKS_MAX (4 * TLS_ASKED_MAX)

static struct tls *running;
static size_t nasked; /* signatures that are waited for */

/* Those that are to begin when one has come. */
static TAILQ_HEAD(, tls) crowd = TAILQ_HEAD_INITIALIZER(crowd);

void
tls_init(void)
{
	unsigned char bytes[16];

	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_NO_ATEXIT,
		NULL) != 1 ||
	    RAND_bytes(bytes, sizeof(bytes)) != 1 ||
	    RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
		log_fatal("the TLS library cannot be used");
	ASYNC_init_thread(STACKS_MAX, 0);
}

struct tls *
tls_running(void)
{
	return running;
}

/* --- life ----------------------------------------------------------------- */

static void
want_dane(struct tls *t, const struct tls_want *w)
{
	if (SSL_dane_enable(t->ssl, w->tlsa_base) != 1)
		return;
	/* What the records say of the certificate itself needs no name. */
	SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < w->ntlsa; i++)
		SSL_dane_tlsa_add(t->ssl, w->tlsa[i].usage, w->tlsa[i].selector,
		    w->tlsa[i].matching,
		    (const unsigned char *)w->tlsa[i].data.p,
		    w->tlsa[i].data.n);
	for (size_t i = 0; i < w->nnames; i++)
		SSL_add1_host(t->ssl, w->names[i]);
}

static void
want_rules(struct tls *t, const struct tls_rules *r)
{
	SSL_set_min_proto_version(t->ssl, r->min);
	SSL_set_max_proto_version(t->ssl, r->max);
	SSL_set_options(t->ssl, r->without);
	if (r->ciphers[0] != '\0')
		SSL_set_cipher_list(t->ssl, r->ciphers);
	if (r->groups[0] != '\0')
		SSL_set1_groups_list(t->ssl, r->groups);
}

static void
want_all(struct tls *t, const struct tls_want *w)
{
	size_t n = 0;

	if (w->rules != NULL)
		want_rules(t, w->rules);
	if (w->ntlsa > 0)
		want_dane(t, w);
	if (w->sni != NULL)
		SSL_set_tlsext_host_name(t->ssl, w->sni);
	if (w->session != NULL)
		SSL_set_session(t->ssl, w->session->s);
	if (w->nnames == 0)
		return;
	t->names = xcalloc(w->nnames + 1, sizeof(*t->names));
	for (; n < w->nnames; n++)
		t->names[n] = xstrdup(w->names[n]);
}

struct tls *
tls_new(struct tls_ctx *ctx, int fd, const struct tls_want *want,
    void (*wake)(void *arg), void *arg)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	t->ctx = tls_ctx_ref(ctx);
	t->fd = fd;
	t->wake = wake;
	t->wake_arg = arg;
	t->ssl = SSL_new(ctx->ssl);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1)
		log_fatal("TLS: out of memory");
	SSL_set_app_data(t->ssl, t);
	if (want != NULL)
		want_all(t, want);
	if (ctx->role == TLS_SERVER)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	if (ctx->remote && ASYNC_is_capable())
		SSL_set_mode(t->ssl, SSL_MODE_ASYNC);
	return t;
}

static void
leave_crowd(struct tls *t)
{
	if (t->in_crowd)
		TAILQ_REMOVE(&crowd, t, crowd);
	t->in_crowd = false;
}

static void
join_crowd(struct tls *t)
{
	t->waits = 0;
	t->in_crowd = true;
	TAILQ_INSERT_TAIL(&crowd, t, crowd);
}

/*
 * Whoever asks no more, or was called and does not ask, calls the next; one
 * call too many does no harm.
 */
static void
call_crowd(void)
{
	struct tls *t = TAILQ_FIRST(&crowd);

	if (t == NULL || nasked >= TLS_ASKED_MAX)
		return;
	leave_crowd(t);
	t->wake(t->wake_arg);
}

/*
 * A handshake that was left in the middle has a stack, which only its end
 * gives back: let it fail.
 */
static void
abandon(struct tls *t)
{
	if (t->sign == SIGN_ASKED) {
		t->ctx->signer.forget(t->ctx->signer.arg, t->asked);
		nasked--;
	}
	if (t->sign == SIGN_NONE)
		return;
	t->sign = SIGN_HERE;
	t->answer = STR_NONE;
	running = t;
	SSL_set_quiet_shutdown(t->ssl, 1);
	SSL_do_handshake(t->ssl);
	running = NULL;
	t->broken = true;
	ERR_clear_error();
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	abandon(t);
	leave_crowd(t);
	call_crowd();
	if (t->done && !t->broken) {
		ERR_clear_error();
		SSL_shutdown(t->ssl);
	}
	SSL_free(t->ssl);
	ERR_clear_error();
	SSL_SESSION_free(t->session);
	tls_ctx_unref(&t->ctx);
	for (size_t i = 0; t->names != NULL && t->names[i] != NULL; i++)
		free(t->names[i]);
	for (size_t i = 0; i < TLS_PROBLEMS; i++)
		free(t->problems[i]);
	free(t->names);
	free(t->scratch);
	free(t->subject);
	free(t->issuer);
	free(t->why);
	free(t);
}

/* --- signatures ----------------------------------------------------------- */

int
tls_pause(struct tls *t, const struct tls_sign *q)
{
	if (t->broken || q->tbs.n > TLS_TBS_MAX ||
	    ASYNC_get_current_job() == NULL)
		return -1;
	t->question = *q;
	t->sign = SIGN_WANTED;
	while (t->sign != SIGN_HERE)
		if (ASYNC_pause_job() != 1)
			return -1;
	t->sign = SIGN_NONE;
	running = t;
	return t->answer.n > 0 ? 0 : -1;
}

void
tls_signed(struct tls *t, struct str signature)
{
	if (t->sign != SIGN_ASKED)
		return;
	free(t->scratch);
	t->scratch = NULL;
	t->answer = STR_NONE;
	if (signature.n > 0 && signature.n <= TLS_SIGNATURE_MAX) {
		t->scratch = xmalloc(signature.n);
		memcpy(t->scratch, signature.p, signature.n);
		t->answer = str_make(t->scratch, signature.n);
	}
	t->asked = 0;
	t->sign = SIGN_HERE;
	nasked--;
	t->wake(t->wake_arg);
	call_crowd();
}

/* The handshake has stopped: have the question asked, or go on without. */
static bool
ask(struct tls *t)
{
	const struct tls_signer *s = &t->ctx->signer;

	if (s->ask != NULL)
		t->asked = s->ask(s->arg, &t->question, t);
	t->had_turn = true;
	if (t->asked != 0) {
		t->sign = SIGN_ASKED;
		nasked++;
		return true;
	}
	t->sign = SIGN_HERE;
	t->answer = STR_NONE;
	return false;
}

/* --- the handshake -------------------------------------------------------- */

static int
finish(struct tls *t)
{
	t->done = true;
	t->waits = LOOP_READ;
	/* What comes now is not worth a stack. */
	SSL_clear_mode(t->ssl, SSL_MODE_ASYNC);
	return 1;
}

static int
failed(struct tls *t, int result, int last)
{
	t->broken = true;
	t->waits = 0;
	tls_note_failure(t, result, last);
	return -1;
}

static int
shake(struct tls *t)
{
	for (;;) {
		int r, last;

		ERR_clear_error();
		errno = 0;
		running = t;
		r = SSL_do_handshake(t->ssl);
		last = errno;
		running = NULL;
		if (r == 1)
			return finish(t);
		switch (SSL_get_error(t->ssl, r)) {
		case SSL_ERROR_WANT_READ:
			t->waits = LOOP_READ;
			return 0;
		case SSL_ERROR_WANT_WRITE:
			t->waits = LOOP_WRITE;
			return 0;
		case SSL_ERROR_WANT_ASYNC:
			/* Still watched: who is silent now is cheapest so. */
			if (ask(t))
				return 0;
			break;
		case SSL_ERROR_WANT_ASYNC_JOB: /* no stack is free */
			join_crowd(t);
			return 0;
		default:
			return failed(t, r, last);
		}
	}
}

int
tls_handshake(struct tls *t)
{
	int r;

	if (t->done || t->broken)
		return t->done ? 1 : -1;
	if (t->sign == SIGN_ASKED) {
		t->waits = 0; /* the socket has to wait, too */
		return 0;
	}
	leave_crowd(t);
	if (t->ctx->remote && !t->had_turn && nasked >= TLS_ASKED_MAX) {
		join_crowd(t);
		return 0;
	}
	r = shake(t);
	call_crowd();
	return r;
}

/* --- bytes ---------------------------------------------------------------- */

static ssize_t
stuck(struct tls *t, int r, int last)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		t->waits = LOOP_READ;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_WANT_WRITE:
		t->waits = LOOP_WRITE;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		t->broken = true;
		errno = last == 0 ? ECONNRESET : last;
		return -1;
	default:
		t->broken = true;
		tls_note_failure(t, r, last);
		errno = EPROTO;
		return -1;
	}
}

ssize_t
tls_read(struct tls *t, void *p, size_t n)
{
	size_t all = 0;
	int r = 0, last = 0;

	if (t->broken || !t->done) {
		errno = EPROTO;
		return -1;
	}
	ERR_clear_error();
	while (all < n) {
		errno = 0;
		r = SSL_read(t->ssl, (char *)p + all,
		    n - all > INT32_MAX ? INT32_MAX : (int)(n - all));
		last = errno;
		t->starved = r <= 0;
		if (r <= 0)
			break;
		all += (size_t)r;
		/* Nothing more is here: save a look at the socket. */
		if (!SSL_has_pending(t->ssl))
			break;
	}
	if (all > 0) {
		t->waits = LOOP_READ;
		return (ssize_t)all;
	}
	return stuck(t, r, last);
}

ssize_t
tls_write(struct tls *t, const void *p, size_t n)
{
	size_t all = 0;
	int r = 0, last = 0;

	if (t->broken || !t->done) {
		errno = EPROTO;
		return -1;
	}
	ERR_clear_error();
	while (all < n) {
		errno = 0;
		r = SSL_write(t->ssl, (const char *)p + all,
		    n - all > INT32_MAX ? INT32_MAX : (int)(n - all));
		last = errno;
		if (r <= 0)
			break;
		all += (size_t)r;
	}
	if (all > 0)
		return (ssize_t)all;
	r = (int)stuck(t, r, last);
	if (r == 0) {
		errno = EPIPE;
		r = -1;
	}
	return r;
}

int
tls_waits(const struct tls *t)
{
	return t->waits;
}

bool
tls_pending(const struct tls *t)
{
	return t->done && !t->broken && !t->starved && SSL_has_pending(t->ssl);
}

/* --- resumption ----------------------------------------------------------- */

struct tls_session *
tls_session_take(struct tls *t)
{
	struct tls_session *s;

	if (t->session == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->s = t->session;
	t->session = NULL;
	return s;
}

void
tls_session_free(struct tls_session **sp)
{
	struct tls_session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	SSL_SESSION_free(s->s);
	free(s);
}
