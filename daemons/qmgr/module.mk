qmgr_LIBS = -lm
qmgr_SRCS += feedback.c
qmgr_SRCS += retry.c
qmgr_SRCS += timers.c
qmgr_SRCS += unit.c
qmgr_SRCS += destination.c
qmgr_SRCS += transport.c
qmgr_SRCS += message.c
qmgr_SRCS += sched.c
qmgr_SRCS += sched_orders.c
qmgr_SRCS += sched_check.c

t_sched_USES := qmgr
t_sched_LIBS := -lm
t_sched_mail_USES := qmgr
t_sched_mail_LIBS := -lm
t_sched_bench_USES := qmgr
t_sched_bench_LIBS := -lm

# Keep this last.  Until there is a main.c, only the tests use the parts.
ifneq ($(wildcard daemons/qmgr/main.c),)
DAEMONS += qmgr
else
$(BUILD)/lib/qmgr.a: $(patsubst %.c,$(BUILD)/obj/daemons/qmgr/%.o,$(qmgr_SRCS))
endif
