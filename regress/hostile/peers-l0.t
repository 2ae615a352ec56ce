#!/bin/sh
# peers.t again, where nothing but the kernel itself is left to build with.
exec regress/hostile/at-level 0 peers -q
