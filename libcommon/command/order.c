/* SPDX-License-Identifier: ISC */
/*
 * What is run, according to the configuration.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/queue.h>

#include "base/fd.h"
#include "base/mem.h"
#include "command/command.h"

/* --- configuration -------------------------------------------------------- */

/* A pipe line of master.cf; the one without a number is main.cf. */
struct line {
	LIST_ENTRY(line) link;
	int64_t number; /* -1: main.cf */
	struct conf *conf;
};

static LIST_HEAD(, line) lines = LIST_HEAD_INITIALIZER(lines);

void
order_config(int64_t number, int fd)
{
	struct line *n;

	while (number == -1 && (n = LIST_FIRST(&lines)) != NULL) {
		LIST_REMOVE(n, link);
		conf_free(&n->conf);
		free(n);
	}
	n = xcalloc(1, sizeof(*n));
	n->number = number;
	n->conf = conf_open(fd);
	LIST_INSERT_HEAD(&lines, n, link);
}

static const struct conf *
config_of(int64_t number)
{
	struct line *n;

	LIST_FOREACH(n, &lines, link)
		if (n->number == number)
			return n->conf;
	return NULL;
}

/* --- the order ------------------------------------------------------------ */

static void
put_word(struct buf *b, struct str s)
{
	buf_str(b, s);
	buf_putc(b, '\0');
}

/* The path is always ours; other names have the value we were started with. */
static void
put_env(const char *directory, const struct conf *c, struct buf *b)
{
	struct conf_list list = conf_list(c, P_EXPORT_ENVIRONMENT);

	put_word(b, STR("PATH=/usr/bin:/bin"));
	for (size_t i = 0; i < list.n; i++) {
		char *name = str_dup(list.v[i].text);
		const char *value = getenv(name);

		if (strcmp(name, "MAIL_CONFIG") == 0)
			value = directory;
		if (strncmp(name, "PATH=", 5) == 0 ||
		    strcmp(name, "PATH") == 0)
			;
		else if (strchr(name, '=') != NULL)
			put_word(b, list.v[i].text);
		else if (value != NULL) {
			buf_printf(b, "%s=%s", name, value);
			buf_putc(b, '\0');
		}
		free(name);
	}
}

static void
put_argv(const struct conf *c, const struct pipe_args *a, struct buf *b)
{
	struct conf_list args = conf_self(c)->args;

	for (size_t i = a->argv; i < args.n; i++)
		put_word(b, i > a->argv ? args.v[i].text :
		    str_sub(args.v[i].text, strlen("argv="),
		    args.v[i].text.n));
}

static void
line_order(const struct conf *c, const struct pipe_args *a,
    struct order_run *o)
{
	o->limit_ms = conf_transport_ms(c, F_TIME_LIMIT, conf_self(c)->name);
	o->dir = a->directory;
	o->null_sender = a->null_sender;
	o->flags |= (a->flags & PIPE_FOLD_HOST) ? ORDER_FOLD_HOST : 0;
	o->flags |= (a->flags & PIPE_FOLD_LOCAL) ? ORDER_FOLD_LOCAL : 0;
	o->flags |= (a->flags & PIPE_QUOTE) ? ORDER_QUOTE : 0;
}

/*
 * Does the configuration have commands of this kind at all?  Who vouches for
 * them may have been taken over, and may not bring them in.
 */
static bool
has_kind(const struct conf *c, enum command_kind kind)
{
	switch (kind) {
	case COMMAND_MAPS:
		return conf_list(c, P_MAILBOX_COMMAND_MAPS).n > 0;
	case COMMAND_ALIAS:
		return conf_has(c, P_ALLOW_MAIL_TO_COMMANDS, "alias") ||
		    conf_has(c, P_ALLOW_MAIL_TO_COMMANDS, "include");
	case COMMAND_FORWARD:
		return conf_has(c, P_ALLOW_MAIL_TO_COMMANDS, "forward");
	case COMMAND_FILE: /* is none */
		return false;
	case COMMAND_MASTER:
	case COMMAND_MAILBOX: /* the text is the configuration's own */
		break;
	}
	return true;
}

static void
local_order(const struct conf *c, struct str text, struct order_run *o)
{
	o->text =
	    o->kind == COMMAND_MAILBOX ? conf_str(c, P_MAILBOX_COMMAND) : text;
	o->limit_ms = conf_ms(c, P_COMMAND_TIME_LIMIT);
	o->shell = conf_str(c, P_LOCAL_COMMAND_SHELL);
	o->dir = conf_str(c, P_COMMAND_EXECUTION_DIRECTORY);
	o->dir_filter = conf_str(c, P_EXECUTION_DIRECTORY_EXPANSION_FILTER);
	o->filter = conf_str(c, P_COMMAND_EXPANSION_FILTER);
}

