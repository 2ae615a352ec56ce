/* SPDX-License-Identifier: ISC */
/*
 * Who there is, and what each may do, measured.
 */
#include "survey.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/uids.h"
#include "json.h"

#define POLICY_TEXT_MAX (1 << 20)
#define STATUS_MAX (16 << 20)

/* --- who there is --------------------------------------------------------- */

static struct subject *
add(struct survey *s, struct str component, int64_t instance, pid_t pid)
{
	struct subject *j;

	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	j = &s->v[s->n++];
	*j = (struct subject){ .instance = instance, .pid = pid };
	str_copy(str_sub(component, 0, sizeof(j->component) - 1), j->component,
	    sizeof(j->component));
	return j;
}

static bool
known(const struct survey *s, pid_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].pid == pid)
			return true;
	return false;
}

/*
 * Where it was put: at root each component has its own user id, which is ours
 * to know; mailboxes have a user's, which only the broker can tell, and
 * sandbox_audit() sees to it that it is not root's.
 */
static void
set_place(const struct survey *s, struct subject *j, struct json p)
{
	int64_t base =
	    s->in->conf == NULL ? 0 : conf_int(s->in->conf, P_SANDBOX_UID_BASE);
	int64_t uid = conf_component_uid(base, j->component);
	gid_t gid;

	/*
	 * Without root there is one user id, and no such wall: it is shown as
	 * waived.
	 */
	kin_ids(j->pid, &j->shown_uid, &gid);
	if (s->level != LEVEL_ROOT)
		return;
	if (strcmp(j->component, "mailbox") == 0) {
		j->uid = (uid_t)json_num(json_find(p, "uid"));
		j->gid = (gid_t)json_num(json_find(p, "gid"));
	} else if (strcmp(j->component, "command") == 0) {
		/* Whoever's it is; but never root's, nor one of ours. */
		j->gid = gid;
		if ((int64_t)j->shown_uid < base ||
		    (int64_t)j->shown_uid >= base + CONF_UIDS)
			j->uid = j->shown_uid;
	} else if (uid != -1) {
		j->uid = (uid_t)uid;
		j->gid = (gid_t)uid;
	}
}

/* Started with the policy and overlay that are there now? */
static void
check_hash(struct subject *j, struct str told, bool traced)
{
	const struct policy *p = policy_find(str_of(j->component));
	char hex[POLICY_HEX];

	if (p == NULL || j->odd != NULL)
		return;
	if (traced) {
		j->odd = xstrdup("LEARNING MODE");
		return;
	}
	policy_hex(p, hex);
	if (!str_eq(told, str_of(hex)))
		j->odd = xasprintf("runs under another policy or overlay: "
				   "%.12s, and not %.12s",
		    told.n == 0 ? "?" : told.p, hex);
}

static void
check_kin(const struct survey *s, struct subject *j)
{
	const struct kin_process *k = kin_by_pid(&s->kin, j->pid);

	if (k == NULL)
		j->odd = xstrdup("the kernel knows of no such child of the "
				 "launcher");
	else if (k->program[0] != '\0' && strcmp(k->program, j->component) != 0)
		j->odd = xasprintf("runs the program %s", k->program);
}

static void
add_told(struct survey *s, struct json list)
{
	struct json p;

	while (json_each(&list, &p)) {
		pid_t pid = (pid_t)json_num(json_find(p, "pid"));
		struct subject *j;

		if (str_eq(json_str(json_find(p, "state")), STR("on-demand")))
			buf_printf(&s->absent, "%s" STR_FMT,
			    s->absent.len == 0 ? "" : ", ",
			    STR_ARG(json_str(json_find(p, "component"))));
		if (pid <= 0)
			continue;
		j = add(s, json_str(json_find(p, "component")),
		    json_num(json_find(p, "instance")), pid);
		j->requests = json_find(p, "requests").text;
		j->copy = json_num(json_find(p, "warm")) == 1;
		set_place(s, j, p);
		check_kin(s, j);
		check_hash(j, json_str(json_find(p, "policy")),
		    str_eq(json_find(p, "traced").text, STR("true")));
	}
}

/* The launcher, its broker, and what the broker did not tell us of. */
static void
add_kin(struct survey *s)
{
	for (size_t i = 0; i < s->kin.n; i++) {
		const struct kin_process *k = &s->kin.v[i];
		struct json none = { STR_NONE };
		struct subject *j;

		if (known(s, k->pid))
			continue;
		j = add(s, k->pid == s->image ? STR("smtpd") :
		    i == 0		      ? STR("launcher") :
			k->program[0] == '\0' ? STR("broker") :
						str_of(k->program),
		    -1, k->pid);
		set_place(s, j, none);
		if (i == 0)
			j->uid = j->gid = 0;
		else if (k->pid == s->image)
			j->image = true;
		else if (strcmp(j->component, "broker") != 0 &&
		    strcmp(j->component, "command") != 0)
			j->odd = xstrdup("the broker says nothing of it");
	}
}

