DAEMONS += bounce
bounce_SRCS := main.c job.c notice.c original.c out.c report.c
t_bounce_USES := bounce
fuzz_bounce_USES := bounce
