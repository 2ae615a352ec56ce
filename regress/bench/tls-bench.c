/* SPDX-License-Identifier: ISC */
/*
 * tls-bench [seconds]: full TLS handshakes a second with the private key in
 * the worker, and with the key in a process of its own that is asked for each
 * signature, for one worker and for two; RSA 2048 and P-256.
 *
 * Clients, workers and holder are processes of their own with an event loop
 * each, joined by the channels and records of the real thing.
 *	make build/regress/bench/tls-bench && build/regress/bench/tls-bench 3
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daemons/keys/keys.h"
#include "edge/edges.h"
#include "tls/keyring.h"

#define WORKERS_MAX 2
#define CLIENTS 16 /* at a time, of each worker */

static char *cert, *key; /* PEM */
static struct loop *loop;
static struct keys holder;

static char *
bio_take(BIO *bio)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	char *s = xstrndup(p, (size_t)n);

	BIO_free(bio);
	return s;
}

static void
make_pair(bool rsa)
{
	EVP_PKEY *pk = rsa ?
	    EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048) :
	    EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());

	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, pk);
	X509_sign(x, pk, EVP_sha256());
	PEM_write_bio_X509(bio, x);
	cert = bio_take(bio);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, pk, NULL, NULL, 0, NULL, NULL);
	key = bio_take(bio);
}

/* --- the holder ------------------------------------------------------------- */

static const struct chan_on near_on[] = { { KEYS_SIGN, on_sign }, { 0, NULL } };

static void
gone(struct chan *ch, const char *why, void *arg)
{
	(void)ch;
	(void)why;
	(void)arg;
	_exit(0);
}

static void
hold(const int *fd, size_t n)
{
	struct service *sv = xcalloc(1, sizeof(*sv));
	struct fetch f[2] = {
		{ .name = cert, .text = cert, .len = strlen(cert) },
		{ .name = key, .text = key, .len = strlen(key) }
	};

	loop = loop_new();
	keys_init(&holder, loop);
	sv->keys = &holder;
	sv->component = xstrdup("smtpd");
	sv->name = xstrdup("25");
	sv->loaded = true;
	held_set_make(&sv->set, f, 2);
	TAILQ_INSERT_TAIL(&holder.services, sv, link);
	for (size_t i = 0; i < n; i++)
		asker_up(&holder,
		    chan_new(loop, fd[i], &edge_keys, SIDE_B, near_on, gone,
			&holder),
		    "smtpd");
	loop_run(loop);
}

/* --- both ends of connections ------------------------------------------------ */

struct conn {
	struct tls *tls;
	struct watch watch;
	struct turn turn;
	struct conns *of;
	int fd;
};

struct conns {
	struct tls_ctx *ctx;
	const char *path; /* clients connect there */
	unsigned done;
	struct watch accept;
	int fd;
};

static void next_client(struct conns *cs);

static void
conn_end(struct conn *c)
{
	struct conns *cs = c->of;

	tls_free(&c->tls);
	watch_clear(&c->watch);
	turn_cancel(&c->turn);
	fd_close(&c->fd);
	free(c);
	if (cs->path != NULL)
		next_client(cs);
}

static void
on_turn(void *arg)
{
	struct conn *c = arg;
	char b;

	switch (tls_handshake(c->tls)) {
	case 0:
		watch_set(&c->watch, tls_waits(c->tls));
		return;
	case -1:
		errx(1, "handshake: %s %s", tls_why(c->tls),
		    tls_problem(c->tls, 0));
	}
	if (c->of->path != NULL) {
		/* Greeted: that was it. */
		if (tls_read(c->tls, &b, 1) != 1) {
			watch_set(&c->watch, LOOP_READ);
			return;
		}
		c->of->done++;
	} else if (tls_write(c->tls, "2", 1) != 1) {
		errx(1, "write");
	}
	conn_end(c);
}

static void
wake(void *arg)
{
	turn_ask(&((struct conn *)arg)->turn);
}

static void
on_ready(int what, void *arg)
{
	(void)what;
	wake(arg);
}

static void
conn_new(struct conns *cs, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->of = cs;
	c->fd = fd;
	turn_init(&c->turn, loop, on_turn, c);
	watch_init(&c->watch, loop, fd, on_ready, c);
	c->tls = tls_new(cs->ctx, fd, NULL, wake, c);
	wake(c);
}

static void
on_accept(int what, void *arg)
{
	struct conns *cs = arg;
	int fd;

	(void)what;
	while ((fd = accept4(cs->fd, NULL, NULL, SOCK_NONBLOCK)) != -1)
		conn_new(cs, fd);
}

static void
next_client(struct conns *cs)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	/* The name begins with a zero: it is no file. */
	memcpy(un.sun_path + 1, cs->path, strlen(cs->path));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    fd_nonblock(fd, 1) == -1)
		err(1, "connect");
	conn_new(cs, fd);
}

/* --- processes --------------------------------------------------------------- */