static int
by_place(const void *a, const void *b)
{
	static const char *const first[] = { "launcher", "broker" };
	const struct subject *x = a, *y = b;

	for (size_t i = 0; i < NELEM(first); i++) {
		bool is_x = strcmp(x->component, first[i]) == 0;
		bool is_y = strcmp(y->component, first[i]) == 0;

		if (is_x != is_y)
			return is_x ? -1 : 1;
	}
	return 0;
}

void
survey_forget(struct survey *s)
{
	for (size_t i = 0; i < s->n; i++) {
		audit_clear(&s->v[i].audit);
		free(s->v[i].odd);
	}
	free(s->v);
	s->v = NULL;
	s->n = 0;
	kin_clear(&s->kin);
	audit_peers_free(&s->peers);
	buf_clear(&s->told);
	buf_clear(&s->absent);
	buf_clear(&s->proofs);
}

/* Who holds which end of the channels, all at once. */
static void
look_at_peers(struct survey *s)
{
	struct audit_who *who = xcalloc(s->n + 1, sizeof(*who));

	for (size_t i = 0; i < s->n; i++)
		who[i] = (struct audit_who){ s->v[i].pid, s->v[i].component };
	s->peers = audit_peers_read(who, s->n);
	free(who);
}

static void
look_around(struct survey *s, pid_t launcher)
{
	struct buf why;
	struct talk t;
	struct json j;

	buf_init(&s->told, STATUS_MAX);
	buf_init(&s->absent, 4096);
	buf_init(&why, 4096);
	if (!talk_open(&t, s->in))
		die("the mail system does not answer: %s", strerror(errno));
	if (talk_admin(&t, ADMIN_STATUS, &s->told, &why) != 0)
		die("%s", buf_cstr(&why));
	talk_close(&t);
	j = json_of(buf_get(&s->told));
	s->level = (enum sandbox_level)json_num(json_find(j, "level"));
	s->waived = (uint32_t)json_num(json_find(j, "waived"));
	s->launcher = launcher;
	s->image = (pid_t)json_num(json_find(j, "image"));
	kin_find(&s->kin, launcher);
	add_told(s, json_find(j, "processes"));
	add_kin(s);
	/* Stable: the rest stays in the order of their start. */
	for (size_t i = 1; i < s->n; i++)
		for (size_t k = i;
		     k > 0 && by_place(&s->v[k - 1], &s->v[k]) > 0; k--) {
			struct subject swap = s->v[k];

			s->v[k] = s->v[k - 1];
			s->v[k - 1] = swap;
		}
	look_at_peers(s);
	buf_clear(&why);
}

/* Somebody came or went while we asked: then it is worth a second look. */
static bool
any_odd(const struct survey *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].odd != NULL)
			return true;
	return false;
}

/* --- measuring ------------------------------------------------------------ */

static void
count(struct survey *s, int status)
{
	/* Different is worse than unknown. */
	if (status == EXIT_BAD || (status == EXIT_UNSURE && s->status == 0))
		s->status = status;
}

/*
 * What it has asked the broker for, against what its policy lets it ask for:
 * by the broker's books, and the broker's limits by the policy.
 */
static void
check_requests(struct subject *j, const struct policy *policy)
{
	struct json list = json_of(j->requests), r;
	char name[64], want[96], have[96];

	while (json_each(&list, &r)) {
		struct str verb = json_str(json_find(r, "verb"));
		const struct policy_request *q =
		    policy_request_find(policy, verb);
		int64_t rate = json_num(json_find(r, "rate"));
		int64_t per = json_num(json_find(r, "per"));
		int64_t burst = json_num(json_find(r, "burst"));

		snprintf(name, sizeof(name), "request %.*s", STR_ARG(verb));
		snprintf(have, sizeof(have),
		    "%" PRId64 " in %" PRId64 "s, burst %" PRId64 "; %" PRId64
		    " used, %" PRId64 " refused",
		    rate, per, burst, json_num(json_find(r, "granted")),
		    json_num(json_find(r, "refused")));
		if (q == NULL) {
			audit_add(&j->audit, name, "none", have, AUDIT_WEAKER);
			continue;
		}
		snprintf(want, sizeof(want), "%u in %us, burst %u", q->rate,
		    q->per_s, q->burst);
		audit_add(&j->audit, name, want, have,
		    rate == q->rate && per == q->per_s && burst == q->burst ?
			AUDIT_EQUAL :
			AUDIT_WEAKER);
	}
}

/*
 * Copies share the namespaces that have nothing in them with their image,
 * which may be gone by now.  Who is one is the broker's to say; nothing but
 * that is believed of it.
 */
static bool
are_copies(const struct subject *j, const struct subject *o)
{
	return strcmp(j->component, o->component) == 0 &&
	    (j->image || j->copy) && (o->image || o->copy);
}

