/* SPDX-License-Identifier: ISC */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A borrowed piece of text: n bytes at p, no terminator, any byte allowed.
 * Passed by value.  It lives as long as the memory it points into; whoever
 * wants to keep it calls str_dup().  p may be NULL when n is 0.
 */
struct str {
	const char *p;
	size_t n;
};

/* printf("%.*s", STR_ARG(s)); only for text of less than 2 GB. */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).n == 0 ? "" : (s).p

#define STR_NONE ((struct str){ NULL, 0 })

/* A string constant as a str, without strlen at run time. */
#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })

static inline struct str
str_of(const char *s)
{
	return (struct str){ s, s == NULL ? 0 : strlen(s) };
}

static inline struct str
str_make(const void *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Compare like strcmp: the shorter of two equal beginnings is smaller. */
int str_cmp(struct str a, struct str b);

/* Equal but for the case of ASCII letters. */
bool str_caseeq(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_casestarts(struct str s, struct str prefix);
bool str_caseends(struct str s, struct str suffix);

/* Position of the first (last) byte c, or -1. */
ptrdiff_t str_chr(struct str s, int c);
ptrdiff_t str_rchr(struct str s, int c);

/* Bytes [from, to) of s, both clipped to s.n. */
struct str str_sub(struct str s, size_t from, size_t to);

/* Without leading and trailing blanks (space, tab, CR, LF). */
struct str str_trim(struct str s);

/*
 * Cut the next token of s that is separated by any byte of seps, skipping
 * empty ones.  Returns false when nothing is left.
 */
bool str_token(struct str *s, const char *seps, struct str *out);

/* Is word one of those in list, which blanks separate? */
bool str_has_word(struct str list, struct str word);

/*
 * Parse an unsigned decimal number that fills all of s and is at most max.
 * Returns -1 when it does not.
 */
int str_u64(struct str s, uint64_t max, uint64_t *out);

/* A heap copy with a terminator; the caller frees it. */
char *str_dup(struct str s);

/* A heap copy with ASCII letters in lower case; the caller frees it. */
char *str_dup_lower(struct str s);

/*
 * Copy into dst (size bytes) with a terminator.  Returns -1, with dst empty,
 * when it does not fit or s holds a NUL byte.
 */
int str_copy(struct str s, char *dst, size_t size);

/* ASCII, whatever the locale says. */
static inline int
ascii_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static inline bool
ascii_isalpha(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static inline bool
ascii_isdigit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_isalnum(int c)
{
	return ascii_isalpha(c) || ascii_isdigit(c);
}

static inline bool
ascii_isblank(int c)
{
	return c == ' ' || c == '\t';
}

static inline bool
ascii_isspace(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* 0x21 to 0x7e: visible and not a space. */
static inline bool
ascii_isgraph(int c)
{
	return c > 0x20 && c < 0x7f;
}

#endif
