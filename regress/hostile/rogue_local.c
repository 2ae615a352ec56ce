/* SPDX-License-Identifier: ISC */
/*
 * rogue-local - a captured local of a running system: in its place and its
 * sandbox it asks for files that no alias names, for the ways of other users,
 * and passes mail on by ways that rewrite did not give.
 *
 * `rogue.orders` beside it has a file that the alias `named` has (KEY VALUE,
 * `file`).  It says of everything in the log what came of it.  At the end of
 * each life, which are counted in `rogue.life`, it passes a recipient on, and
 * in the last one as an honest local would.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/fd.h"
#include "base/mem.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "edge/ticket.h"
#include "log/log.h"

#define USER "victim@local.example"
#define LIVES 6

static struct {
	unsigned life, step;
	const char *what;
	struct chan *lookup, *rewrite, *qmgr, *box;
	uint64_t job;
	int fd; /* of the message */
	char file[512], dir[540];
	struct lookup_signed word; /* for the file */
	struct deliver_pass way;   /* for the user */
	char transport[64], nexthop[512];
} ro = { .fd = -1 };

static void next_step(void);

static void
done(bool obeyed)
{
	log_info("rogue: %s: %s", ro.what, obeyed ? "obeyed" : "refused");
	next_step();
}

/* --- files ---------------------------------------------------------------- */

static void
on_signed(unsigned type, const void *rec, UNUSED int *fds, UNUSED void *arg)
{
	const struct lookup_signed *s = rec;

	if (type == LOOKUP_SIGNED && s->status == LOOKUP_FOUND)
		ro.word = *s;
	done(type == LOOKUP_SIGNED && s->status == LOOKUP_FOUND);
}

static void
sign(const char *what, enum command_kind kind, const char *alias,
    const char *list, const char *text)
{
	struct lookup_command q = { .kind = (uint8_t)kind,
		.key = str_of(alias),
		.path = str_of(list),
		.text = str_of(text) };

	ro.what = what;
	chan_ask(ro.lookup, LOOKUP_COMMAND, &q, NULL, on_signed, NULL);
}

static void
on_box_gone(UNUSED struct chan *ch, UNUSED const char *why, UNUSED void *arg)
{
	ro.box = NULL;
}

static void
on_box(unsigned type, UNUSED const void *rec, int *fds, UNUSED void *arg)
{
	static const struct chan_on nothing[] = { { 0, NULL } };

	if (type == BROKER_MAILBOX_OPEN) {
		ro.box = chan_new(boot_loop(), fds[0], &edge_mailbox, SIDE_A,
		    nothing, on_box_gone, NULL);
		fds[0] = -1;
	}
	done(type == BROKER_MAILBOX_OPEN);
}

/* The directory may be had: what counts is what is written there. */
static void
box(const char *what)
{
	struct broker_mailbox q = { .dir = str_of(ro.dir) };

	ro.what = what;
	chan_ask(boot_broker(), BROKER_MAILBOX, &q, NULL, on_box, NULL);
}

static void
on_written(unsigned type, const void *rec, UNUSED int *fds, UNUSED void *arg)
{
	const struct mailbox_written *w = rec;

	done(type == MAILBOX_WRITTEN && w->fate == FATE_SENT);
}

static void
write_file(const char *what, const char *name, uint8_t flags, bool word)
{
	struct mailbox_write w = { .flags = flags,
		.path = str_of(name),
		.sender = STR("rogue@local.example"),
		.expires = word ? ro.word.expires : ticket_expiry(),
		.ticket = word ? ro.word.ticket : 1,
		.size = 1 };
	int fd = ro.fd;

	ro.what = what;
	if (ro.box == NULL) {
		done(false);
		return;
	}
	if (strncmp(what, "right", 5) != 0)
		fd = fcntl(ro.fd, F_DUPFD_CLOEXEC, 6);
	else
		ro.fd = -1;
	chan_ask(ro.box, MAILBOX_WRITE, &w, &fd, on_written, NULL);
}

/* --- ways ----------------------------------------------------------------- */

static void
on_way(unsigned type, const void *rec, UNUSED int *fds, UNUSED void *arg)
{
	const struct resolve_answer *a = rec;
	bool ok = type == RESOLVE_ANSWER && a->status == RESOLVE_OK &&
	    a->pass != 0;

	if (ok && strncmp(ro.what, "right", 5) == 0) {
		str_copy(a->transport, ro.transport, sizeof(ro.transport));
		str_copy(a->nexthop, ro.nexthop, sizeof(ro.nexthop));
		ro.way = (struct deliver_pass){ .ticket = a->ticket,
			.pass = a->pass,
			.addr = STR(USER),
			.transport = str_of(ro.transport),
			.nexthop = str_of(ro.nexthop) };
	}
	done(ok);
}

static void
way(const char *what, uint8_t flags, const char *addr, const char *user)
{
	struct resolve_ask q = { .flags = flags,
		.addr = str_of(addr),
		.sender = str_of(user) };

	ro.what = what;
	chan_ask(ro.rewrite, RESOLVE_ASK, &q, NULL, on_way, NULL);
}

