DAEMONS += rewrite
rewrite_SRCS := main.c ask.c class.c exists.c question.c route.c standard.c
t_rewrite_USES := rewrite
