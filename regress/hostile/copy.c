/* SPDX-License-Identifier: ISC */
/*
 * The end of a program that is smtpd in all but this: linked with the objects
 * of the real one, so that it becomes an image, is copied and seals itself as
 * that does, it makes an attempt where smtpd would begin to serve.  The number
 * of the copy says which.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "boot/boot.h"
#include "hostile.h"
#include "sandbox/sandbox.h"

/* loop_run() in the eyes of everybody else: see sandbox/module.mk. */
int __wrap_loop_run(struct loop *l) NORETURN;

int
__wrap_loop_run(struct loop *l)
{
	const struct policy *policy = policy_find(STR("smtpd"));
	const char *text = getenv(HOSTILE_WORLD);
	static char abstract[32];
	struct hand h;
	int victim;

	(void)l;
	hand_init(&h, policy);
	if (text == NULL ||
	    sscanf(text, "%d %hu %hu %31s", &victim, &h.tcp_port, &h.udp_port,
		abstract) != 4 ||
	    write(SLOT_BROKER, "", 1) != 1)
		_exit(EXIT_NO_ENTRY);
	h.victim = victim;
	h.abstract = abstract;
	inside_run(attempt_at(boot_instance()), &h);
}
