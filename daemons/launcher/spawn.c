/* SPDX-License-Identifier: ISC */
/*
 * Processes: made, attested, killed, mourned.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"
#include "command/command.h"
#include "command/vouch.h"
#include "conf/uids.h"
#include "edge/mailbox.h"
#include "sandbox/trace.h"
#include "sandbox/warm.h"

#include "launcher.h"

#define COMMAND_GRACE_MS 5000 /* for its end, after its time */

/* The filter of a policy, compiled once; -1 with a sentence in err. */
static int
filter_of(struct launcher *l, const struct policy *policy, bool trace,
    struct buf *err)
{
	char text[512];
	struct filter *f;
	int *fd;

	if (l->filters == NULL) {
		l->filters = xcalloc(policy_count(), sizeof(*l->filters));
		for (size_t i = 0; i < policy_count(); i++)
			l->filters[i] = (struct filter){ policy_at(i), -1, -1 };
	}
	for (f = l->filters; f->policy != policy; f++)
		;
	fd = trace ? &f->trace_fd : &f->fd;
	if (*fd == -1)
		*fd = trace ? sandbox_filter_trace(policy, text, sizeof(text)) :
		    sandbox_filter(policy, text, sizeof(text));
	if (*fd == -1)
		buf_printf(err, "filter of %s: %s", policy->name, text);
	return *fd;
}

/* What little a component needs to find in its environment. */
static char *const *
component_env(const struct policy *policy)
{
	static char *env[8];
	static const char *const keep[] = { "TZ", "ASAN_OPTIONS",
		"UBSAN_OPTIONS" };
	size_t n = 0;

	/* Runs in the child, once. */
	if (policy->overlay != NULL)
		env[n++] = xasprintf(SANDBOX_OVERLAY "=%s",
		    policy->overlay_text);
	env[n++] = xstrdup("PATH=/usr/bin:/bin");
	for (size_t i = 0; i < NELEM(keep); i++) {
		const char *v = getenv(keep[i]);

		if (v != NULL)
			env[n++] = xasprintf("%s=%s", keep[i], v);
	}
	env[n] = NULL;
	return env;
}

static void
on_late(void *arg)
{
	struct child *c = arg;

	kill(c->pid, SIGKILL);
}

static struct child *
remember(struct launcher *l, const struct policy *policy,
    const struct sandbox_place *place, pid_t pid, uint32_t instance, int note)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->policy = policy;
	c->place = *place;
	c->pid = pid;
	c->instance = instance;
	c->note_fd = note;
	timer_init(&c->late, l->loop, on_late, c);
	LIST_INSERT_HEAD(&l->children, c, link);
	return c;
}

/* Notes of copies that have ended, for others: to make one is dear. */
static int notes[16], nnotes;

static void
note_drop(struct child *c)
{
	if (c->image != 0 && nnotes < (int)NELEM(notes) &&
	    note_again(c->note_fd) == 0) {
		notes[nnotes++] = c->note_fd;
		c->note_fd = -1;
	}
	fd_close(&c->note_fd);
}

/* In the place of an instance: it is none. */
static const uint32_t image_number = UINT32_MAX;

/*
 * Make a process of policy at place with these descriptors, and remember it.
 * -1 with a sentence in err.  A failure in the child itself shows as its death
 * with status 70: the broker then waits and tries again.  An image is not
 * remembered, for the broker knows nothing of it.
 */
