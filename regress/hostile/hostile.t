#!/bin/sh
# Every attempt of a hostile component, inside every real sandbox.
exec "$POSTERN_BUILD/regress/hostile/hostile"
