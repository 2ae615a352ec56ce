/* SPDX-License-Identifier: ISC */
/*
 * sandbox audit: what each process may do, declared against measured.
 *
 * Which processes there are is asked of the kernel: the children of the
 * launcher.  What the broker says of them is compared with that.  The
 * measuring is done here, by whoever runs this command, with his rights.
 */
#include "mailctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/uids.h"
#include "json.h"
#include "kin.h"
#include "sandbox/audit.h"
#include "sandbox/sandbox.h"

#define POLICY_TEXT_MAX (1 << 20)
#define STATUS_MAX (16 << 20)

/* One process, and what came of looking at it. */
struct subject {
	char component[32];
	int64_t instance; /* -1: it is none of several */
	pid_t pid;
	uid_t shown_uid; /* that it has */
	uid_t uid;	 /* that it ought to have, or 0 */
	gid_t gid;
	struct audit audit;
	int status;
	int descriptors;
	char *odd; /* it is not what it was said to be; or NULL */
};

struct survey {
	const struct instance *in;
	enum sandbox_level level;
	uint32_t waived;
	struct kin kin;
	struct subject *v;
	size_t n;
	int status;
};

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

	/*
	 * Without root there is one user id, and no such wall: it is shown as
	 * waived.
	 */
	kin_uid(j->pid, &j->shown_uid);
	if (s->level != LEVEL_ROOT)
		return;
	if (strcmp(j->component, "mailbox") == 0) {
		j->uid = (uid_t)json_num(json_find(p, "uid"));
		j->gid = (gid_t)json_num(json_find(p, "gid"));
	} else if (uid != -1) {
		j->uid = (uid_t)uid;
		j->gid = (gid_t)uid;
	}
}

