DAEMONS += virtual
virtual_SRCS := main.c deliver.c

t_virtual_deliver_USES := virtual
