COMMON_SRCS += queue/content.c queue/envelope.c queue/envelope_read.c \
	queue/event.c queue/foreign.c queue/qfile.c queue/qid.c queue/sum.c
