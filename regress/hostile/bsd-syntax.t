#!/bin/sh
# The BSD back ends, as far as they can be checked without a BSD: syntax and
# types, with the prototypes in sandbox/bsd_stubs.
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
	    -D_GNU_SOURCE -U__linux__ -isystem sandbox/bsd_stubs/"$1" \
	    -isystem "$multiarch" -include sandbox/bsd_stubs/stub.h -I. -Ilibcommon \
	    "sandbox/$2" 2>&1); then
		echo "ok $n - $1: $2"
	else
		echo "not ok $n - $1: $2"
		echo "$out" | sed 's/^/# /'
		status=1
	fi
}
for f in bsd.c attest_bsd.c names_bsd.c policy.c policy_parse.c \
    policy_text.c policy_names.c promise.c place.c reach.c audit.c sha256.c; do
	check openbsd $f
	check freebsd $f
done
check openbsd openbsd.c
check freebsd freebsd.c
check freebsd capsicum_plan.c
# A check that never fails is none.
n=$((n + 1))
if echo 'int f(void) { return pledge("stdio"); }' | clang \
    --target=x86_64-unknown-openbsd -fsyntax-only \
    -include sandbox/bsd_stubs/stub.h -x c - 2>/dev/null; then
	echo "not ok $n - a wrong call of pledge goes unnoticed"
	status=1
else
	echo "ok $n - a wrong call of pledge is noticed"
fi
echo "1..$n"
exit $status
