DAEMONS += control
control_SRCS := main.c client.c listen.c orders.c trace.c who.c
t_control_USES := control
