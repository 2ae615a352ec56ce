DAEMONS += keys
keys_SRCS := main.c service.c sign.c tickets.c
keys_LIBS = $(TLS_LIBS)
t_keys_USES := keys
t_keys_LIBS = $(TLS_LIBS)

# Handshakes with the key here and there: see its opening comment.
$(BUILD)/regress/bench/tls-bench: $(BUILD)/obj/regress/bench/tls-bench.o \
    $(BUILD)/lib/keys.a $(BUILD)/lib/libcommon.a
	$(call link,$(TLS_LIBS))
