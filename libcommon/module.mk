# What components share.  One archive; each program takes what it calls.
COMMON_SRCS += \
	base/buf.c base/clock.c base/dirlist.c base/fd.c base/mem.c base/memfd.c \
	base/siphash.c base/str.c
