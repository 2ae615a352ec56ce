COMMON_SRCS += \
	mail/addrlist.c mail/address.c mail/date.c mail/domain.c mail/dsn.c \
	mail/header.c mail/lex.c mail/path.c mail/received.c mail/reply.c \
	mail/utf8.c mail/xtext.c
