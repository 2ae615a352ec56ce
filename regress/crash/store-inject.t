#!/bin/sh
# What the store does when the system says no.
#
# A short life of the queue (storedrive load) is run again and again, each time
# with one system call failing in one way: the first, the second, ... call of
# each kind that the way of a message through the store makes.  Afterwards the
# queue is recovered without trouble: no message that was acknowledged may be
# missing or damaged, none may be out of the index's sight, and, as the
# trouble was over at once, the last commit of the run must have succeeded.
#
# POSTERN_CRASH_LONG=1 tries every call; otherwise a sample that differs from
# day to day is taken (STORE_INJECT_SEED repeats one).
set -u
cd "$(dirname "$0")/../.." || exit 1
drive=$PWD/${POSTERN_TEST_BUILD:-build}/regress/crash/storedrive

skip() {
	echo "1..0 # SKIP $1"
	exit 0
}
command -v strace >/dev/null || skip "strace is not installed"
[ -x "$drive" ] || skip "storedrive is not built"

dir=$(mktemp -d "${TMPDIR:-/tmp}/store-inject.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export ASAN_OPTIONS=detect_leaks=0

strace -f -o "$dir/probe" -e inject=getppid:error=EIO true 2>/dev/null ||
	skip "strace may not trace here"

calls='memfd_create fcntl write pwrite64 pread64 fdatasync fsync openat2
mkdirat renameat unlinkat ftruncate utimensat newfstatat fstat fallocate
getdents64'
seed=${STORE_INJECT_SEED:-$(date +%j)}
n=0
failures=0

result() { # ok? name
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failures=$((failures + 1))
	fi
}

fresh() {
	rm -rf "$dir/spool"
	mkdir "$dir/spool"
	: >"$dir/log"
}

# life INJECTION LAST: LAST is what the last commit must have come to, 0 or any.
life() {
	fresh
	strace -f -qq -o /dev/null -e inject="$1" \
	    "$drive" load "$dir/spool" "$dir/log" 3 0 0 \
	    >"$dir/out" 2>"$dir/err"
	rc=$?
	# 3: the store could not be opened, which is an answer; 127: that
	# was the dynamic linker's call; 4: no mail is taken any more.
	case $rc:$2 in
	0:* | 3:* | 127:* | 4:any) ;;
	*)
		echo "# $1: exit $rc"
		sed 's/^/#   /' "$dir/err"
		return 1
		;;
	esac
	if ! "$drive" verify "$dir/spool" "$dir/log" "$dir/log" \
	    >"$dir/out" 2>"$dir/err"; then
		echo "# $1:"
		sed 's/^/#   /' "$dir/out" "$dir/err"
		return 1
	fi
}

# How many calls of each kind there are.
fresh
strace -f -o "$dir/trace" "$drive" load "$dir/spool" "$dir/log" 3 0 0 \
    >/dev/null || exit 1

for call in $calls; do
	count=$(grep -c "^[0-9]* *$call(" "$dir/trace")
	[ "$count" -gt 0 ] || continue
	case $call in
	memfd_create | openat2) errors='EMFILE ENOMEM ENOSPC' ;;
	fcntl) errors='EMFILE' ;;
	pread64 | fstat | newfstatat | getdents64) errors='EIO' ;;
	*) errors='ENOSPC EIO' ;;
	esac
	for error in $errors; do
		bad=0
		tried=0
		# From the system's start-up calls on; every step-th, from an
		# offset that moves with the seed.
		step=1
		if [ -z "${POSTERN_CRASH_LONG:-}" ]; then
			step=$((count / 6 + 1))
		fi
		when=$((seed % step + 1))
		while [ "$when" -le "$count" ]; do
			life "$call:error=$error:when=$when" 0 || bad=1
			tried=$((tried + 1))
			when=$((when + step))
		done
		# It stays so for good, from the middle on.
		life "$call:error=$error:when=$((count / 2 + 1))+" any || bad=1
		result $bad "$call fails with $error, $tried of $count calls"
	done
done
echo "1..$n"
[ "$failures" = 0 ]
