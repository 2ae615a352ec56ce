# TLS, for those that link $(TLS_LIBS).
COMMON_SRCS += tls/ctx.c tls/files.c tls/key.c tls/keyring.c tls/remote.c \
	tls/rules.c tls/text.c tls/tls.c tls/trust.c
TLS_LIBS := $(call pkg_libs,libssl libcrypto)
t_tls_LIBS := $(TLS_LIBS)
t_tls_rules_LIBS := $(TLS_LIBS)
