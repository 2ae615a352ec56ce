DAEMONS += smtpd
smtpd_SRCS := main.c conn.c data.c mail.c peers.c reply.c resolver.c \
	restrict.c restrict_access.c restrict_rules.c rules.c service.c \
	session.c slots.c submit.c verbs.c worker.c
