/* SPDX-License-Identifier: ISC */
/*
 * What a server may say, from the greeting on, to the client's own session
 * code.  The first byte chooses protocol and number of recipients; the rest
 * comes in one go, then the connection ends.  Every recipient must come out
 * with exactly one fate, and delivered only after a 2xx.
 */
#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

#include "regress/unit/t_smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;
static struct str script;
static int client_fd = -1, server_fd = -1;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
on_connect(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg)
{
	struct broker_connected a;
	int sv[2];

	(void)rec;
	(void)fds;
	(void)arg;
	memset(&a, 0, sizeof(a));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		 sv) == 0);
	fd_close(&server_fd);
	server_fd = sv[0];
	client_fd = sv[1];
	if (script.n > 0)
		must(write(server_fd, script.p, script.n) == (ssize_t)script.n);
	shutdown(server_fd, SHUT_WR);
	chan_answer(ch, BROKER_CONNECTED, id, &a, &client_fd);
}

static const struct chan_on broker_on[] = { { BROKER_CONNECT, on_connect },
	{ 0, NULL } };

static void
no_log(enum log_level level, struct str service, struct str text,
    int64_t when_us, void *arg)
{
	(void)level;
	(void)service;
	(void)when_us;
	(void)arg;
	must(text.n < 8192);
}

static void
set_up(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	rig_init(&rig, "smtp_mx_session_limit = 1\n");
	chan_free(&rig.m.broker);
	chan_free(&rig.broker_b);
	rig_pair(&rig, &edge_broker, rig_none, broker_on, &rig, &rig,
	    &rig.m.broker, &rig.broker_b);
	log_sink(no_log, NULL);
}

static bool
says_success(struct str s)
{
	for (size_t i = 0; i + 2 < s.n; i++)
		if (s.p[i] == '2' && (i == 0 || s.p[i - 1] == '\n'))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;

	if (size < 1 || size > 60000)
		return 0;
	set_up();
	script = str_make(data + 1, size - 1);
	n = data[0] & 2 ? 3 : 1;
	rig.nfates = 0;
	rig_job(&rig, data[0] & 1 ? "lmtp" : "smtp", "dest.example", "s@a",
	    n == 1 ? "r@b" : "r@b q@b p@b", data[0] & 4 ? ENV_8BITMIME : 0,
	    "Subject: x\n\n.hello\n");
	must(rig_run(&rig));
	must(rig.nfates == n && rig.failed == 0);
	for (size_t i = 0; i < n; i++) {
		must(rig.fate[i].fate >= FATE_SENT &&
		    rig.fate[i].fate <= FATE_DEFERRED);
		must(rig.fate[i].fate != FATE_SENT || says_success(script));
		must(rig.fate[i].dsn[0] ==
		    (rig.fate[i].fate == FATE_SENT	     ? '2' :
			    rig.fate[i].fate == FATE_BOUNCED ? '5' :
							       '4'));
	}
	must(TAILQ_EMPTY(&rig.m.jobs));
	return 0;
}
