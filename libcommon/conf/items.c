/* SPDX-License-Identifier: ISC */
/*
 * Items of list parameters.
 */
#include "conf/items.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "conf/blob.h"
#include "conf/lines.h"
#include "conf/netlist.h"
#include "conf/value.h"

#define FILE_MAX (1 << 20)
#define FILE_DEPTH 10

static int parse(struct items *, enum param_type, struct str, bool, int);

#define BAD(it, advice, fmt, ...)                                      \
	report_add((it)->rep, REPORT_ERROR,                            \
	    (it)->at == NULL ? NULL : (it)->at->file,                  \
	    (it)->at == NULL ? 0 : (it)->at->line, advice, "%s: " fmt, \
	    (it)->name, __VA_ARGS__)

bool
items_table_type(struct str type)
{
	return value_word(type,
	    "btree cdb cidr dbm environ fail hash inline internal ldap lmdb "
	    "memcache mongodb mysql nis nisplus pcre pgsql pipemap proxy "
	    "randmap redis regexp sdbm socketmap sqlite static tcp texthash "
	    "unionmap unix",
	    NULL);
}

static void
add(struct items *it, enum conf_kind kind, bool negate, size_t type,
    struct str full)
{
	if (it->n % 16 == 0)
		it->v = xreallocarray(it->v, it->n + 16, sizeof(*it->v));
	it->v[it->n++] = (struct item){ .kind = kind,
		.negate = negate,
		.type = type,
		.full = str_dup(full) };
}

void
items_clear(struct items *it)
{
	for (size_t i = 0; i < it->n; i++)
		free(it->v[i].full);
	free(it->v);
	it->v = NULL;
	it->n = 0;
}

/* ---- /file ---- */

static int
parse_file(struct items *it, enum param_type type, struct str path, bool negate,
    int depth)
{
	char *name = str_dup(path), *text = NULL;
	struct lines l;
	struct buf line;
	size_t n;
	int fd, rc = 0;

	buf_init(&line, FILE_MAX);
	if (depth >= FILE_DEPTH) {
		rc = BAD(it, "a file must not include itself",
		    "files are nested too deeply at %s", name);
		goto out;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || fd_slurp(fd, FILE_MAX, &text, &n) == -1) {
		rc = BAD(it,
		    "a value that begins with / is a file that "
		    "holds the list",
		    "cannot read %s: %s", name, strerror(errno));
		fd_close(&fd);
		goto out;
	}
	fd_close(&fd);
	lines_init(&l, str_make(text, n));
	while (rc == 0 && lines_next(&l, &line)) {
		if (memchr(line.base + line.off, '\0', line.len) != NULL)
			rc = BAD(it, NULL, "%s is not a text file", name);
		else
			rc = parse(it, type, buf_get(&line), negate, depth + 1);
	}
out:
	buf_clear(&line);
	free(text);
	free(name);
	return rc;
}

/* ---- items ---- */

static int
check_table(struct items *it, enum param_type type, struct str s, size_t n)
{
	struct str name = str_sub(s, 0, n);

	/* Services that a rule asks: inet:host:port, unix:path. */
	if (type == PT_RULES && str_eq(name, STR("inet")))
		return 0;
	if (!items_table_type(name))
		return BAD(it, "write type:name; postconf -m prints the types",
		    "there is no table type \"" STR_FMT "\"", STR_ARG(name));
	if (s.n == n + 1)
		return BAD(it, "write type:name",
		    "no name behind \"" STR_FMT "\"", STR_ARG(s));
	return 0;
}

static int
check_net(struct items *it, struct str s)
{
	const char *why;
	struct net n;

	if (net_parse(s, &n, &why) == 0)
		return 0;
	/* Some of these lists take names of hosts as well. */
	if (str_chr(s, '/') == -1 && str_chr(s, ':') == -1 &&
	    str_chr(s, '[') == -1)
		for (size_t i = 0; i < s.n; i++)
			if (ascii_isalpha(s.p[i]))
				return 0;
	return BAD(it,
	    "write blocks as 192.0.2.0/24 or [2001:db8::]/32, with zeros "
	    "behind the prefix",
	    "\"" STR_FMT "\" %s", STR_ARG(s), why);
}

/* Domains, users, commands: nothing that can only be a slip. */
static int
check_match(struct items *it, struct str s)
{
	static const char never[] = "\"'<>();\\|/";

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' ||
		    strchr(never, s.p[i]) != NULL)
			return BAD(it,
			    "write names, /files or type:table, with commas "
			    "or blanks between",
			    "\"" STR_FMT "\" is not a name", STR_ARG(s));
	return 0;
}

static int
parse_word(struct items *it, enum param_type type, struct str s, bool negate)
{
	size_t n = 0;
	struct net net;

	if (type == PT_MATCH || type == PT_NETS || type == PT_MAPS ||
	    type == PT_RULES)
		n = value_table(s);
	/* fe80::1 is no table named :1 of type fe80. */
	if (n > 0 && type == PT_NETS &&
	    (net_parse(s, &net, NULL) == 0 ||
		str_starts(str_sub(s, n, s.n), STR("::"))))
		n = 0;
	if (n > 0) {
		if (check_table(it, type, s, n) == -1)
			return -1;
		add(it, CONF_TABLE, negate, n, s);
		return 0;
	}
	if (type == PT_MAPS)
		return BAD(it,
		    "write type:name, for instance hash:/etc/aliases",
		    "\"" STR_FMT "\" is not a table", STR_ARG(s));
	if (type == PT_NETS && check_net(it, s) == -1)
		return -1;
	if (type == PT_MATCH && check_match(it, s) == -1)
		return -1;
	add(it, CONF_WORD, negate, 0, s);
	return 0;
}

static int
parse(struct items *it, enum param_type type, struct str text, bool negate,
    int depth)
{
	bool lists = type == PT_MATCH || type == PT_NETS;
	struct str s;
	bool group;
	int rc;

	while ((rc = value_token(&text, &s, &group)) == 1) {
		bool not = negate;

		if (it->n >= BLOB_ITEMS_MAX)
			return BAD(it, NULL, "more than %d items",
			    BLOB_ITEMS_MAX);
		if (group) {
			add(it, CONF_GROUP, not, 0, value_unbrace(s));
			continue;
		}
		while (lists && s.n > 1 && s.p[0] == '!') {
			not = !not ;
			s = str_sub(s, 1, s.n);
		}
		if (lists && s.p[0] == '/')
			rc = parse_file(it, type, s, not, depth);
		else
			rc = parse_word(it, type, s, not );
		if (rc == -1)
			return -1;
	}
	if (rc == -1)
		return BAD(it, "close it with }",
		    "\"}\" is missing in \"" STR_FMT "\"",
		    STR_ARG(str_sub(s, 0, 60)));
	return 0;
}

int
items_parse(struct items *it, enum param_type type, struct str text)
{
	return parse(it, type, text, false, 0);
}

void
items_write(const struct items *it, struct buf *out)
{
	blob_u32(out, (uint32_t)it->n);
	for (size_t i = 0; i < it->n; i++) {
		blob_u8(out, (uint8_t)it->v[i].kind);
		blob_u8(out, it->v[i].negate);
		blob_u32(out, (uint32_t)it->v[i].type);
		blob_str(out, str_of(it->v[i].full));
	}
}
