#!/bin/sh
# hostile.t again, as an ordinary user with a user namespace.
exec regress/hostile/at-level 1 hostile