static struct tls_ctx *
make_ctx(enum tls_role role, const struct tls_cert *c, struct tls_signer signer)
{
	struct tls_set set = { .role = role,
		.certs = c,
		.ncerts = c != NULL,
		.signer = signer };
	struct tls_ctx *ctx;
	struct buf e;

	buf_init(&e, 512);
	ctx = tls_ctx_new(&set, &e);
	if (ctx == NULL)
		errx(1, "%s", buf_cstr(&e));
	return ctx;
}

static struct conns server;

static void
on_set(const struct keyset *ks, bool tickets_only, void *arg)
{
	(void)arg;
	if (tickets_only || server.ctx != NULL)
		return;
	server.ctx = make_ctx(TLS_SERVER, &ks->certs[0], keyring_signer(0));
	watch_set(&server.accept, LOOP_READ);
}

static void
work(int listener, int channel)
{
	struct tls_cert c = { .key = str_of(key) };
	struct buf der;

	loop = loop_new();
	server.fd = listener;
	watch_init(&server.accept, loop, listener, on_accept, &server);
	if (channel != -1) {
		keyring_changed(on_set, NULL);
		keyring_up(chan_new(loop, channel, &edge_keys, SIDE_A,
			       keyring_on, gone, NULL),
		    0, 0, NULL);
	} else {
		buf_init(&der, 65536);
		if (tls_pem_certs(str_of(cert), &der) != 1)
			errx(1, "certificate");
		c.chain = buf_get(&der);
		server.ctx = make_ctx(TLS_SERVER, &c, (struct tls_signer){ 0 });
		watch_set(&server.accept, LOOP_READ);
	}
	loop_run(loop);
}

static void
on_stop(void *arg)
{
	loop_stop(arg, 0);
}

static double
cpu_of_children(void)
{
	struct rusage ru;

	getrusage(RUSAGE_CHILDREN, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

/* Handshakes a second; and milliseconds of CPU of workers and holder each. */
static double
measure(bool remote, size_t workers, int seconds, double *cpu)
{
	double before = cpu_of_children();
	char path[WORKERS_MAX][64];
	struct conns clients[WORKERS_MAX];
	int near[WORKERS_MAX], pair[2], listener;
	pid_t pid[WORKERS_MAX + 1];
	struct timer t;
	size_t n = 0;
	unsigned all = 0;

	for (size_t i = 0; i < workers; i++) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		snprintf(path[i], sizeof(path[i]), "tls-bench-%d-%zu",
		    (int)getpid(), i);
		memcpy(un.sun_path + 1, path[i], strlen(path[i]));
		listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (bind(listener, (struct sockaddr *)&un, sizeof(un)) == -1 ||
		    listen(listener, 128) == -1 ||
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			pair) == -1)
			err(1, "sockets");
		pid[n++] = fork();
		if (pid[n - 1] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(listener, remote ? pair[1] : -1);
		}
		near[i] = pair[0];
		close(pair[1]);
		close(listener);
	}
	pid[n++] = fork();
	if (pid[n - 1] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(near, workers);
	}
	loop = loop_new();
	for (size_t i = 0; i < workers; i++) {
		close(near[i]);
		clients[i] = (struct conns){ .path = path[i],
			.ctx = make_ctx(TLS_CLIENT, NULL,
			    (struct tls_signer){ 0 }) };
		for (int k = 0; k < CLIENTS; k++)
			next_client(&clients[i]);
	}
	timer_init(&t, loop, on_stop, loop);
	timer_set(&t, seconds * 1000);
	loop_run(loop);
	for (size_t i = 0; i < workers; i++)
		all += clients[i].done;
	for (size_t i = 0; i < n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	*cpu = (cpu_of_children() - before) * 1000 / all;
	return (double)all / seconds;
}

int
main(int argc, char *argv[])
{
	int seconds = argc > 1 ? atoi(argv[1]) : 3;

	signal(SIGPIPE, SIG_IGN);
	tls_init();
	for (int rsa = 0; rsa < 2; rsa++) {
		make_pair(rsa);
		for (size_t workers = 1; workers <= WORKERS_MAX; workers++) {
			double v[2] = { 0, 0 }, cpu[2] = { 1e9, 1e9 };

			/* In turns, the best of three: others work here, too. */
			for (int i = 0; i < 6; i++) {
				double c,
				    n = measure(i % 2, workers, seconds, &c);

				if (n > v[i % 2])
					v[i % 2] = n;
				if (c < cpu[i % 2])
					cpu[i % 2] = c;
			}
			printf("%-8s %zu worker%s  key inside %5.0f/s, CPU %.2f"
			       " ms; in keys %5.0f/s (%+.0f %%), CPU %.2f ms\n",
			    rsa ? "RSA-2048" : "P-256", workers,
			    workers > 1 ? "s" : " ", v[0], cpu[0], v[1],
			    (v[1] - v[0]) * 100 / v[0], cpu[1]);
			fflush(stdout);
		}
	}
	return 0;
}