/*
 * Its namespaces are nobody else's, but for the network, which is one and
 * empty for all who have that wall.
 */
static void
check_neighbours(struct survey *s, struct subject *j)
{
	static const char *const names[] = { "net", "pid", "mount", "ipc",
		"uts", "cgroup" };
	const struct policy *p = policy_find(str_of(j->component));
	char name[64], have[96];

	for (size_t i = 0; i < s->n; i++) {
		struct subject *o = &s->v[i];
		const struct policy *q = policy_find(str_of(o->component));

		if (o == j || p == NULL || q == NULL)
			continue;
		for (size_t k = 0; k < NELEM(names); k++) {
			bool both = (p->walls & q->walls & ~s->waived &
					(WALL_NET << k)) != 0;

			if (!both || o->audit.ns[k] == 0 ||
			    j->audit.ns[k] == 0 ||
			    (o->audit.ns[k] == j->audit.ns[k]) == (k == 0) ||
			    (k > 1 && are_copies(j, o)))
				continue;
			snprintf(name, sizeof(name), "%s apart", names[k]);
			snprintf(have, sizeof(have),
			    k == 0 ? "another than that of %s %d" :
				     "that of %s %d",
			    o->component, (int)o->pid);
			audit_add(&j->audit, name,
			    k == 0 ? "the one that is empty" : "its own", have,
			    AUDIT_WEAKER);
		}
	}
}

static void
measure(struct survey *s, struct subject *j)
{
	struct sandbox_place place = { .level = s->level,
		.uid = j->uid,
		.gid = j->gid,
		.waived = s->waived,
		.filter_fd = -1 };
	const struct policy *policy = policy_find(str_of(j->component));
	char *path = policy_path(j->component), *text = NULL;
	char *program = program_path(j->component);
	struct audit_of of = { .pid = j->pid,
		.place = &place,
		.launcher = s->launcher,
		.program = program,
		.peers = s->peers, .image = j->image };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	free(path);
	if (fd != -1 && fd_slurp(fd, POLICY_TEXT_MAX, &text, &n) == -1)
		text = NULL;
	fd_close(&fd);
	j->descriptors = kin_descriptors(j->pid);
	if (policy == NULL) {
		j->status = EXIT_BAD;
		if (j->odd == NULL)
			j->odd = xstrdup("there is no policy for it");
	} else {
		of.policy = policy;
		of.text = text == NULL ? STR_NONE : str_make(text, n);
		of.text_missing = text == NULL;
		j->status = sandbox_audit(&of, &j->audit);
	}
	if (policy != NULL)
		check_requests(j, policy);
	free(text);
	free(program);
}

void
survey_measure(struct survey *s)
{
	for (size_t i = 0; i < s->n; i++)
		measure(s, &s->v[i]);
	for (size_t i = 0; i < s->n; i++) {
		struct subject *j = &s->v[i];

		check_neighbours(s, j);
		j->status = j->odd != NULL ? EXIT_BAD : audit_status(&j->audit);
		count(s, j->status);
	}
}

const char *
survey_overlay(const struct subject *j)
{
	const struct policy *p = policy_find(str_of(j->component));

	return p == NULL ? NULL : p->overlay;
}

const char *
survey_verdict(int status)
{
	return status == 0 ? "equal" :
	    status == 1	   ? "DIFFERENT" :
			     "not measurable";
}

void
survey_hash(const struct audit *a, size_t bytes, char *out)
{
	for (size_t i = 0; i < bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", a->policy_hash[i]);
}

static bool
chosen(const struct subject *j, char *const names[])
{
	if (names[0] == NULL)
		return true;
	for (size_t i = 0; names[i] != NULL; i++)
		if (strcmp(names[i], j->component) == 0)
			return true;
	return false;
}

void
survey_choose(struct survey *s, char *const names[])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (chosen(&s->v[i], names))
			s->v[n++] = s->v[i];
		else
			free(s->v[i].odd);
	}
	s->n = n;
	if (n == 0 && names[0] != NULL &&
	    strstr(buf_cstr(&s->absent), names[0]) != NULL) {
		printf("%s: not running, on demand\n", names[0]);
		exit(0); /* which is as its policy says */
	}
	if (n == 0)
		die("no such process");
}

bool
survey_gone(const struct survey *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (kill(s->v[i].pid, 0) == -1 && errno == ESRCH)
			return true;
	return false;
}

bool
survey_take(struct survey *s, const struct instance *in, pid_t launcher)
{
	*s = (struct survey){ .in = in };
	if (launcher <= 0) {
		say("error: the mail system is not running: there is nothing "
		    "to measure");
		return false;
	}
	look_around(s, launcher);
	for (int i = 0; i < 5 && any_odd(s); i++) {
		survey_forget(s);
		usleep(100000);
		look_around(s, launcher);
	}
	return true;
}
