#!/bin/sh
# SPDX-License-Identifier: ISC
#
# etc/install.sh BUILD DESTDIR SBINDIR LIBEXECDIR MANDIR DATADIR SYSCONFDIR:
# what `make install` does.  Settings that are there already are kept: the
# new ones are put beside them as NAME.new.  No program is set-user-id.
set -eu
[ $# -eq 7 ] || { sed -n '4,6p' "$0"; exit 2; }
build=$1 dest=$2 sbin=$3 libexec=$4 man=$5 data=$6 conf=$7
cd "$(dirname "$0")/.."

put() { # put MODE FILE TARGET
	mkdir -p "$(dirname "$3")"
	# By rename: a running server keeps the program it has.
	cp "$2" "$3.tmp"
	chmod "$1" "$3.tmp"
	mv -f "$3.tmp" "$3"
}

fill() { # fill FILE: with the real paths
	sed -e "s|@SBINDIR@|$sbin|g" -e "s|@SYSCONFDIR@|$conf|g" "$1"
}

put_filled() { # put_filled MODE FILE TARGET
	tmp=$(mktemp)
	fill "$2" >"$tmp"
	put "$1" "$tmp" "$3"
	rm -f "$tmp"
}

for f in "$build"/libexec/postern/*; do
	[ -f "$f" ] && put 0755 "$f" "$dest$libexec/${f##*/}"
done

# Programs first, then the other names they have.
for f in "$build"/bin/*; do
	[ -L "$f" ] || [ ! -f "$f" ] || put 0755 "$f" "$dest$sbin/${f##*/}"
done
for f in "$build"/bin/*; do
	[ -L "$f" ] || continue
	ln -sf "$(readlink "$f")" "$dest$sbin/${f##*/}"
done

for f in share/man/*.[1-9]; do
	[ -f "$f" ] || continue
	put 0644 "$f" "$dest$man/man${f##*.}/${f##*/}"
done
for f in policy/*.policy; do
	put 0644 "$f" "$dest$data/policy/${f##*/}"
done
for f in main.cf master.cf aliases; do
	put 0644 "etc/$f" "$dest$data/etc/$f"
	if [ ! -e "$dest$conf/$f" ]; then
		put 0644 "etc/$f" "$dest$conf/$f"
	elif ! cmp -s "etc/$f" "$dest$conf/$f"; then
		put 0644 "etc/$f" "$dest$conf/$f.new"
	fi
done

case $(uname -s) in
Linux)
	prefix=${sbin%/*}
	put_filled 0644 etc/postern.service \
	    "$dest$prefix/lib/systemd/system/postern.service"
	put 0644 etc/postern.sysusers "$dest$prefix/lib/sysusers.d/postern.conf"
	put 0644 etc/postern.tmpfiles "$dest$prefix/lib/tmpfiles.d/postern.conf"
	;;
FreeBSD) put_filled 0755 etc/rc.d/postern.freebsd "$dest${sbin%/*}/etc/rc.d/postern" ;;
OpenBSD) put_filled 0755 etc/rc.d/postern.openbsd "$dest/etc/rc.d/postern" ;;
esac
echo "installed below ${dest:-/}"
