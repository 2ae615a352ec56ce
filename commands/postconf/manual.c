/* SPDX-License-Identifier: ISC */
/*
 * postconf(5), from the declaration of the parameters.
 */
#include "postconf.h"

#include <stdio.h>
#include <string.h>

/* The table again, with its headings. */
static const struct {
	const char *title;
	int id;
} rows[] = {
/* clang-format off */
#define PARAM_GROUP(t) { t, -1 },
#define PARAM(id, ...) { NULL, P_##id },
#define PARAM_BOOL PARAM
#define PARAM_INT PARAM
#define PARAM_SIZE PARAM
#define PARAM_TIME PARAM
#define PARAM_STR PARAM
#define PARAM_RAW PARAM
#define PARAM_ENUM PARAM
#define PARAM_SET PARAM
#define PARAM_LIST PARAM
#define PARAM_MATCH PARAM
#define PARAM_NETS PARAM
#define PARAM_MAPS PARAM
#define PARAM_RULES PARAM
#include "conf/params_all.def"
#include "conf/params_undef.h"
	/* clang-format on */
};

/* A word, so that roff does not read it as a request or an escape. */
static void
put_word(struct str w, bool first)
{
	if (first && (w.p[0] == '.' || w.p[0] == '\''))
		fputs("\\&", stdout);
	for (size_t i = 0; i < w.n; i++) {
		if (w.p[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(w.p[i]);
	}
}

/* Text for mdoc: a sentence begins on a line of its own. */
static void
put_text(const char *text)
{
	struct str s = str_of(text), w;
	size_t column = 0;
	bool end = true;

	while (str_token(&s, " \n", &w)) {
		if (column > 0 &&
		    ((end && ascii_isalnum(w.p[0])) || column + 1 + w.n > 76)) {
			putchar('\n');
			column = 0;
		}
		if (column > 0)
			column += putchar(' ') == ' ';
		put_word(w, column == 0);
		column += w.n;
		end = str_ends(w, STR("."));
	}
}

/* One argument of a macro. */
static void
put_arg(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputs("\"\"", stdout);
		else if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
	putchar('"');
}

static const char *
type_name(enum param_type t)
{
	static const char *const names[] = { [PT_BOOL] = "yes or no",
		[PT_INT] = "a number",
		[PT_SIZE] = "a size in bytes",
		[PT_TIME] = "a time",
		[PT_STR] = "text",
		[PT_RAW] = "text that is expanded when it is used",
		[PT_ENUM] = "a word",
		[PT_SET] = "words",
		[PT_LIST] = "a list",
		[PT_MATCH] = "a list of names, /files and tables",
		[PT_NETS] = "a list of networks, /files and tables",
		[PT_MAPS] = "tables",
		[PT_RULES] = "restrictions" };

	return names[t];
}

static const char *
computed(enum param_id id)
{
	switch (id) {
	case P_MYHOSTNAME:
		return "the name of the host";
	case P_MYDOMAIN:
		return "myhostname without its first label";
	case P_MYNETWORKS:
		return "see mynetworks_style";
	default:
		return "as built";
	}
}

static void
put_param(const struct param *p)
{
	int64_t unit = p->type == PT_TIME ? 1000 : 1;

	fputs(".It Va ", stdout);
	puts(p->name);
	if (p->dflt == NULL)
		printf("Default: %s;\n", computed((enum param_id)(p - params)));
	else if (*p->dflt == '\0')
		puts("Default: empty;");
	else {
		fputs("Default:\n.Ql ", stdout);
		put_arg(p->dflt);
		fputs(" ;\n", stdout);
	}
	printf("%s", type_name(p->type));
	if (p->type == PT_INT || p->type == PT_SIZE || p->type == PT_TIME)
		printf(" from %lld to %lld%s", (long long)(p->min / unit),
		    (long long)(p->max / unit),
		    p->type == PT_TIME ? " seconds" : "");
	if (p->words != NULL) {
		puts(" out of");
		put_text(p->words);
	}
	puts(".\n.Pp");
	put_text(p->text);
	putchar('\n');
}

/* A heading and what is under it that has this status. */
static void
put_rows(enum param_status status, bool headings)
{
	const char *title = NULL;

	for (size_t i = 0; i < NELEM(rows); i++) {
		if (rows[i].title != NULL)
			title = rows[i].title;
		if (rows[i].id == -1 || params[rows[i].id].status != status)
			continue;
		if (title != NULL && headings)
			printf("%s.Ss %s\n.Bl -tag -width Ds\n",
			    i == 1 ? "" : ".El\n", title);
		title = NULL;
		put_param(&params[rows[i].id]);
	}
	puts(".El");
}

static void
put_plain(enum param_status status)
{
	puts(".Bl -tag -width Ds");
	for (int i = 0; param_sorted((size_t)i) != -1; i++) {
		const struct param *p = &params[param_sorted((size_t)i)];

		if (p->status != status)
			continue;
		printf(".It Va %s\n", p->name);
		if (p->text != NULL)
			put_text(p->text);
		putchar('\n');
	}
	puts(".El");
}

static void
put_names(enum param_status status)
{
	const char *sep = "";

	for (int i = 0; param_sorted((size_t)i) != -1; i++) {
		const struct param *p = &params[param_sorted((size_t)i)];

		if (p->status != status)
			continue;
		printf("%s.Va %s", sep, p->name);
		sep = " ,\n";
	}
	puts(" .");
}

static void
put_families(void)
{
	puts(".Bl -tag -width Ds");
	for (int f = 0; f < F_COUNT; f++)
		printf(".It Ar transport Ns Va %s\n"
		       "Default:\n.Va $%s .\n",
		    families[f].suffix, params[families[f].dflt].name);
	puts(".El");
}

void
manual_print(void)
{
	fputs(".\\\" SPDX-License-Identifier: ISC\n"
	      ".\\\" Made by postconf --manual from the declarations.\n"
	      ".Dd November 21, 2026\n"
	      ".Dt POSTCONF 5\n"
	      ".Os\n"
	      ".Sh NAME\n"
	      ".Nm postconf\n"
	      ".Nd parameters of the mail system\n"
	      ".Sh DESCRIPTION\n"
	      "The parameters of\n"
	      ".Xr main.cf 5 ,\n"
	      "which also says how they are written.\n"
	      "A time without a unit has the unit of its default.\n"
	      "Those that are marked as ours exist in no other mail system.\n"
	      ".Sh PARAMETERS\n",
	    stdout);
	put_rows(PS_OK, true);
	fputs(".Sh PARAMETERS OF TRANSPORTS\n"
	      "For each service of type unix in\n"
	      ".Xr master.cf 5 ,\n"
	      "the following set for that transport what the parameter in\n"
	      "their default sets for all.\n"
	      "A time limit is for the services\n"
	      ".Xr pipe 8\n"
	      "and spawn.\n",
	    stdout);
	put_families();
	fputs(".Sh READ-ONLY PARAMETERS\n"
	      "These can be referred to and not be set.\n",
	    stdout);
	put_plain(PS_READ);
	fputs(".Sh PARAMETERS WITHOUT EFFECT\n"
	      "These are understood, because files of other systems have\n"
	      "them, and do nothing; a value that is not the default is\n"
	      "worth a warning.\n",
	    stdout);
	put_plain(PS_VOID);
	fputs(".Sh PARAMETERS THAT ARE NOT SUPPORTED\n"
	      "These are known from other systems.\n"
	      "To set one to anything but its default is an error:\n",
	    stdout);
	put_names(PS_LATER);
	fputs(".Sh SEE ALSO\n"
	      ".Xr postconf 1 ,\n"
	      ".Xr main.cf 5 ,\n"
	      ".Xr master.cf 5\n",
	    stdout);
}
