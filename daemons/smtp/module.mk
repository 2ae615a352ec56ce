DAEMONS += smtp
smtp_SRCS := main.c body.c hello.c job.c mail.c pool.c report.c service.c \
	session.c settings.c target.c
t_smtp_body_USES := smtp
t_smtp_session_USES := smtp
t_smtp_target_USES := smtp
fuzz_smtp_reply_USES := smtp
fuzz_smtp_body_USES := smtp
