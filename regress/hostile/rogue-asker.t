#!/bin/sh
# The program `command`, asked by somebody who lies.
set -eu
build=${POSTERN_BUILD:-build}
[ -x "$build/regress/hostile/rogue-asker" ] || { echo '1..0 # SKIP not built'; exit 0; }
dir=$(mktemp -d /tmp/rogue-asker.XXXXXX)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
: >"$dir/ran"
chmod 666 "$dir/ran"
cp "$build/libexec/postern/command" "$dir/command"
"$build/regress/hostile/rogue-asker" "$dir/command" "$dir/ran"
