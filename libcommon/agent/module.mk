COMMON_SRCS += agent/boxes.c agent/job.c agent/maps.c agent/report.c \
	agent/exits.c agent/feed.c agent/run.c