/* The order as a sealed memory file; -1 with a sentence. */
static int
seal_order(const struct order_run *o, struct buf *err)
{
	struct buf b;
	int fd = -1;

	buf_init(&b, REC_MAX);
	if (rec_encode(&b, edge_type(&edge_order, ORDER_RUN), 0, o) == -1)
		buf_puts(err, "the command is too long");
	else if ((fd = memfd_from("order", buf_get(&b).p, b.len)) == -1)
		buf_puts(err, strerror(errno));
	buf_clear(&b);
	return fd;
}

static int
make(const struct conf *c, const struct pipe_args *a,
    const struct launch_command *q, const struct person *p,
    const char *directory, int64_t *limit_ms, struct buf *err)
{
	struct order_run o = { .kind = q->kind };
	struct buf argv, env;
	int fd = -1;

	buf_init(&argv, 16384);
	buf_init(&env, 16384);
	if (a != NULL) {
		put_argv(c, a, &argv);
		line_order(c, a, &o);
	} else {
		local_order(c, q->text, &o);
	}
	*limit_ms = o.limit_ms;
	put_env(directory, c, &env);
	o.argv = buf_get(&argv);
	o.env = buf_get(&env);
	o.delimiter = conf_str(c, P_RECIPIENT_DELIMITER);
	o.user = str_of(p->name);
	o.home = str_of(p->home);
	o.login_shell = str_of(p->shell);
	if (buf_full(&argv) || buf_full(&env) ||
	    (a == NULL && str_trim(o.text).n == 0))
		buf_puts(err, "the command is empty or too long");
	else
		fd = seal_order(&o, err);
	buf_clear(&argv);
	buf_clear(&env);
	return fd;
}

int
order_make(const struct launch_command *q, const struct person_rules *rules,
    const char *directory, struct order_terms *out, struct buf *err)
{
	bool master = q->kind == COMMAND_MASTER;
	const struct conf *c = config_of(master ? (int64_t)q->service : -1);
	struct person p = { .uid = 0 };
	struct pipe_args a;
	int r;

	if (c == NULL || (master && conf_self(c) == NULL)) {
		buf_puts(err, "there is no such line in master.cf");
		return -1;
	}
	if (master && pipe_args_read(conf_self(c)->args, &a, err) == -1)
		return -1;
	if (!has_kind(c, (enum command_kind)q->kind)) {
		buf_puts(err, "main.cf has no commands of this kind");
		return -1;
	}
	r = master ? person_by_line(&p, &a, err) : q->kind == COMMAND_ALIAS ?
	    person_by_owner(&p, q->uid, c, err) :
	    person_by_name(&p, q->user, err);
	if (r == -1 || person_allowed(&p, c, rules, err) == -1)
		return -1;
	out->uid = p.uid;
	out->gid = p.gid;
	return make(c, master ? &a : NULL, q, &p, directory, &out->limit_ms,
	    err);
}

/* Tell the asker; the descriptor, if not -1, is passed to him. */
static int
tell(int fd, unsigned type, const void *rec, int with)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	struct buf b;
	int r = -1;

	buf_init(&b, 1024);
	if (rec_encode(&b, edge_type(&edge_run, type), 0, rec) == 0) {
		iov = (struct iovec){ b.base + b.off, b.len };
		if (with != -1) {
			mh.msg_control = &control;
			mh.msg_controllen = CMSG_SPACE(sizeof(int));
			cm = CMSG_FIRSTHDR(&mh);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(cm), &with, sizeof(int));
		}
		if (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
			r = 0;
	}
	buf_clear(&b);
	return r;
}

int
order_input(int fd, uid_t uid, gid_t gid)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) == -1)
		return -1;
	if (fd_nonblock(p[1], 1) == -1 ||
	    (geteuid() == 0 && fchown(p[0], uid, gid) == -1) ||
	    tell(fd, RUN_STDIN, NULL, p[1]) == -1)
		fd_close(&p[0]);
	fd_close(&p[1]);
	return p[0];
}

void
order_refuse(int fd, const char *why)
{
	struct run_refused r = { .text = str_sub(str_of(why), 0, 500) };

	(void)tell(fd, RUN_REFUSED, &r, -1); /* or he has gone */
}
