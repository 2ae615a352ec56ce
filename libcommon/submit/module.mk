# Bringing in a message; and the form in which local users post one.
COMMON_SRCS += submit/submit.c queue/maildrop.c
