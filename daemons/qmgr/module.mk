DAEMONS += qmgr
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
qmgr_SRCS += spool_$(PORT).c
qmgr_SRCS += store.c
qmgr_SRCS += store_check.c
qmgr_SRCS += store_due.c
qmgr_SRCS += store_file.c
qmgr_SRCS += store_hand.c
qmgr_SRCS += store_index.c
qmgr_SRCS += store_intake.c
qmgr_SRCS += store_land.c
qmgr_SRCS += store_look.c
qmgr_SRCS += store_msg.c
qmgr_SRCS += store_recover.c
qmgr_SRCS += store_threads.c
qmgr_SRCS += main.c
qmgr_SRCS += active.c
qmgr_SRCS += agents.c way.c
qmgr_SRCS += demand.c
qmgr_SRCS += maildrop.c
qmgr_SRCS += notices.c
qmgr_SRCS += orders.c
qmgr_SRCS += orders_change.c
qmgr_SRCS += orders_flush.c
qmgr_SRCS += orders_list.c
qmgr_SRCS += requeue.c
qmgr_SRCS += resolve.c
qmgr_SRCS += settings.c
qmgr_SRCS += slots.c

t_sched_USES := qmgr
t_sched_LIBS := -lm

t_store_USES := qmgr
t_store_LIBS := -lm -lpthread
t_store_model_USES := qmgr
t_store_model_LIBS := -lm -lpthread -Wl,--wrap=pwrite,--wrap=write \
	-Wl,--wrap=fsync,--wrap=fdatasync,--wrap=renameat \
	-Wl,--wrap=unlinkat,--wrap=syscall \
	-Wl,--wrap=clock_ms,--wrap=clock_wall_us
fuzz_journal_USES := qmgr
fuzz_journal_LIBS := -lm -lpthread
t_sched_mail_USES := qmgr
t_sched_mail_LIBS := -lm
t_sched_stress_USES := qmgr
t_sched_stress_LIBS := -lm
t_sched_bench_USES := qmgr
t_sched_bench_LIBS := -lm

# What the crash tests and the bench drive the store with.
$(BUILD)/regress/crash/storedrive: $(BUILD)/obj/regress/crash/storedrive.o \
    $(BUILD)/lib/qmgr.a $(BUILD)/lib/libcommon.a
	$(call link,-lm -lpthread)
$(BUILD)/regress/bench/store-bench: $(BUILD)/obj/regress/bench/store-bench.o \
    $(BUILD)/lib/qmgr.a $(BUILD)/lib/libcommon.a
	$(call link,-lm -lpthread)
tests: $(BUILD)/regress/crash/storedrive
