#!/bin/sh
# The store and power cuts.
#
# The queue lives on an ext4 file system, on a loop device, on a file of a btrfs
# file system.  While it is under load that file is cloned, which takes all
# that was written to the device up to one instant, and nothing that the kernel
# still had in memory: what a disk has after the plug was pulled.  The clone is
# mounted, the queue on it is recovered, and the mail is counted: what had
# been acknowledged before the instant must be there, whole, and known to
# the index, unless it was being removed.
#
# STORE_POWER_CUTS=n (8) cuts, POSTERN_CRASH_LONG=1 means 300.
set -u
cd "$(dirname "$0")/../.." || exit 1
drive=$PWD/${POSTERN_TEST_BUILD:-build}/regress/crash/storedrive
cuts=${STORE_POWER_CUTS:-${POSTERN_CRASH_LONG:+300}}
cuts=${cuts:-8}
export ASAN_OPTIONS=detect_leaks=0

skip() {
	echo "1..0 # SKIP $1"
	exit 0
}
[ "$(id -u)" = 0 ] || skip "only root may mount"
[ -x "$drive" ] || skip "storedrive is not built"
for tool in losetup mkfs.ext4 mkfs.btrfs mount; do
	command -v $tool >/dev/null || skip "$tool is not installed"
done

dir=$(mktemp -d /var/tmp/store-power.XXXXXX) || exit 1
pid=
cleanup() {
	[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	for m in cut live btrfs; do
		umount "$dir/$m" 2>/dev/null || umount -l "$dir/$m" 2>/dev/null
	done
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

mkdir "$dir/btrfs" "$dir/live" "$dir/cut"
truncate -s 3G "$dir/btrfs.img"
mkfs.btrfs -q "$dir/btrfs.img" >/dev/null 2>&1 || skip "mkfs.btrfs fails"
mount -o loop "$dir/btrfs.img" "$dir/btrfs" 2>/dev/null ||
	skip "no loop devices or no btrfs here"
disk=$dir/btrfs/disk
truncate -s 512M "$disk"
mkfs.ext4 -q -F "$disk" || skip "mkfs.ext4 fails"
mount -o loop "$disk" "$dir/live" || skip "cannot mount ext4"
mkdir "$dir/live/spool"

echo "1..$((cuts + 2))"
seed=${STORE_POWER_SEED:-$$}
"$drive" load "$dir/live/spool" "$dir/log" "$seed" 100000 2 >"$dir/out" \
    2>"$dir/err" &
pid=$!
while [ ! -s "$dir/log" ]; do
	sleep 0.1
	kill -0 "$pid" 2>/dev/null || {
		sed 's/^/# /' "$dir/err"
		echo "not ok 1 - load starts"
		exit 1
	}
done

n=0
total=0
while [ $n -lt "$cuts" ]; do
	n=$((n + 1))
	sleep "0.$(printf %03d $(((seed * 7919 + n * 379) % 900)))"
	cp "$dir/log" "$dir/before"
	cp --reflink=always "$disk" "$dir/btrfs/cut"
	cp "$dir/log" "$dir/after"
	acked=$(grep -c '^A' "$dir/before")
	total=$((total + acked))
	if mount -o loop "$dir/btrfs/cut" "$dir/cut" 2>"$dir/err2" &&
	    "$drive" verify "$dir/cut/spool" "$dir/before" "$dir/after" \
	    >"$dir/verdict" 2>"$dir/err2"; then
		echo "ok $n - power cut after $acked acknowledgements"
		tail -n 1 "$dir/verdict" | sed 's/^/# /'
	else
		echo "not ok $n - power cut after $acked acknowledgements"
		sed 's/^/# /' "$dir/verdict" "$dir/err2"
	fi
	umount "$dir/cut"
	rm -f "$dir/btrfs/cut"
done

# And a kill, without a power cut: the same rules.
kill -9 "$pid"
wait "$pid" 2>/dev/null
pid=
n=$((n + 1))
if "$drive" verify "$dir/live/spool" "$dir/log" "$dir/log" >"$dir/verdict" \
    2>"$dir/err2"; then
	echo "ok $n - killed"
else
	echo "not ok $n - killed"
	sed 's/^/# /' "$dir/verdict" "$dir/err2"
fi
n=$((n + 1))
# It must have been a test at all.
if [ "$total" -gt $((cuts * 20)) ]; then
	echo "ok $n - $total acknowledgements were at stake"
else
	echo "not ok $n - only $total acknowledgements were at stake"
fi