/* qmgr closes the channel, and we end with it; the message comes again. */
static void
pass(void)
{
	struct deliver_pass p = ro.way;

	switch (ro.life) {
	case 1:
		p.pass = 0;
		break;
	case 2:
		p.transport = STR("stolen");
		break;
	case 3:
		p.nexthop = STR("stolen");
		break;
	case 4:
		p.addr = STR("stolen@far.example");
		break;
	case 5:
		p.ticket++;
		break;
	default:
		break;
	}
	log_info("rogue: life %u of %u passes on", ro.life, LIVES);
	chan_tell(ro.qmgr, DELIVER_PASS, ro.job, &p, NULL);
	if (ro.life >= LIVES)
		chan_answer(ro.qmgr, DELIVER_DONE, ro.job, NULL, NULL);
}

/* --- one after the other -------------------------------------------------- */

static void
next_step(void)
{
	const char *name = strrchr(ro.file, '/') + 1;

	switch (ro.life == 1 ? ro.step++ : 100 + ro.step++) {
	case 0:
		sign("a file that no alias names", COMMAND_FILE, "named", "",
		    "/tmp/rogue");
		return;
	case 1:
		sign("a file of no alias", COMMAND_FILE, "nobody", "", ro.file);
		return;
	case 2:
		sign("a file of another list", COMMAND_FILE, "named",
		    "/etc/passwd", ro.file);
		return;
	case 3:
		sign("a file as a command", COMMAND_ALIAS, "named", "",
		    ro.file);
		return;
	case 4:
		box("right: the directory");
		return;
	case 5:
		write_file("without a word", name, MAILBOX_FILE, false);
		return;
	case 6:
		sign("right: a file of an alias", COMMAND_FILE, "named", "",
		    ro.file);
		return;
	case 7:
		write_file("its neighbour", "neighbour", MAILBOX_FILE, true);
		return;
	case 8:
		write_file("as a mailbox", name, 0, true);
		return;
	case 9:
		write_file("right: what the alias has", name, MAILBOX_FILE,
		    true);
		return;
	case 10:
		way("the way of another user", RESOLVE_MAILBOX,
		    "joe@local.example", "victim");
		return;
	case 11:
		way("the way of half a user", RESOLVE_MAILBOX, USER, "vic");
		return;
	case 12:
		way("the way of no user", RESOLVE_MAILBOX, USER, "");
		return;
	case 13:
		way("a way as anybody's", 0, USER, "");
		return;
	case 14:
	case 100:
		way("right: the way of the user", RESOLVE_MAILBOX, USER,
		    "victim");
		return;
	case 15:
	case 101:
		pass();
		return;
	default:
		return;
	}
}

static void
on_job(UNUSED struct chan *ch, uint64_t id, UNUSED const void *rec, int *fds,
    UNUSED void *arg)
{
	ro.job = id;
	ro.fd = fds[0];
	fds[0] = -1;
	next_step();
}

/* --- life ----------------------------------------------------------------- */

static void
read_orders(char *self)
{
	char *dir = dirname(self), key[32], value[512];
	char *path = xasprintf("%s/rogue.orders", dir);
	char *lives = xasprintf("%s/rogue.life", dir);
	FILE *f = fopen(path, "r");

	if (f == NULL)
		log_fatal("%s: %s", path, strerror(errno));
	while (fscanf(f, "%31s %511[^\n]", key, value) == 2)
		if (strcmp(key, "file") == 0)
			strlcpy(ro.file, value, sizeof(ro.file));
	fclose(f);
	f = fopen(lives, "a+");
	if (f == NULL || fputc('x', f) == EOF || fflush(f) != 0)
		log_fatal("%s: %s", lives, strerror(errno));
	ro.life = (unsigned)ftell(f);
	fclose(f);
	free(path);
	free(lives);
	snprintf(ro.dir, sizeof(ro.dir), "0:%.*s",
	    (int)(strrchr(ro.file, '/') - ro.file), ro.file);
}

static void
on_grant(UNUSED const struct broker_grant *g, int fd, UNUSED void *arg)
{
	close(fd);
}

/* It will not be introduced to us again. */
static void
on_qmgr_gone(UNUSED struct chan *ch, UNUSED unsigned instance,
    UNUSED void *arg)
{
	boot_exit(0);
}

static const struct chan_on no_records[] = { { 0, NULL } };
static const struct chan_on jobs_on[] = { { DELIVER_JOB, on_job },
	{ 0, NULL } };

static const struct boot_peer peers[] = {
	{ "lookup", &edge_lookup, SIDE_A, no_records, &ro.lookup, NULL, NULL,
	    false },
	{ "rewrite", &edge_resolve, SIDE_A, no_records, &ro.rewrite, NULL,
	    NULL, false },
	{ "qmgr", &edge_deliver, SIDE_B, jobs_on, &ro.qmgr, NULL,
	    on_qmgr_gone, true },
	{ "qmgr", &edge_spool, SIDE_A, no_records, NULL, NULL, NULL, true },
	{ "cleanup", &edge_intake, SIDE_A, no_records, NULL, NULL, NULL, true },
};

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .grant = on_grant };

	boot_start("local", argc, argv);
	read_orders(argv[0]);
	boot_seal(peers, NELEM(peers), &hooks, NULL);
	return boot_run();
}
