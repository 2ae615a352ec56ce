# What components share.  One archive; each program takes what it calls.
COMMON_SRCS += \
	base/allowance.c base/buf.c base/clock.c base/dirlist.c base/dirlist_$(PORT).c base/fd.c base/mem.c \
	base/$(MEMFD).c base/note.c base/self_$(PORT).c base/siphash.c base/str.c
