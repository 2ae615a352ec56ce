/* SPDX-License-Identifier: ISC */
/*
 * mailctl explain: a parameter of main.cf, from its declaration, and what it
 * is here.
 */
#include "mailctl.h"

#include <stdio.h>

#include "conf/eval.h"
#include "conf/params.h"

static const char *
type_name(const struct param *p)
{
	static const char *const names[] = {
		[PT_BOOL] = "yes or no",
		[PT_INT] = "a number",
		[PT_SIZE] = "bytes (k, m, g are understood)",
		[PT_TIME] = "a time (s, m, h, d, w)",
		[PT_STR] = "a text",
		[PT_RAW] = "a text, whose $names are expanded when it is used",
		[PT_ENUM] = "one of",
		[PT_SET] = "some of",
		[PT_LIST] = "a list of names",
		[PT_MATCH] = "a list of names, /file and type:table, ! for not",
		[PT_NETS] = "a list of networks, /file and type:table, ! for "
			    "not",
		[PT_MAPS] = "a list of tables",
		[PT_RULES] = "a list of restrictions",
	};

	return names[p->type];
}

static const char *
status_text(enum param_status status)
{
	switch (status) {
	case PS_VOID:
		return "understood, without effect";
	case PS_LATER:
		return "not supported by this version";
	case PS_READ:
		return "can be read as $name, not be set";
	case PS_OK:
		break;
	}
	return NULL;
}

/* The text of the manual, in lines. */
static void
print_text(const char *text)
{
	struct str s = str_of(text), w;
	size_t column = 0;

	while (str_token(&s, " \n", &w)) {
		if (column > 0 && column + 1 + w.n > 76) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s" STR_FMT,
		    column == 0 ? "    " : " ", STR_ARG(w));
	}
	if (column > 0)
		putchar('\n');
}

static void
explain(struct instance *in, enum param_id id)
{
	const struct param *p = &params[id];
	const char *status = status_text(p->status);
	struct eval e = { .main = &in->build.main,
		.host = &in->build.host,
		.dir = in->build.dir,
		.rep = &in->build.rep };
	const struct maincf_entry *at = eval_param_entry(&e, id);
	struct buf value;

	buf_init(&value, 1 << 20);
	printf("%s: %s%s%s\n", p->name, type_name(p),
	    p->words != NULL ? " " : "", p->words != NULL ? p->words : "");
	if (status != NULL)
		printf("    (%s)\n", status);
	if (p->text != NULL)
		print_text(p->text);
	printf("default: %s\n", eval_default(&e, id));
	if (at != NULL)
		printf("set in:  %s, line %u: %s\n", at->file, at->line,
		    at->value);
	if (eval_param(&e, id, &value) == 0)
		printf("here:    " STR_FMT "\n", STR_ARG(buf_get(&value)));
	eval_clear(&e);
	buf_clear(&value);
}

int
cmd_explain(int argc, char *argv[])
{
	struct instance in;
	int bad = 0, id;

	if (argc < 2)
		die_usage("usage: mailctl explain PARAMETER ...");
	instance_open(&in);
	for (int i = 1; i < argc; i++) {
		const char *near = param_nearest(str_of(argv[i]));

		id = param_find(str_of(argv[i]));
		if (i > 1)
			putchar('\n');
		if (id != -1) {
			explain(&in, (enum param_id)id);
			continue;
		}
		say("error: there is no parameter %s%s%s%s", argv[i],
		    near != NULL ? " (did you mean " : "",
		    near != NULL ? near : "", near != NULL ? "?)" : "");
		bad = EXIT_BAD;
	}
	instance_clear(&in);
	return bad;
}
