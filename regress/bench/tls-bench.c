/* SPDX-License-Identifier: ISC */
/*
 * tls-bench [pairs [seconds]]: full TLS handshakes with the private key in the
 * worker, and with the key in a process of its own that is asked for each
 * signature; P-256 and RSA 2048, one worker and two.
 *
 * Clients, workers and holder are processes of their own with an event loop
 * each, joined by the channels and records of the real thing.  All clients are
 * one process, on the same machine.  For each case it shows
 *
 *	1 at a time	how long one handshake takes that nobody disturbs
 *	16 at a time	how many a second, of each worker: what the processes
 *			can do at the same time, and who of them sleeps
 *	CPU		of each process, a handshake.  On a server whose
 *			processors are all busy, and whose clients are
 *			elsewhere, workers and holder together are what counts:
 *			the last column.
 *
 * A client's half of a handshake costs more than a server's with P-256: where
 * the clients never sleep, the rate is theirs, and says of the servers no more
 * than that they kept up.
 *
 * Rounds with the key here and there alternate, and what is compared are
 * medians.  A round in which anybody else used more than a tenth of the machine
 * is told apart (and not counted, while there are quiet ones).
 *	make build/regress/bench/tls-bench && build/regress/bench/tls-bench
 */
#include <sys/prctl.h>
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
#include <time.h>
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
#define PAIRS_MAX 99
#define OTHERS_MAX 0.1 /* of the machine, in a round that counts */
#define WARM_MS 60

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

/* --- the holder ----------------------------------------------------------- */

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

/* --- both ends of connections --------------------------------------------- */

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

/* --- processes ------------------------------------------------------------ */

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

/* --- what it costs -------------------------------------------------------- */

enum who {
	CLIENT,
	WORKER,
	HOLDER,
	WHO
};

/* Of processes, from the kernel's books. */
struct usage {
	double run, queued; /* seconds; queued: it could have run */
	double turns;	    /* times it was put on a processor */
};

struct round {
	double rate;		     /* handshakes a second */
	double cpu[WHO], turns[WHO]; /* a handshake; ms */
	double asleep[WHO]; /* part of the time; of workers the average */
	double others;	    /* part of the machine that others used */
};

static pid_t worker[WORKERS_MAX], holding;
static size_t workers;

static void
add_usage(pid_t pid, struct usage *u)
{
	double run, queued, turns;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%lf %lf %lf", &run, &queued, &turns) != 3)
		err(1, "%s", path);
	fclose(f);
	u->run += run / 1e9;
	u->queued += queued / 1e9;
	u->turns += turns;
}

static void
look(struct usage u[WHO])
{
	memset(u, 0, sizeof(*u) * WHO);
	add_usage(getpid(), &u[CLIENT]);
	for (size_t i = 0; i < workers; i++)
		add_usage(worker[i], &u[WORKER]);
	add_usage(holding, &u[HOLDER]);
}

/* Seconds that all processors were busy. */
static double
machine_busy(void)
{
	double v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "r");

	if (f == NULL ||
	    fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1],
		&v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		err(1, "/proc/stat");
	fclose(f);
	/* All but idle and waiting for a disk. */
	return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) /
	    (double)sysconf(_SC_CLK_TCK);
}

static double
clock_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- a round -------------------------------------------------------------- */

static struct conns clients[WORKERS_MAX];
static char path[WORKERS_MAX][64];

static void
on_stop(void *arg)
{
	loop_stop(arg, 0);
}

static void
run_for(int ms)
{
	struct timer t;

	timer_init(&t, loop, on_stop, loop);
	timer_set(&t, ms);
	loop_run(loop);
	timer_clear(&t);
}

static unsigned
all_done(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < workers; i++)
		n += clients[i].done;
	return n;
}

