#!/bin/sh
# Every channel of every real component, attacked from its other end.
exec "${POSTERN_BUILD:-build}/regress/hostile/peers"
