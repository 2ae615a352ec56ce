/* SPDX-License-Identifier: ISC */
/*
 * The child that becomes the command.
 */
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "sandbox/sandbox.h"

#include "command.h"

#define EX_TEMPFAIL 75

/*
 * A text of these characters means to a shell what it means to us: words
 * between blanks.
 */
bool
start_words(struct str text, struct words *out)
{
	static const char plain[] = "1234567890!@%-_=+:,./"
				    "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ \t";
	struct str word;

	for (size_t i = 0; i < text.n; i++)
		if (str_chr(str_of(plain), text.p[i]) == -1)
			return false;
	while (str_token(&text, " \t", &word))
		words_add(out, word);
	return out->n > 0;
}

/* Our standard error is the command's by now. */
static void __attribute__((noreturn))
fail(const char *what, const char *which)
{
	dprintf(STDERR_FILENO, "%s %s: %s\n", what, which, strerror(errno));
	_exit(EX_TEMPFAIL);
}

static void
run(const struct words *argv, const struct words *env)
{
	execvpe(argv->v[0], argv->v, env->v);
	/* A name without a directory may be a word that shells know. */
	if (errno != ENOENT || strchr(argv->v[0], '/') != NULL)
		fail("cannot run", argv->v[0]);
}

static void
run_text(const struct order_run *o, const struct words *env)
{
	struct words argv = { 0 }, sh = { 0 };

	if (o->shell.n > 0) {
		struct str list = o->shell, word;

		while (str_token(&list, " \t", &word))
			words_add(&argv, word);
		words_add(&argv, o->text);
		run(&argv, env);
		fail("cannot run", argv.v[0]);
	}
	if (start_words(o->text, &argv))
		run(&argv, env);
	words_add(&sh, STR("sh"));
	words_add(&sh, STR("-c"));
	words_add(&sh, o->text);
	execve("/bin/sh", sh.v, env->v);
	fail("cannot run", "/bin/sh");
}

static void
signals_default(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
}

void
start_child(const struct order_run *o, const struct words *argv,
    const struct words *env, const char *dir, int in, int out, pid_t parent)
{
	setsid();
	/* Its descriptors have numbers above these: see main(). */
	if (dup2(in, 0) == -1 || dup2(out, 1) == -1 || dup2(out, 2) == -1)
		_exit(EX_TEMPFAIL);
	closefrom(3);
	sandbox_leash(parent);
	signals_default();
	umask(077);
	if (dir[0] != '\0' && chdir(dir) == -1)
		fail("cannot change to directory", dir);
	/* execvp() looks where the command's PATH says. */
	environ = env->v;
	if (o->kind == COMMAND_MASTER) {
		run(argv, env);
		fail("cannot run", argv->v[0]);
	}
	run_text(o, env);
	_exit(EX_TEMPFAIL);
}