static pid_t
spawn(struct launcher *l, const struct policy *policy,
    const struct sandbox_place *place, const struct cradle_fd *fds, size_t n,
    const uint32_t *instance, struct buf *err)
{
	struct buf place_text;
	char number[16], *path = xasprintf("%s/%s", l->libexec, policy->name);
	struct cradle_fd all[SLOT_N];
	char *argv[4];
	bool image = instance == &image_number;
	int note, trace = -1;
	pid_t pid;

	if (place->trace && (trace = trace_connect(l->queue_dir, err)) == -1) {
		free(path);
		return -1;
	}
	note = image ? -1 : note_make();

	memcpy(all, fds, n * sizeof(*fds));
	if (note != -1)
		all[n++] = (struct cradle_fd){ SLOT_NOTE, note };
	if (trace != -1)
		all[n++] = (struct cradle_fd){ SLOT_TRACE, trace };
	buf_init(&place_text, 256);
	place_format(place, &place_text);
	argv[0] = path;
	argv[1] = (char *)(uintptr_t)buf_cstr(&place_text);
	argv[2] = instance == NULL ? NULL : number;
	argv[3] = NULL;
	snprintf(number, sizeof(number), "%u",
	    instance == NULL ? 0 : *instance);
	if (image)
		strlcpy(number, WARM_INSTANCE, sizeof(number));
	pid = image ? warm_clone() : sandbox_clone(&l->cradle, NULL);
	if (pid == 0) {
		if (cradle_child(&l->cradle, policy, all, n) == 0)
			execve(path, argv, component_env(policy));
		_exit(70);
	}
	if (pid == -1) {
		buf_printf(err, "cannot make a process: %s", strerror(errno));
		fd_close(&note);
	} else if (!image) {
		remember(l, policy, place, pid, instance == NULL ? 0 :
		    *instance, note);
	}
	fd_close(&trace);
	buf_clear(&place_text);
	free(path);
	return pid;
}

static struct sandbox_place
place_for(const struct launcher *l, const struct policy *policy)
{
	struct sandbox_place p = { .level = l->cradle.level,
		.waived = l->waived, .filter_fd = SLOT_FILTER };

	p.uid = files_uid(l, policy->name);
	p.gid = (gid_t)p.uid;
	if (l->cradle.level == LEVEL_BARE) {
		p.uid = getuid();
		p.gid = getgid();
	}
	return p;
}

pid_t
spawn_broker(struct launcher *l, struct buf *err)
{
	const struct policy *policy = policy_find(STR("broker"));
	struct sandbox_place place = place_for(l, policy);
	struct cradle_fd fds[2];
	pid_t pid;
	int filter = filter_of(l, policy, false, err), sv[2];

	if (filter == -1)
		return -1;
	if (chan_pair(sv) == -1) {
		buf_printf(err, "socketpair: %s", strerror(errno));
		return -1;
	}
	fds[0] = (struct cradle_fd){ SLOT_BROKER, sv[1] };
	fds[1] = (struct cradle_fd){ SLOT_FILTER, filter };
	pid = spawn(l, policy, &place, fds, 2, NULL, err);
	close(sv[1]);
	if (pid == -1)
		close(sv[0]);
	else
		l->broker_fd = sv[0];
	return pid;
}

/*
 * With these they vouch for what others carry (edge/ticket.h), and qmgr looks
 * at what rewrite did.  Not by way of the broker, who could sign, too.
 */
static int
key_of(const struct launcher *l, struct str component)
{
	struct ticket_key k = ticket_derive(&l->root_key, str_eq(component,
	    STR("lookup")) ? STR(KEY_TABLES) : STR(KEY_REWRITE));

	if (str_eq(component, STR("qmgr")))
		k = ticket_derive(&k, STR(KEY_WAY));
	else if (!str_eq(component, STR("lookup")) &&
	    !str_eq(component, STR("rewrite")))
		return -1;
	return memfd_from("key", k.key, sizeof(k.key));
}

pid_t
spawn_image(struct launcher *l, const char *component, int channel,
    struct buf *err)
{
	const struct policy *policy = policy_find(str_of(component));
	struct sandbox_place place = place_for(l, policy);
	struct cradle_fd fds[] = { { SLOT_BROKER, channel },
		{ SLOT_CONFIG, limit_config(component) },
		{ SLOT_FILTER, filter_of(l, policy, false, err) } };

	return fds[2].fd == -1 ? -1 :
	    spawn(l, policy, &place, fds, NELEM(fds), &image_number, err);
}

void
spawn_component(struct launcher *l, const struct launch_spawn *q, int fd,
    struct launch_spawned *out, struct buf *err)
{
	const struct policy *policy = policy_find(q->component);
	struct sandbox_place place;
	struct cradle_fd fds[5];
	size_t n = 0;
	int filter, note, key = -1;

