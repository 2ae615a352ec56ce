COMMON_SRCS += \
	table/alias_value.c table/cdb_read.c table/cdb_write.c table/index.c \
	table/load.c table/lookup.c table/names.c table/rules.c table/source.c \
	table/table.c table/types_cidr.c table/types_combine.c \
	table/types_pcre.c table/types_regexp.c table/types_simple.c \
	table/types_text.c

# pcre: is built in where there is PCRE2 (libpcre2-dev).
ifeq ($(shell $(PKG_CONFIG) --exists libpcre2-8 && echo y),y)
CPPFLAGS_libcommon += -DHAVE_PCRE2
CPPFLAGS_regress += -DHAVE_PCRE2
# Only programs with tables need it: the others are not to carry it.
BASE_LIBS += -Wl,--as-needed $(call pkg_libs,libpcre2-8) -Wl,--no-as-needed
endif

t_table_cdb_LIBS = $(CDB_LIBS)
