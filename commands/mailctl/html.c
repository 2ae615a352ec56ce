/* SPDX-License-Identifier: ISC */
/*
 * What all pages have: their head, their looks, and harmless text.
 */
#include "html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* clang-format off */
static const char style[] =
":root{--bg:#fff;--fg:#1c2128;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;"
"--good:#1a7f37;--bad:#cf222e;--warn:#9a6700;--accent:#0550ae;"
"--hot:#fff1e5;--hotline:#bc4c00;--calm:#ddf4ff;--calmline:#0550ae;"
"--give:#fbefff;--giveline:#8250df;--auth:#dafbe1;--authline:#1a7f37;"
"--out:#f6f8fa;--outline:#59636e;--halo:#fff}\n"
"@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;"
"--dim:#9198a1;--line:#3d444d;--soft:#151b23;--good:#3fb950;--bad:#f85149;"
"--warn:#d29922;--accent:#4493f8;--hot:#3a2413;--hotline:#f0883e;"
"--calm:#0c2742;--calmline:#58a6ff;--give:#2b1d42;--giveline:#bc8cff;"
"--auth:#10301c;--authline:#3fb950;--out:#151b23;--outline:#9198a1;"
"--halo:#0d1117}}\n"
"@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#fff;"
"--good:#1a7f37;--bad:#b00020;--warn:#7a5200;--accent:#033a86;--hot:#fff1e5;"
"--hotline:#bc4c00;--calm:#eef7ff;--calmline:#0550ae;--give:#f7efff;"
"--giveline:#8250df;--auth:#e6f8ea;--authline:#1a7f37;--out:#fff;"
"--outline:#555;--halo:#fff}"
"body{max-width:none;margin:0;font-size:9.5pt}"
"details{break-inside:auto}tr,h2,h3,summary{break-inside:avoid}"
"h2,h3,summary{break-after:avoid}.noprint{display:none}}\n"
"@page{margin:14mm}\n"
"*{box-sizing:border-box}html{background:var(--bg)}"
"body{margin:2rem auto;padding:0 1.5rem;max-width:78rem;background:var(--bg);"
"color:var(--fg);font:15px/1.5 system-ui,-apple-system,'Segoe UI',"
"'DejaVu Sans',Roboto,sans-serif}\n"
"h1{font-size:1.7rem;margin:0 0 .2rem;letter-spacing:-.01em}"
"h2{font-size:1.2rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;"
"border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.2rem 0 .4rem}"
"p{margin:.4rem 0 .8rem;max-width:52rem}.sub,.dim{color:var(--dim)}"
"code,.mono{font-family:ui-monospace,'SFMono-Regular',Menlo,Consolas,"
"'DejaVu Sans Mono',monospace;font-size:.87em}"
"a{color:var(--accent);text-decoration:none}"
"a:hover{text-decoration:underline}\n"
"table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem}"
"th,td{text-align:left;vertical-align:top;padding:.28rem .7rem .28rem 0;"
"border-bottom:1px solid var(--line)}th{font-weight:600;color:var(--dim);"
"font-size:.82em;border-bottom-width:2px}td.n,th.n{text-align:right;"
"font-variant-numeric:tabular-nums}td{overflow-wrap:anywhere}"
"td.w{white-space:nowrap}tbody tr:hover td{background:var(--soft)}\n"
".badge{display:inline-block;padding:.05rem .5rem;border-radius:1rem;"
"border:1px solid currentColor;font-size:.82em;white-space:nowrap}"
".badge.equal{color:var(--good)}.badge.vouched{color:var(--accent)}"
".badge.weaker,.badge.different{color:var(--bad)}"
".badge.unmeasurable,.badge.waived{color:var(--warn)}"
"tr.weaker td,tr.different td{background:var(--hot)}"
".facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;"
"margin:1rem 0}.facts dt{color:var(--dim)}.facts dd{margin:0}"
".big{font-size:1.05rem;font-weight:600;margin:1rem 0}"
"details{margin:.5rem 0}summary{cursor:pointer;padding:.3rem 0}"
"summary b{font-size:1.02rem}"
"details>div{padding:0 0 .6rem 1.1rem}\n";
/* clang-format on */

void
html_put(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '&')
			buf_puts(b, "&amp;");
		else if (c == '<')
			buf_puts(b, "&lt;");
		else if (c == '>')
			buf_puts(b, "&gt;");
		else if (c == '"')
			buf_puts(b, "&quot;");
		else if (c == '\n' || (c >= ' ' && c < 0x7f))
			buf_putc(b, (char)c);
		else
			buf_putc(b, '?');
	}
}

void
html_printf(struct buf *b, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		html_put(b, str_make(text, (size_t)n));
	free(text);
}

void
html_time(struct buf *b, int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[64] = "?";

	if (localtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	buf_puts(b, text);
}

void
html_begin(struct buf *b, const char *title)
{
	buf_puts(b,
	    "<!DOCTYPE html>\n"
	    "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n"
	    "<head>\n<meta charset=\"utf-8\"/>\n"
	    "<meta name=\"viewport\" content=\"width=device-width\"/>\n"
	    "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\""
	    "default-src 'none'; style-src 'unsafe-inline'\"/>\n<title>");
	html_put(b, str_of(title));
	buf_puts(b, "</title>\n<style>\n");
	buf_puts(b, style);
	buf_puts(b, "</style>\n</head>\n<body>\n");
}

void
html_end(struct buf *b)
{
	buf_puts(b, "</body>\n</html>\n");
}