	if (policy == NULL) {
		buf_puts(err, "no such component");
		return;
	}
	if (limit_component(l, policy, q->instance, err) == -1)
		return;
	filter = filter_of(l, policy, q->trace != 0, err);
	if (filter == -1)
		return;
	place = place_for(l, policy);
	place.trace = q->trace != 0;
	out->uid = place.uid;
	out->gid = place.gid;
	if (l->isolation && str_eq(q->component, STR("smtpd")) &&
	    !place.trace) {
		pid_t pid = image_birth(l, q->instance, fd,
		    (note = nnotes > 0 ? notes[--nnotes] : note_make()));

		if (pid != -1) {
			remember(l, policy, &place, pid, q->instance,
			    note)->image = l->image_pid;
			out->pid = (uint32_t)pid;
			out->warm = 1;
			return;
		}
		fd_close(&note);
	}
	fds[n++] = (struct cradle_fd){ SLOT_BROKER, fd };
	fds[n++] =
	    (struct cradle_fd){ SLOT_CONFIG, limit_config(policy->name) };
	fds[n++] = (struct cradle_fd){ SLOT_FILTER, filter };
	if (str_eq(q->component, STR("qmgr")))
		fds[n++] = (struct cradle_fd){ SLOT_DIR, l->spool_fd };
	if ((key = key_of(l, q->component)) != -1)
		fds[n++] = (struct cradle_fd){ SLOT_KEY, key };
	out->pid =
	    (uint32_t)spawn(l, policy, &place, fds, n, &q->instance, err);
	fd_close(&key);
}

/* --- mailboxes ------------------------------------------------------------ */

/*
 * With this a user's process vouches for commands of his .forward, and knows
 * who he is; that of an alias's files knows what lookup vouched for.  For
 * virtual ones there is none.
 */
static int
mailbox_key(const struct launcher *l, const struct launch_mailbox *q,
    const char *home)
{
	struct ticket_key k = ticket_derive(&l->root_key,
	    q->user.n > 0 ? q->user : STR(KEY_TABLES));
	struct buf b;
	int fd;

	if (q->dir.n > 0)
		k = ticket_file_key(&k, q->dir);
	buf_init(&b, sizeof(k.key) + MAILBOX_BIRTH_MAX);
	buf_add(&b, k.key, sizeof(k.key));
	if (q->user.n > 0)
		buf_printf(&b, STR_FMT ":%s", STR_ARG(q->user), home);
	fd = buf_full(&b) ? -1 : memfd_from("key", buf_get(&b).p, b.len);
	buf_clear(&b);
	return fd;
}

static bool
is_ours(const struct launcher *l, int64_t id)
{
	return id >= l->uid_base && id < l->uid_base + CONF_UIDS;
}

/*
 * Whose mailbox: a login name that the system knows, or a number that the
 * configuration's maps gave.  Never root, never one of our own users.
 */
static int
mailbox_user(struct launcher *l, const struct launch_mailbox *q, uid_t *uid,
    gid_t *gid, char **home, struct buf *err)
{
	char name[65];
	struct str dir = q->dir;
	struct passwd *pw;
	bool numbers = q->user.n == 0 && dir.n == 0;

	/* Who delivers to users and to files of aliases, who to numbers. */
	if (limit_config(numbers ? "virtual" : "local") == -1 ||
	    (q->user.n > 0 && dir.n > 0)) {
		buf_puts(err, "nobody in the plan delivers there");
		return -1;
	}
	if (dir.n > 0) {
		/* A file that an alias names. */
		if (borrow_user(l, &dir, uid, gid) == -1) {
			buf_printf(err, "default_privs is no user but root, or "
			    "the alias file is nobody's");
			return -1;
		}
		*home = str_dup(dir);
	} else if (q->user.n == 0) {
		*uid = q->uid;
		*gid = q->gid;
		*home = xstrdup(l->virtual_base);
	} else {
		if (str_copy(q->user, name, sizeof(name)) == -1 ||
		    (pw = getpwnam(name)) == NULL) {
			buf_printf(err, "no user of that name");
			return -1;
		}
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		*home = xstrdup(pw->pw_dir);
	}
	/* No process can be given the id -1: there would be an error. */
	if (*uid == (uid_t)-1 || *gid == (gid_t)-1 || *uid == 0 || *gid == 0 ||
	    is_ours(l, *uid) || is_ours(l, *gid) ||
	    (numbers && *uid < l->virtual_min)) {
		buf_printf(err, "mail is not delivered with the rights of user"
		    " id %u and group id %u", (unsigned)*uid,
		    (unsigned)*gid);
		return -1;
	}
	return 0;
}