/* Started with the policy and overlay that are there now? */
static void
check_hash(struct subject *j, struct str told)
{
	const struct policy *p = policy_find(str_of(j->component));
	char hex[POLICY_HEX];

	if (p == NULL || j->odd != NULL)
		return;
	policy_hex(p, hex);
	if (!str_eq(told, str_of(hex)))
		j->odd = xasprintf("runs under another policy or overlay: "
		    "%.12s, and not %.12s", told.n == 0 ? "?" : told.p, hex);
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

		if (pid <= 0)
			continue;
		j = add(s, json_str(json_find(p, "component")),
		    json_num(json_find(p, "instance")), pid);
		set_place(s, j, p);
		check_kin(s, j);
		check_hash(j, json_str(json_find(p, "policy")));
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
		j = add(s,
		    i == 0		      ? STR("launcher") :
			k->program[0] == '\0' ? STR("broker") :
						str_of(k->program),
		    -1, k->pid);
		set_place(s, j, none);
		if (i == 0)
			j->uid = j->gid = 0;
		else if (strcmp(j->component, "broker") != 0)
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

static void
forget(struct survey *s)
{
	for (size_t i = 0; i < s->n; i++) {
		audit_clear(&s->v[i].audit);
		free(s->v[i].odd);
	}
	free(s->v);
	s->v = NULL;
	s->n = 0;
	kin_clear(&s->kin);
}

static void
look_around(struct survey *s, pid_t launcher)
{
	struct buf text, why;
	struct talk t;
	struct json j;

	buf_init(&text, STATUS_MAX);
	buf_init(&why, 4096);
	if (!talk_open(&t, s->in))
		die("the mail system does not answer: %s", strerror(errno));
	if (talk_admin(&t, ADMIN_STATUS, &text, &why) != 0)
		die("%s", buf_cstr(&why));
	talk_close(&t);
	j = json_of(buf_get(&text));
	s->level = (enum sandbox_level)json_num(json_find(j, "level"));
	s->waived = (uint32_t)json_num(json_find(j, "waived"));
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
	buf_clear(&text);
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
measure(struct survey *s, struct subject *j)
{
	struct sandbox_place place = { .level = s->level,
		.uid = j->uid,
		.gid = j->gid,
		.waived = s->waived,
		.filter_fd = -1 };
	const struct policy *policy = policy_find(str_of(j->component));
	char *path = policy_path(j->component), *text = NULL;
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
		j->status = sandbox_audit(j->pid, policy, &place,
		    text == NULL ? STR_NONE : str_make(text, n), &j->audit);
	}
	if (j->odd != NULL)
		j->status = EXIT_BAD;
	/* Different is worse than unknown. */
	if (j->status == EXIT_BAD ||
	    (j->status == EXIT_UNSURE && s->status == 0))
		s->status = j->status;
	free(text);
}

static const char *
verdict(int status)
{
	return status == 0 ? "equal" :
	    status == 1	   ? "DIFFERENT" :
			     "not measurable";
}

/* --- showing -------------------------------------------------------------- */

static void
hash_text(const struct audit *a, size_t bytes, char *out)
{
	for (size_t i = 0; i < bytes; i++)
		snprintf(out + 2 * i, 3, "%02x", a->policy_hash[i]);
}

/* The overlay on its policy, or NULL. */
static const char *
overlay_of(const struct subject *j)
{
	const struct policy *p = policy_find(str_of(j->component));

	return p == NULL ? NULL : p->overlay;
}

static void
show_line(const struct subject *j)
{
	const struct audit *a = &j->audit;
	char name[64], hash[17], calls[32], fds[16] = "?";

	hash_text(a, 6, hash);
	if (overlay_of(j) != NULL)
		strlcat(hash, "+", sizeof(hash));
	if (j->instance > 0)
		snprintf(name, sizeof(name), "%s %" PRId64, j->component,
		    j->instance);
	else
		strlcpy(name, j->component, sizeof(name));
	if (a->points > 0)
		snprintf(calls, sizeof(calls), "%u+%u", a->calls_allowed,
		    a->calls_checked);
	else
		strlcpy(calls, "-", sizeof(calls));
	if (j->descriptors >= 0)
		snprintf(fds, sizeof(fds), "%d", j->descriptors);
	printf("%-12s %8d %7u  %-13s %8s %5s %6zu  %s", name, (int)j->pid,
	    (unsigned)j->shown_uid, hash, calls, fds, a->equal + a->vouched,
	    verdict(j->status));
	if (a->weaker > 0)
		printf(", %zu weaker", a->weaker);
	if (a->unmeasurable > 0)
		printf(", %zu not measurable", a->unmeasurable);
	if (a->waived > 0)
		printf(", %zu waived", a->waived);
	if (j->odd != NULL)
		printf(", %s", j->odd);
	putchar('\n');
}

static void
show_summary(const struct survey *s)
{
	size_t equal = 0, points = 0;
	struct buf b;

	printf("%-12s %8s %7s  %-13s %8s %5s %6s  %s\n", "component", "pid",
	    "uid", "policy", "calls", "fds", "equal", "verdict");
	for (size_t i = 0; i < s->n; i++) {
		show_line(&s->v[i]);
		equal += s->v[i].status == 0;
		points += s->v[i].audit.points;
	}
	printf("\nlevel: %s; %zu of %zu processes are as their policies say "
	       "(filters run at %zu points)\n",
	    level_name(s->level), equal, s->n, points);
	puts("calls: allowed + allowed by argument; fds: descriptors held; "
	     "equal: walls that stand");
	for (size_t i = 0; i < policy_count(); i++) {
		const struct policy *p = policy_at(i);
		char base[POLICY_HEX], both[POLICY_HEX];

		if (p->overlay == NULL)
			continue;
		policy_hex(p->base, base);
		policy_hex(p, both);
		printf("%s: policy %.12s + overlay %s: %.12s\n", p->name, base,
		    p->overlay, both);
	}
	if (s->waived == 0)
		return;
	buf_init(&b, 1024);
	walls_names(s->waived, &b);
	printf("WAIVED by sandbox_waive: %s\n", buf_cstr(&b));
	buf_clear(&b);
}

static void
show_rows(const struct subject *j, bool all)
{
	bool title = false;

	for (size_t i = 0; i < j->audit.n; i++) {
		const struct audit_row *r = &j->audit.rows[i];

		if (!all && (r->verdict != AUDIT_WEAKER || r->waived))
			continue;
		if (!title)
			printf("\n%s %d\n  %-26s %-13s %s\n", j->component,
			    (int)j->pid, "wall", "verdict",
			    "declared / measured");
		title = true;
		printf("  %-26s %-13s %s / %s\n", r->wall,
		    r->waived ? "waived" : audit_verdict_name(r->verdict),
		    r->declared, r->measured);
	}
}

static void
row_json(struct buf *b, const struct audit_row *r)
{
	buf_puts(b, "{\"wall\":");
	json_put(b, str_of(r->wall));
	buf_puts(b, ",\"declared\":");
	json_put(b, str_of(r->declared));
	buf_puts(b, ",\"measured\":");
	json_put(b, str_of(r->measured));
	buf_printf(b, ",\"verdict\":\"%s\",\"waived\":%s}",
	    audit_verdict_name(r->verdict), r->waived ? "true" : "false");
}

static void
show_json_subject(const struct subject *j)
{
	const struct audit *a = &j->audit;
	char hash[POLICY_HEX];
	struct buf b;

	buf_init(&b, 1 << 20);
	hash_text(a, POLICY_HASH, hash);
	buf_printf(&b,
	    "{\"component\":\"%s\",\"instance\":%" PRId64
	    ",\"pid\":%d,\"uid\":%u,\"policy\":\"%s\",\"calls_allowed\":%u,"
	    "\"calls_checked\":%u,\"calls_errno\":%u,\"points\":%u,"
	    "\"descriptors\":%d,\"equal\":%zu,\"vouched\":%zu,\"weaker\":%zu,"
	    "\"unmeasurable\":%zu,\"waived\":%zu,\"status\":%d,\"odd\":",
	    j->component, j->instance, (int)j->pid, (unsigned)j->shown_uid,
	    hash, a->calls_allowed, a->calls_checked, a->calls_errno, a->points,
	    j->descriptors, a->equal, a->vouched, a->weaker, a->unmeasurable,
	    a->waived, j->status);
	if (j->odd != NULL)
		json_put(&b, str_of(j->odd));
	else
		buf_puts(&b, "null");
	buf_puts(&b, ",\"overlay\":");
	if (overlay_of(j) != NULL)
		json_put(&b, str_of(overlay_of(j)));
	else
		buf_puts(&b, "null");
	buf_puts(&b, ",\"rows\":[");
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			buf_putc(&b, ',');
		row_json(&b, &a->rows[i]);
	}
	buf_puts(&b, "]}");
	fwrite(b.base + b.off, 1, b.len, stdout);
	buf_clear(&b);
}

