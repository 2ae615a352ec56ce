DAEMONS += logd
logd_SRCS := main.c line.c sink.c sorter.c
t_logd_USES := logd
