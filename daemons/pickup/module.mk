DAEMONS += pickup
pickup_SRCS := main.c again.c client.c file.c submission.c users.c
t_pickup_USES := pickup
fuzz_maildrop_USES := pickup
