DAEMONS += gate
gate_SRCS := main.c clients.c hand.c service.c
t_gate_USES := gate
