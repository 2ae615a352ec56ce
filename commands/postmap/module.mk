COMMANDS += postmap
postmap_SRCS := main.c build.c config.c message.c query.c values.c
postmap_NAMES := postalias newaliases
postmap_LIBS = $(CDB_LIBS)