void
spawn_mailbox(struct launcher *l, const struct launch_mailbox *q, int fd,
    struct launch_spawned *out, struct buf *err)
{
	const struct policy *policy = policy_find(STR("mailbox"));
	struct sandbox_place place = place_for(l, policy);
	struct cradle_fd fds[SLOT_N];
	char *home = NULL;
	int filter = filter_of(l, policy, q->trace != 0, err);
	int dir = -1, dir2 = -1, key = -1;
	uid_t uid;
	gid_t gid;
	size_t n = 0;

	place.trace = q->trace != 0;
	if (filter == -1 || limit_config("mailbox") == -1 ||
	    limit_requested(l, policy, "mailbox", NULL, -1, err) == -1 ||
	    mailbox_user(l, q, &uid, &gid, &home, err) == -1)
		goto out;
	if (l->cradle.level == LEVEL_ROOT) {
		place.uid = uid;
		place.gid = gid;
	} else if (uid != l->real_uid) {
		buf_printf(err, "running as user id %u, mail of user id %u "
		    "cannot be delivered", (unsigned)l->real_uid,
		    (unsigned)uid);
		goto out;
	}
	if (q->user.n > 0 || q->dir.n > 0) {
		/* Without it, it would do whatever it is asked. */
		key = mailbox_key(l, q, home);
		if (key == -1) {
			buf_printf(err, "%s: no key for it", home);
			goto out;
		}
	}
	dir = borrow_dir(l, home, uid, gid);
	if (q->user.n > 0) {
		char *user = str_dup(q->user);

		borrow_mbox(l, user, uid, gid);
		free(user);
		dir2 = borrow_dir(l, l->mail_spool, uid, gid);
	}
	if (dir == -1 && dir2 == -1) {
		buf_printf(err, "%s: %s", home, strerror(errno));
		goto out;
	}
	fds[n++] = (struct cradle_fd){ SLOT_BROKER, fd };
	fds[n++] = (struct cradle_fd){ SLOT_CONFIG, limit_config(q->user.n > 0 ?
	    LOCAL_MAILBOX : "mailbox") };
	fds[n++] = (struct cradle_fd){ SLOT_FILTER, filter };
	if (dir != -1)
		fds[n++] = (struct cradle_fd){ SLOT_DIR, dir };
	if (dir2 != -1)
		fds[n++] = (struct cradle_fd){ SLOT_DIR2, dir2 };
	if (key != -1)
		fds[n++] = (struct cradle_fd){ SLOT_KEY, key };
	out->uid = uid;
	out->gid = gid;
	out->pid =
	    (uint32_t)spawn(l, policy, &place, fds, n, &q->instance, err);
	strlcpy(l->home_text, home, sizeof(l->home_text));
	out->home = str_of(l->home_text);
out:
	fd_close(&dir);
	fd_close(&dir2);
	fd_close(&key);
	free(home);
}

/* --- commands ------------------------------------------------------------- */

