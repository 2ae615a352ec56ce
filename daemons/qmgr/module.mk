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
qmgr_SRCS += journal.c
qmgr_SRCS += journal_format.c
qmgr_SRCS += journal_segment.c
qmgr_SRCS += journal_write.c
qmgr_SRCS += spool.c
qmgr_SRCS += spool_open.c
qmgr_SRCS += store.c
qmgr_SRCS += store_check.c
qmgr_SRCS += store_due.c
qmgr_SRCS += store_file.c
qmgr_SRCS += store_hand.c
qmgr_SRCS += store_index.c
qmgr_SRCS += store_intake.c
qmgr_SRCS += store_land.c
qmgr_SRCS += store_msg.c
qmgr_SRCS += store_recover.c
qmgr_SRCS += store_threads.c

t_sched_USES := qmgr
t_sched_LIBS := -lm

t_store_USES := qmgr
t_store_LIBS := -lm -lpthread
t_journal_USES := qmgr
t_journal_LIBS := -lm -lpthread
fuzz_journal_USES := qmgr
fuzz_journal_LIBS := -lm -lpthread
t_sched_mail_USES := qmgr
t_sched_mail_LIBS := -lm
t_sched_stress_USES := qmgr
t_sched_stress_LIBS := -lm
t_sched_bench_USES := qmgr
t_sched_bench_LIBS := -lm

# Keep this last.  Until there is a main.c, only the tests use the parts.
ifneq ($(wildcard daemons/qmgr/main.c),)
DAEMONS += qmgr
else
$(BUILD)/lib/qmgr.a: $(patsubst %.c,$(BUILD)/obj/daemons/qmgr/%.o,$(qmgr_SRCS))
endif