static void
show_json(const struct survey *s)
{
	struct buf b;

	buf_init(&b, 4096);
	walls_names(s->waived, &b);
	printf("{\"level\":%d,\"waived\":\"%s\",\"status\":%d,"
	       "\"processes\":[",
	    s->level, buf_cstr(&b), s->status);
	buf_clear(&b);
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			puts(",");
		show_json_subject(&s->v[i]);
	}
	puts("]}");
}

/* --- the command ---------------------------------------------------------- */

/* The rows that nobody could measure: each once, with how many have it. */
static void
show_unmeasured(const struct survey *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->v[i].audit.n; k++) {
			const struct audit_row *r = &s->v[i].audit.rows[k];
			size_t same = 0, before = 0;

			if (r->verdict != AUDIT_UNMEASURABLE || r->waived)
				continue;
			for (size_t j = 0; j < s->n; j++)
				for (size_t m = 0; m < s->v[j].audit.n; m++) {
					const struct audit_row *o =
					    &s->v[j].audit.rows[m];

					if (o->verdict != r->verdict ||
					    strcmp(o->wall, r->wall) != 0)
						continue;
					same++;
					before += j < i;
				}
			if (before == 0)
				printf("not measurable: %s of %zu processes: "
				       "%s\n",
				    r->wall, same, r->measured);
		}
}

/* Why it could not be measured, in words somebody can act on. */
static void
explain(const struct survey *s)
{
	if (s->status != EXIT_UNSURE)
		return;
	putchar('\n');
	show_unmeasured(s);
	if (geteuid() != 0)
		puts("The kernel shows so much of a sealed process to root "
		     "only: run this as root to measure all.");
	else
		puts("Not even root may look here: is this a container "
		     "without CAP_SYS_PTRACE, or is kernel.yama.ptrace_scope "
		     "3?");
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

static void
choose(struct survey *s, char *const names[])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (chosen(&s->v[i], names))
			s->v[n++] = s->v[i];
		else
			free(s->v[i].odd);
	}
	s->n = n;
	if (n == 0)
		die("no such process");
}

int
cmd_sandbox_audit(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, 'a' }, { NULL, 0, NULL, 0 }
	};
	struct survey s = { 0 };
	struct instance in;
	bool all = opt.verbose;
	pid_t pid;
	int c;

	while ((c = getopt_long(argc, argv, "+a", longs, NULL)) != -1) {
		if (c != 'a')
			die_usage("usage: mailctl sandbox audit [--all] "
				  "[COMPONENT ...]");
		all = true;
	}
	instance_open(&in);
	need_overlays();
	pid = instance_pid(&in);
	if (pid <= 0) {
		say("error: the mail system is not running: there is nothing "
		    "to measure");
		return EXIT_UNSURE;
	}
	s.in = &in;
	look_around(&s, pid);
	for (int i = 0; i < 5 && any_odd(&s); i++) {
		forget(&s);
		usleep(100000);
		look_around(&s, pid);
	}
	choose(&s, argv + optind);
	for (size_t i = 0; i < s.n; i++)
		measure(&s, &s.v[i]);
	if (opt.json) {
		show_json(&s);
	} else {
		show_summary(&s);
		for (size_t i = 0; i < s.n; i++)
			show_rows(&s.v[i], all || argv[optind] != NULL);
		explain(&s);
	}
	c = s.status;
	forget(&s);
	instance_clear(&in);
	return c;
}
