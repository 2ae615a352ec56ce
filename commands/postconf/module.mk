# postconf(1), and the manual of the parameters that it writes.
COMMANDS += postconf
postconf_SRCS := main.c edit.c edit_master.c manual.c master.c show.c
postconf_LIBS = $(CDB_LIBS)

all: $(BUILD)/man/postconf.5
$(BUILD)/man/postconf.5: $(BUILD)/bin/postconf
	@mkdir -p $(@D)
	@$< --manual >$@
