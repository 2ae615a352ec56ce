/* SPDX-License-Identifier: ISC */
/*
 * What /proc says of a process besides its credentials: limits, its cgroup,
 * its children, its program, its network.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sandbox/audit_row.h"

/* A file of /proc as text, in out; -1 with errno. */
static int
proc_text(pid_t pid, const char *name, char *out, size_t size)
{
	char path[96];
	size_t n = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	while (n < size - 1 && (got = read(fd, out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	fd_close(&fd);
	out[n] = '\0';
	return 0;
}

/* --- limits --------------------------------------------------------------- */

/* Lines of /proc/PID/limits, which need no privilege to be read. */
static const struct {
	const char *name;
	const char *line;
} limit_lines[] = { { "as", "Max address space" },
	{ "core", "Max core file size" }, { "cpu", "Max cpu time" },
	{ "data", "Max data size" }, { "fsize", "Max file size" },
	{ "locks", "Max file locks" }, { "memlock", "Max locked memory" },
	{ "msgqueue", "Max msgqueue size" }, { "nice", "Max nice priority" },
	{ "nofile", "Max open files" }, { "nproc", "Max processes" },
	{ "rtprio", "Max realtime priority" },
	{ "rttime", "Max realtime timeout" },
	{ "sigpending", "Max pending signals" },
	{ "stack", "Max stack size" } };

static int
limit_word(struct str *line, uint64_t *out)
{
	struct str w;

	if (!str_token(line, " ", &w))
		return -1;
	*out = RLIM_INFINITY;
	return str_eq(w, STR("unlimited")) ? 0 : str_u64(w, UINT64_MAX, out);
}

/* Soft and hard limit on a line of that file; -1 when it has none such. */
static int
limit_find(struct str text, const char *name, uint64_t *soft, uint64_t *hard)
{
	struct str line;

	for (size_t i = 0; i < NELEM(limit_lines); i++) {
		if (strcmp(limit_lines[i].name, name) != 0)
			continue;
		while (str_token(&text, "\n", &line)) {
			struct str key = str_of(limit_lines[i].line);

			if (!str_starts(line, key))
				continue;
			line = str_sub(line, key.n, line.n);
			return limit_word(&line, soft) == 0 &&
				limit_word(&line, hard) == 0 ?
			    0 :
			    -1;
		}
	}
	return -1;
}

static void
limit_text(uint64_t v, char out[32])
{
	if (v == RLIM_INFINITY)
		strlcpy(out, "unlimited", 32);
	else
		snprintf(out, 32, "%llu", (unsigned long long)v);
}

/*
 * It ought to have what its policy says, or what the launcher had if that is
 * less (more cannot be given); soft and hard alike.
 */
static void
audit_limit(struct auditing *au, const struct policy_limit *l, struct str his,
    struct str launchers)
{
	char name[64], want[64], have[96], soft_text[32], hard_text[32];
	uint64_t soft, hard, s, ceiling, value = l->value;

	snprintf(name, sizeof(name), "limit %s", l->name);
	if (limit_find(launchers, l->name, &s, &ceiling) == 0 &&
	    ceiling < value)
		value = ceiling;
	limit_text(value, want);
	if (value != l->value)
		strlcat(want, ", as the launcher has it", sizeof(want));
	if (limit_find(his, l->name, &soft, &hard) == -1) {
		audit_unmeasurable(au, WALL_RLIMITS, name, want, ENOENT);
		return;
	}
	limit_text(soft, soft_text);
	limit_text(hard, hard_text);
	if (soft == hard)
		strlcpy(have, hard_text, sizeof(have));
	else
		snprintf(have, sizeof(have), "%s, up to %s", soft_text,
		    hard_text);
	if (hard < value || (hard == value && soft < hard))
		audit_differs(au, WALL_RLIMITS, name, want, have);
	else
		audit_row(au, WALL_RLIMITS, name, hard == value, want, "%s",
		    have);
}

void
audit_limits(struct auditing *au, pid_t pid)
{
	const struct policy *p = au->policy;
	char his[8192] = "", launchers[8192] = "";

	proc_text(pid, "limits", his, sizeof(his));
	proc_text(au->of->launcher > 0 ? au->of->launcher : getpid(), "limits",
	    launchers, sizeof(launchers));
	for (size_t i = 0; i < p->nlimits; i++)
		audit_limit(au, &p->limits[i], str_of(his), str_of(launchers));
}

/* --- surroundings --------------------------------------------------------- */

/* The file it runs is the one that is installed. */
static void
audit_program(struct auditing *au, pid_t pid)
{
	const char *want = au->of->program;
	char path[64], have[PATH_MAX];
	struct stat a, b;
	ssize_t n;

	if (want == NULL)
		return;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, have, sizeof(have) - 1);
	if (n == -1 || stat(path, &a) == -1) {
		audit_unmeasurable(au, 0, "program", want, errno);
		return;
	}
	have[n] = '\0';
	if (stat(want, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		audit_row(au, 0, "program", true, want, "the same file");
	else
		audit_differs(au, 0, "program", want, have);
}

/* A component has no processes of its own; not even root's would be seen. */
static void
audit_children(struct auditing *au, pid_t pid)
{
	char path[64], name[64], text[4096];
	struct dirent *de;
	DIR *d;

	if ((au->policy->walls & WALL_SECCOMP) == 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	text[0] = '\0';
	while (d != NULL && text[0] == '\0' && (de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "task/%.20s/children", de->d_name);
		if (proc_text(pid, name, text, sizeof(text)) == -1)
			continue;
	}
	if (d == NULL)
		audit_unmeasurable(au, 0, "children", "none", errno);
	else
		audit_row(au, 0, "children", text[0] == '\0', "none", "%s",
		    text[0] == '\0' ? "none" : text);
	if (d != NULL)
		closedir(d);
}

/* What limits all of the mail system limits each of its processes. */
static void
audit_cgroup(struct auditing *au, pid_t pid)
{
	char his[4096], launchers[4096];
	struct str text, line;

	if (au->of->launcher <= 0)
		return;
	if (proc_text(pid, "cgroup", his, sizeof(his)) == -1 ||
	    proc_text(au->of->launcher, "cgroup", launchers,
		sizeof(launchers)) == -1) {
		audit_unmeasurable(au, 0, "control group", "the launcher's",
		    errno);
		return;
	}
	text = str_of(his);
	str_token(&text, "\n", &line);
	audit_row(au, 0, "control group", strcmp(his, launchers) == 0,
	    "the launcher's", STR_FMT, STR_ARG(line));
}

/* The names of interfaces, and whether any of them has an address. */
static void
audit_network(struct auditing *au, pid_t pid)
{
	char text[16384], routes[4096], v6[4096];
	struct str rest, line;
	bool other = false, addresses;
	struct buf names;

	if ((au->policy->walls & WALL_NET) == 0)
		return;
	if (proc_text(pid, "net/dev", text, sizeof(text)) == -1 ||
	    proc_text(pid, "net/fib_trie", routes, sizeof(routes)) == -1) {
		audit_unmeasurable(au, WALL_NET, "network",
		    "no interface but lo, no address", errno);
		return;
	}
	if (proc_text(pid, "net/if_inet6", v6, sizeof(v6)) == -1)
		v6[0] = '\0'; /* no IPv6 at all */
	addresses = strstr(routes, "host LOCAL") != NULL || v6[0] != '\0';
	buf_init(&names, 1024);
	rest = str_of(text);
	while (str_token(&rest, "\n", &line)) {
		ptrdiff_t colon = str_chr(line, ':');
		struct str name;

		if (colon == -1 || str_chr(line, '|') != -1)
			continue;
		name = str_trim(str_sub(line, 0, (size_t)colon));
		other |= !str_eq(name, STR("lo"));
		if (names.len + name.n < 1000)
			buf_printf(&names, "%s" STR_FMT,
			    names.len > 0 ? " " : "", STR_ARG(name));
	}
	audit_row(au, WALL_NET, "network", !other && !addresses,
	    "no interface but lo, no address", "%s, %s", buf_cstr(&names),
	    addresses ? "with addresses" : "no address");
	buf_clear(&names);
}

void
audit_surroundings(struct auditing *au, pid_t pid)
{
	audit_program(au, pid);
	audit_children(au, pid);
	audit_cgroup(au, pid);
	audit_network(au, pid);
}
