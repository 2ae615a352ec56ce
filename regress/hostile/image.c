/* SPDX-License-Identifier: ISC */
/*
 * The launcher's part for a warm image of smtpd: make it, give it what its
 * copies are to have, order copies, attest them.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"
#include "base/self.h"
#include "conf/build.h"
#include "hostile.h"
#include "sandbox/attest.h"
#include "sandbox/warm.h"

static struct {
	pid_t pid;
	int fd, filter_fd;
	const struct cradle *cradle;
	struct sandbox_place place;
	bool proven; /* a copy was read in full; this is what it showed */
	struct evidence first;
	char said[256];
} im = { .fd = -1 };

static const char main_cf[] = "myhostname = mx.test.example\n"
			      "mydestination =\n"
			      "smtpd_isolation = connection\n"
			      "smtpd_tls_security_level = may\n"
			      "mynetworks = 127.0.0.0/8\n";
static const char master_cf[] = "smtp inet n - y - - smtpd\n";

/* Two sealed snapshots: its own, and that of its one service. */
static int
config_make(int *own, int *service)
{
	struct build b;

	build_parse(&b, "/nonexistent", STR(main_cf), STR(master_cf));
	hostfacts_init(&b.host);
	*own = *service = -1;
	if (build_check(&b) == 0) {
		*own = build_memfd(&b, NULL, 1);
		*service = build_memfd(&b, &b.master.v[0], 1);
	}
	build_clear(&b);
	return *own == -1 || *service == -1 ? -1 : 0;
}

static NORETURN void
image_exec(int channel, int config, const struct hand *h)
{
	struct cradle_fd fds[] = { { SLOT_BROKER, channel },
		{ SLOT_CONFIG, config }, { SLOT_FILTER, im.filter_fd } };
	char *path = xasprintf("%s/smtpd", self_directory());
	char *env[] = { xasprintf(HOSTILE_WORLD "=%d %u %u %s", (int)h->victim,
			    h->tcp_port, h->udp_port, h->abstract),
		NULL };
	char *argv[] = { path, NULL, xstrdup(WARM_INSTANCE), NULL };
	struct buf text;

	buf_init(&text, 256);
	place_format(&im.place, &text);
	argv[1] = xstrdup(buf_cstr(&text));
	if (cradle_child(im.cradle, h->policy, fds, NELEM(fds)) == 0)
		execve(path, argv, env);
	_exit(70);
}

static void
on_say(void *arg, int level, const char *text)
{
	(void)arg;
	(void)level;
	strlcpy(im.said, text, sizeof(im.said));
}

int
image_open(const struct cradle *c, const struct sandbox_place *place,
    int filter_fd, const struct hand *h, char *err, size_t size)
{
	int sv[2], config, service, r;

	im.cradle = c;
	im.place = *place;
	im.filter_fd = filter_fd;
	im.proven = false;
	im.said[0] = '\0';
	if (config_make(&config, &service) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1) {
		snprintf(err, size, "configuration: %s", strerror(errno));
		return -1;
	}
	im.pid = warm_clone();
	if (im.pid == 0)
		image_exec(sv[1], config, h);
	im.fd = sv[0];
	close(sv[1]);
	close(config);
	r = warm_give(im.fd, 0, STR("smtp"), service);
	close(service);
	if (r == 0 && warm_ready(im.fd, on_say, NULL) == 0)
		return 0;
	snprintf(err, size, "image: %s: %s", strerror(errno), im.said);
	image_close();
	return -1;
}

void
image_close(void)
{
	fd_close(&im.fd);
	if (im.pid > 0)
		while (waitpid(im.pid, NULL, 0) == -1 && errno == EINTR)
			;
	im.pid = 0;
}

/* As spawn_attest() of the launcher: the first in full, then its own. */
static int
attest(pid_t pid, char *err, size_t size)
{
	const struct policy *p = policy_find(STR("smtpd"));
	struct evidence ev;

	if (im.proven)
		return sandbox_attest_copy(pid, p, &im.place, &im.first,
		    im.filter_fd, &ev, err, size);
	im.proven = sandbox_attest(pid, p, &im.place, im.cradle, im.filter_fd,
			&im.first, err, size) == 0;
	return im.proven ? 0 : -1;
}

pid_t
image_copy(unsigned i, int ours, int *channel, char *err, size_t size)
{
	int note = note_make();
	pid_t pid = warm_birth(im.fd, i, *channel, note);
	char byte;

	if (pid == -1)
		snprintf(err, size, "copying: %s", strerror(errno));
	fd_close(&note);
	fd_close(channel); /* its end, so that we hear of its own */
	if (pid == -1)
		return -1;
	if (recv(ours, &byte, 1, 0) == 1 && attest(pid, err, size) == 0)
		return pid;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	return -1;
}