void
spawn_command(struct launcher *l, const struct launch_command *q, int fd)
{
	const struct policy *policy = policy_find(STR("command"));
	struct person_rules rules = { .uid_base = l->uid_base,
		.root = l->cradle.level == LEVEL_ROOT, .uid = l->real_uid };
	struct sandbox_place place = { .level = l->cradle.level,
		.waived = l->waived, .filter_fd = -1 };
	struct order_terms terms = { .limit_ms = 0 };
	/* Those of users and aliases are local's, lines of master.cf pipe's. */
	bool of_pipe = q->kind == COMMAND_MASTER;
	const char *asker = of_pipe ? "pipe" : "local";
	char *path = xasprintf("%s/command", l->libexec);
	struct buf err;
	int order, input = -1;
	pid_t pid = -1;

	buf_init(&err, 500);
	if (limit_config(asker) == -1)
		buf_puts(&err, "nobody in the plan asks for it");
	else if (q->kind == COMMAND_ALIAS && !borrow_lent((uid_t)q->uid))
		/* lookup's word on who owns a table is not enough. */
		buf_printf(&err, "user id %u owns no alias file",
		    (unsigned)q->uid);
	else if (!command_vouched(&l->root_key, q))
		buf_puts(&err, "security: nobody vouches for it");
	order = err.len > 0 ||
	    limit_requested(l, policy, "command", asker, of_pipe, &err) == -1 ?
	    -1 :
	    order_make(q, &rules, l->directory, &terms, &err);
	place.uid = terms.uid;
	place.gid = terms.gid;
	if (order != -1 &&
	    (input = order_input(fd, terms.uid, terms.gid)) != -1)
		pid = cradle_run(&l->cradle, &place, l->queue_dir, path,
		    component_env(policy), fd, order, input);
	if (pid != -1) {
		/* Its user can stop it, and with it all that waits for it. */
		timer_set(&remember(l, policy, &place, pid, of_pipe, -1)->late,
		    COMMAND_WAIT_MS + terms.limit_ms + COMMAND_GRACE_MS);
	} else {
		if (limit_line(l))
			launcher_say(l, 1, "command not run: %s", err.len > 0 ?
			    buf_cstr(&err) : strerror(errno));
		order_refuse(fd, "mail system configuration error");
	}
	fd_close(&order);
	fd_close(&input);
	buf_clear(&err);
	free(path);
}

/* --- the rest of a life --------------------------------------------------- */

static struct child *
find_child(struct launcher *l, pid_t pid)
{
	struct child *c;

	LIST_FOREACH(c, &l->children, link)
		if (c->pid == pid)
			return c;
	return NULL;
}

void
spawn_attest(struct launcher *l, pid_t pid, struct launch_attested *out,
    struct buf *err)
{
	struct child *c = find_child(l, pid);
	struct evidence ev;
	char text[512];
	int filter;

	out->ok = 0;
	if (c == NULL) {
		buf_printf(err, "no process of ours");
		return;
	}
	/* It stops meanwhile, and so do we: once for each that is new. */
	if (c->attested) {
		buf_printf(err, "it was attested before");
		return;
	}
	c->attested = true;
	filter = filter_of(l, c->policy, c->place.trace, err);
	if ((c->image != 0 && c->image == l->image_proven ?
		sandbox_attest_copy(pid, c->policy, &c->place, &l->image_first,
		filter, &ev, text, sizeof(text)) :
		sandbox_attest(pid, c->policy, &c->place, &l->cradle, filter,
		&ev, text, sizeof(text))) == -1) {
		buf_puts(err, text);
	} else if (c->place.trace && trace_held(pid) != 0) {
		buf_puts(err, "it holds the listener of its own filter");
	} else {
		out->ok = 1;
		if (c->image != 0 && c->image != l->image_proven) {
			l->image_proven = c->image;
			l->image_first = ev;
		}
	}
}

/* Only what we made: the broker cannot name another's process. */
void
spawn_kill(struct launcher *l, pid_t pid)
{
	if (find_child(l, pid) != NULL)
		kill(pid, SIGKILL);
}

void
spawn_kill_all(struct launcher *l)
{
	struct child *c;

	LIST_FOREACH(c, &l->children, link)
		kill(c->pid, SIGKILL);
}

void
spawn_reap(struct launcher *l,
    void (*fn)(struct launcher *l, const struct child *c, int status))
{
	struct child *c;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		c = find_child(l, pid);
		if (c == NULL) {
			image_buried(l, pid);
			continue;
		}
		LIST_REMOVE(c, link);
		timer_clear(&c->late);
		fn(l, c, status);
		note_drop(c);
		watch_buried(l, c->pid);
		free(c);
	}
}
