/* SPDX-License-Identifier: ISC */
/*
 * mailbox - writes the mail of one user, as that user.
 *
 * Holds:  SLOT_BROKER   grants                               (peer: broker)
 *         SLOT_DIR      the user's home, or virtual_mailbox_base
 *         SLOT_DIR2     the directory of mboxes, for users of the system
 *         askers        messages and where they go  (peers: local, virtual)
 * Never:  looks into a message, names a file outside the two directories,
 *         connects, forks, is another user.
 * If an asker lies, this user's mail goes to other files of this user.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "boot/boot.h"
#include "edge/edges.h"
#include "log/log.h"
#include "mail/date.h"
#include "sandbox/sandbox.h"

#include "mailbox.h"

static struct mailbox mailbox;

static void
asker_up(struct chan *ch, unsigned instance, uint32_t pid, void *arg)
{
	(void)instance;
	(void)pid;
	mailbox_up(arg, ch);
}

static void
asker_down(struct chan *ch, unsigned instance, void *arg)
{
	(void)instance;
	mailbox_down(arg, ch);
}

static const struct boot_peer peers[] = {
	{ "local", &edge_mailbox, SIDE_B, mailbox_on, NULL, asker_up,
	    asker_down, true },
	{ "virtual", &edge_mailbox, SIDE_B, mailbox_write_on, NULL, asker_up,
	    asker_down, true },
};

/* The host's name as names in Maildirs have it: / and : are in octal. */
static void
take_host(struct mailbox *mb, const char *name)
{
	size_t n = 0;

	for (const char *p = name; *p != '\0' && n + 5 < sizeof(mb->host);
	     p++) {
		if (*p == '/' || *p == ':')
			n += (size_t)snprintf(mb->host + n,
			    sizeof(mb->host) - n, "\\%03o", (unsigned)*p);
		else
			mb->host[n++] = *p;
	}
	mb->host[n] = '\0';
}

static void
read_config(void *arg)
{
	struct mailbox *mb = arg;
	const struct conf *c = boot_conf();

	/* Threads read the host's name: it stays what it was at the start. */
	if (mb->host[0] == '\0')
		take_host(mb, conf_cstr(c, P_MYHOSTNAME));
	mb->lock_attempts = (int)conf_int(c, P_DELIVER_LOCK_ATTEMPTS);
	mb->lock_delay_ms = conf_ms(c, P_DELIVER_LOCK_DELAY);
	mb->lock_stale_s = conf_secs(c, P_STALE_LOCK_TIME);
	mb->strict_owner = conf_bool(c, P_STRICT_MAILBOX_OWNERSHIP);
}

/* Every wall but the filter stands: we are the user, and may still ask who. */
static int
make_threads(void *arg)
{
	struct mailbox *mb = arg;

	mb->uid = geteuid();
	mb->gid = getegid();
	mb->pool = pool_new(mb->loop, MAILBOX_THREADS);
	return mb->pool == NULL ? -1 : 0;
}

static void
on_idle(void *arg)
{
	(void)arg;
	boot_exit(0);
}

/* What is in hand is finished; the askers close when they end, too. */
static void
on_stop(int64_t grace_ms, void *arg)
{
	struct mailbox *mb = arg;

	(void)grace_ms;
	if (mb->open == 0)
		boot_exit(0);
	else
		mb->leave = true;
}

/* A login user's process has local's line's configuration: a new one will. */
static void
on_config(void *arg)
{
	struct mailbox *mb = arg;

	read_config(mb);
	if (mb->forward_path != NULL)
		on_stop(0, mb);
}

/* What we may write, and may sign, if it is not for the asker to say. */
static void
read_birth(struct mailbox *mb)
{
	static char text[MAILBOX_BIRTH_MAX];
	const struct conf *c = boot_conf();
	ssize_t n;

	if (ticket_key_read(&mb->key, SLOT_KEY) == -1)
		return;
	n = fd_pread_all(SLOT_KEY, text, sizeof(text), sizeof(mb->key.key));
	if (n <= 0)
		return;
	named_birth(mb, str_make(text, (size_t)n));
	mb->forward_path = str_dup(conf_str(c, P_FORWARD_PATH));
	mb->home_mailbox = str_dup(conf_str(c, P_HOME_MAILBOX));
	mb->spool = str_dup(conf_str(c, P_MAIL_SPOOL_DIRECTORY));
}

int
main(int argc, char *argv[])
{
	static const struct boot_hooks hooks = { .config = on_config,
		.stop = on_stop,
		.threads = make_threads };
	struct stat st;

	boot_start("mailbox", argc, argv);
	date_init();
	mailbox_init(&mailbox, boot_loop());
	mailbox.instance = boot_instance();
	mailbox.idle = on_idle;
	read_config(&mailbox);
	read_birth(&mailbox);

	boot_seal(peers, NELEM(peers), &hooks, &mailbox);
	if (sealed_fstat(SLOT_DIR, &st) == 0 && S_ISDIR(st.st_mode))
		mailbox.root_fd[MAILBOX_HOME] = SLOT_DIR;
	if (sealed_fstat(SLOT_DIR2, &st) == 0 && S_ISDIR(st.st_mode))
		mailbox.root_fd[MAILBOX_SPOOL] = SLOT_DIR2;
	return boot_run();
}
