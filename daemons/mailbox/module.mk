DAEMONS += mailbox
mailbox_SRCS := main.c service.c batch.c maildir.c mbox.c named.c path.c read.c \
	rename_$(PORT).c write.c
mailbox_LIBS := -lpthread

t_mailbox_maildir_USES := mailbox libsandbox
t_mailbox_maildir_LIBS := -lpthread
t_mailbox_mbox_USES := mailbox libsandbox
t_mailbox_mbox_LIBS := -lpthread
t_mailbox_service_USES := mailbox libsandbox
t_mailbox_service_LIBS := -lpthread