/* A name for perf and top; and no child outlives its parent. */
static void
become(const char *name)
{
	prctl(PR_SET_NAME, name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* One worker and its channel to the holder, whose end is returned. */
static int
start_worker(size_t i, bool remote)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int pair[2];

	snprintf(path[i], sizeof(path[i]), "tls-bench-%d-%zu", (int)getpid(),
	    i);
	memcpy(un.sun_path + 1, path[i], strlen(path[i]));
	if (bind(listener, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    listen(listener, 128) == -1 || chan_pair(pair) == -1)
		err(1, "sockets");
	worker[i] = fork();
	if (worker[i] == 0) {
		become(remote ? "tls-worker-far" : "tls-worker");
		work(listener, remote ? pair[1] : -1);
	}
	close(pair[1]);
	close(listener);
	return pair[0];
}

static void
start(bool remote, int each)
{
	int near[WORKERS_MAX];

	for (size_t i = 0; i < workers; i++)
		near[i] = start_worker(i, remote);
	holding = fork();
	if (holding == 0) {
		become("tls-keys");
		hold(near, workers);
	}
	loop = loop_new();
	for (size_t i = 0; i < workers; i++) {
		close(near[i]);
		clients[i] = (struct conns){ .path = path[i],
			.ctx = make_ctx(TLS_CLIENT, NULL,
			    (struct tls_signer){ 0 }) };
		for (int k = 0; k < each; k++)
			next_client(&clients[i]);
	}
}

static struct round
measure(bool remote, int each, double seconds)
{
	struct usage a[WHO], b[WHO];
	struct round r;
	double busy, t, ours = 0, n;

	start(remote, each);
	run_for(WARM_MS);
	n = all_done();
	look(a);
	busy = machine_busy();
	t = clock_s();
	run_for((int)(seconds * 1000));
	n = all_done() - n;
	t = clock_s() - t;
	look(b);
	r.rate = n / t;
	for (int i = 0; i < WHO; i++) {
		double here = t * (double)(i == WORKER ? workers : 1);
		double run = b[i].run - a[i].run;

		ours += run;
		r.cpu[i] = run * 1000 / n;
		r.turns[i] = (b[i].turns - a[i].turns) / n;
		r.asleep[i] = 1 - (run + b[i].queued - a[i].queued) / here;
	}
	r.others = (machine_busy() - busy - ours) / t /
	    (double)sysconf(_SC_NPROCESSORS_ONLN);
	for (size_t i = 0; i < workers; i++)
		kill(worker[i], SIGKILL);
	kill(holding, SIGKILL);
	return r;
}

/* A round in a process of its own, whose end is that of all it has started. */
static struct round
measure_apart(bool remote, int each, double seconds)
{
	struct round r;
	int ends[2];
	pid_t pid;

	if (pipe(ends) == -1)
		err(1, "pipe");
	pid = fork();
	if (pid == 0) {
		become("tls-clients");
		r = measure(remote, each, seconds);
		_exit(write(ends[1], &r, sizeof(r)) != sizeof(r));
	}
	close(ends[1]);
	if (read(ends[0], &r, sizeof(r)) != sizeof(r))
		errx(1, "a round failed");
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return r;
}

/* --- rounds --------------------------------------------------------------- */

/* One round of each, right after the other. */
struct pair {
	struct round here, there; /* the key */
	double rate, server;	  /* there by here: the rate, and CPU */
};

static struct pair
measure_pair(int each, double seconds)
{
	struct pair p;

	p.here = measure_apart(false, each, seconds);
	p.there = measure_apart(true, each, seconds);
	p.rate = p.there.rate / p.here.rate;
	p.server =
	    (p.there.cpu[WORKER] + p.there.cpu[HOLDER]) / p.here.cpu[WORKER];
	return p;
}

static int
compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

/* The medians of all that is in pairs. */
static struct pair
typical(const struct pair *v, size_t n)
{
	double x[PAIRS_MAX];
	struct pair r;

	for (size_t at = 0; at < sizeof(r); at += sizeof(double)) {
		for (size_t i = 0; i < n; i++)
			memcpy(&x[i], (const char *)&v[i] + at, sizeof(x[i]));
		qsort(x, n, sizeof(x[0]), compare);
		memcpy((char *)&r + at, &x[n / 2], sizeof(x[0]));
	}
	return r;
}

/*
 * As many pairs as were asked for, or as there were quiet ones among eight
 * times as many, in the front; their number.  None is quiet: the last few.
 */
static size_t
measure_pairs(struct pair *v, size_t wanted, int each, double seconds)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted * 8 && n < wanted; i++) {
		v[n] = measure_pair(each, seconds);
		if (v[n].here.others < OTHERS_MAX &&
		    v[n].there.others < OTHERS_MAX)
			n++;
	}
	if (n > 0)
		return n;
	for (; n < 3 && n < wanted; n++)
		v[n] = measure_pair(each, seconds);
	return n;
}

static void
print_side(const char *name, const struct round *r)
{
	printf("    %-8s %5.0f/s  CPU client %.3f worker %.3f keys %.3f ms,"
	       " asleep %2.0f %2.0f %3.0f %%, turns %.1f %.1f %.1f\n",
	    name, r->rate, r->cpu[CLIENT], r->cpu[WORKER], r->cpu[HOLDER],
	    r->asleep[CLIENT] * 100, r->asleep[WORKER] * 100,
	    r->asleep[HOLDER] * 100, r->turns[CLIENT], r->turns[WORKER],
	    r->turns[HOLDER]);
}

static void
compare_sides(const char *name, int each, size_t wanted, double seconds)
{
	static struct pair v[PAIRS_MAX];
	size_t n = measure_pairs(v, wanted, each, seconds);
	struct pair p = typical(v, n);

	printf("%-8s %zu worker%s %2d at a time:  %+.0f %% handshakes", name,
	    workers, workers > 1 ? "s," : ", ", each, (p.rate - 1) * 100);
	if (each == 1)
		printf(" (%.2f ms, %.2f ms)", 1000 / p.here.rate,
		    1000 / p.there.rate);
	printf("  %+.0f %% CPU of the server's  [%zu pairs, others %.0f %%]\n",
	    (p.server - 1) * 100, n, p.there.others * 100);
	print_side("inside", &p.here);
	print_side("in keys", &p.there);
	fflush(stdout);
}

int
main(int argc, char *argv[])
{
	size_t pairs = argc > 1 ? (size_t)atoi(argv[1]) : 9;
	double seconds = argc > 2 ? atof(argv[2]) : 0.5;

	if (pairs < 1 || pairs > PAIRS_MAX || seconds < 0.05)
		errx(1, "usage: tls-bench [pairs [seconds]]");
	signal(SIGPIPE, SIG_IGN);
	tls_init();
	for (int rsa = 0; rsa < 2; rsa++) {
		const char *name = rsa ? "RSA-2048" : "P-256";

		make_pair(rsa);
		workers = 1;
		compare_sides(name, 1, pairs, seconds);
		for (; workers <= WORKERS_MAX; workers++)
			compare_sides(name, CLIENTS, pairs, seconds);
	}
	return 0;
}
