#!/bin/sh
# What is compiled on the BSDs only, as far as it can be checked without one:
# syntax and types, with the prototypes in regress/bsd/stubs.  And what is
# compiled everywhere names nothing that only Linux has.
cd "$(dirname "$0")/../.." || exit 1
if ! command -v clang >/dev/null; then
	echo "1..0 # SKIP no clang"
	exit 0
fi
# The C library's headers that are here stand in for the rest.
multiarch=/usr/include/$(cc -print-multiarch 2>/dev/null)
n=0
status=0
check() { # target include file
	n=$((n + 1))
	# shellcheck disable=SC2086
	if out=$(clang --target="x86_64-unknown-$1" -fsyntax-only \
	    -std=gnu17 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	    -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Werror \
	    -D_GNU_SOURCE -U__linux__ -isystem regress/bsd/stubs/"$1" \
	    -isystem "$multiarch" -include regress/bsd/stubs/stub.h -I. -Ilibcommon \
	    "$2" 2>&1); then
		echo "ok $n - $1: $2"
	else
		echo "not ok $n - $1: $2"
		echo "$out" | sed 's/^/# /'
		status=1
	fi
}
for f in policy policy_parse policy_text policy_names promise place reach \
    audit sha256; do
	check openbsd sandbox/$f.c
	check freebsd sandbox/$f.c
done
for f in $(git ls-files '*_bsd.c' 'sandbox/bsd.c' 2>/dev/null ||
    find daemons commands libcommon sandbox -name '*bsd.c'); do
	check openbsd "$f"
	check freebsd "$f"
done
check openbsd sandbox/openbsd.c
check openbsd libcommon/base/memfd_openbsd.c
check freebsd sandbox/freebsd.c
check freebsd sandbox/capsicum_plan.c
check netbsd sandbox/netbsd.c
check netbsd sandbox/bsd.c
# A check that never fails is none.
n=$((n + 1))
if echo 'int f(void) { return pledge("stdio"); }' | clang \
    --target=x86_64-unknown-openbsd -fsyntax-only \
    -include regress/bsd/stubs/stub.h -x c - 2>/dev/null; then
	echo "not ok $n - a wrong call of pledge goes unnoticed"
	status=1
else
	echo "ok $n - a wrong call of pledge is noticed"
fi

# --- what only Linux has ------------------------------------------------------
# Outside of NAME_linux.c (and what is compiled with it on Linux alone).
only='SYS_[a-z0-9_]+|syscall ?\(|openat2|O_PATH|O_TMPFILE|F_SETLEASE|epoll_|eventfd|signalfd|timerfd_|prctl|SO_PEERCRED|SCM_CREDENTIALS|struct ucred|getrandom|sys/random\.h|sysmacros|secure_getenv|fallocate\(|gettid|mremap|strchrnul|renameat2|setfsuid|/proc/|/sys/|linux/|<bsd/|AT_EMPTY_PATH|pidfd_|landlock|seccomp|unshare\(|setns\(|program_invocation'
files=$(find daemons commands libcommon -name '*.[ch]' ! -name '*_linux.[ch]')
n=$((n + 1))
# shellcheck disable=SC2086
found=$(grep -nE "(^|[^A-Za-z0-9_.])($only)" $files |
    grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)' | grep -v '^commands/mailctl/\(audit\|check\)\.c')
if [ -z "$found" ]; then
	echo "ok $n - nothing of Linux outside of its files"
else
	echo "not ok $n - nothing of Linux outside of its files"
	echo "$found" | sed 's/^/# /'
	status=1
fi
n=$((n + 1))
if echo 'fd = open(dir, O_PATH);' | grep -qE "(^|[^A-Za-z0-9_.])($only)"; then
	echo "ok $n - and it would be found"
else
	echo "not ok $n - and it would be found"
	status=1
fi
# Every file for Linux has a twin, or is the sandbox's.
for f in daemons/*/*_linux.c commands/*/*_linux.c libcommon/*/*_linux.c; do
	n=$((n + 1))
	if [ -e "${f%_linux.c}_bsd.c" ]; then
		echo "ok $n - $f has a twin for the BSDs"
	else
		echo "not ok $n - $f has a twin for the BSDs"
		status=1
	fi
done
echo "1..$n"
exit $status
