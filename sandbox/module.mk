# Confinement: policies, the back end of this system, attestation and audit.
SANDBOX_SRCS += audit.c capsicum_plan.c ends.c overlay.c overlay_dir.c place.c \
	policy.c policy_draft.c policy_lookup.c policy_names.c policy_parse.c \
	policy_text.c promise.c reach.c reach_check.c reach_graph.c reach_say.c \
	sha256.c watch.c

# What the policy compiler needs besides.
POLC_PARTS := polc policy policy_draft policy_names policy_parse policy_text \
	promise reach reach_check reach_graph reach_say sha256

ifeq ($(PORT),linux)
SANDBOX_SRCS += advice.c attest_linux.c audit_fds_linux.c audit_image_linux.c audit_linux.c \
	audit_peers_linux.c audit_proc_linux.c bpf_eval.c bpf_tidy.c \
	cradle_linux.c descriptor_linux.c filter_linux.c landlock_linux.c \
	leash_linux.c linux.c names_linux.c plan.c points_linux.c probe_linux.c \
	sealed_libc_linux.c sealed_linux.c trace_linux.c \
	trace_text_linux.c violation_linux.c warm_linux.c
POLC_PARTS += bpf_tidy filter_linux names_linux plan
# Programs that compile filters or read capabilities need these; components
# do not, and --as-needed keeps the libraries out of them.
BASE_LIBS += -Wl,--as-needed $(call pkg_libs,libseccomp libcap-ng)
else
SANDBOX_SRCS += attest_bsd.c bsd.c names_bsd.c trace_bsd.c warm_bsd.c
POLC_PARTS += names_bsd
SANDBOX_SRCS += $(if $(filter FreeBSD,$(SYSTEM)),freebsd.c,$(if \
	$(filter OpenBSD,$(SYSTEM)),openbsd.c,netbsd.c))
endif

# The policy compiler and its table.
POLC_OBJS = $(addprefix $(BUILD)/obj/sandbox/,$(addsuffix .o,$(POLC_PARTS)))
$(BUILD)/tools/polc: $(POLC_OBJS) $(BUILD)/lib/libcommon.a
	$(call link,)

$(BUILD)/gen/policy_table.c: $(BUILD)/tools/polc $(sort $(wildcard policy/*.policy))
	@mkdir -p $(@D)
	@echo "  POLC    $@"
	@$< $(filter %.policy,$^) >$@

$(BUILD)/lib/libsandbox.a: $(BUILD)/obj/gen/policy_table.o

t_policy_bsd_USES := libsandbox
t_policy_overlay_USES := libsandbox
t_policy_parse_USES := libsandbox
t_ends_USES := libsandbox
t_policy_reach_USES := libsandbox
t_sandbox_audit_USES := libsandbox
t_sandbox_enter_USES := libsandbox
t_sandbox_filter_USES := libsandbox
t_sandbox_violation_USES := libsandbox
t_sandbox_watch_USES := libsandbox
fuzz_overlay_USES := libsandbox
fuzz_policy_USES := libsandbox

# What a captured component would try; run by regress/hostile/hostile.t.
ATTEMPT_OBJS = $(addprefix $(BUILD)/obj/regress/hostile/,$(addsuffix .o, \
	channel exhaust files inside kernel memory net process queue))
HOSTILE_OBJS = $(addprefix $(BUILD)/obj/regress/hostile/,$(addsuffix .o, \
	hostile image)) $(ATTEMPT_OBJS)
$(BUILD)/regress/hostile/hostile: $(HOSTILE_OBJS) $(BUILD)/lib/libsandbox.a \
    $(BUILD)/lib/libcommon.a
	$(call link,)
# smtpd, for its warm image; behind its walls it makes attempts.
$(BUILD)/regress/hostile/smtpd: $(BUILD)/obj/daemons/smtpd/main.o \
    $(BUILD)/obj/regress/hostile/copy.o $(ATTEMPT_OBJS) $(BUILD)/lib/smtpd.a \
    $(BUILD)/lib/libsandbox.a $(BUILD)/lib/libcommon.a
	$(call link,$(smtpd_LIBS) -Xlinker --wrap=loop_run)
tests: $(BUILD)/regress/hostile/hostile $(BUILD)/regress/hostile/smtpd

# Policies with a leak, which do not build, and a launcher that was built with
# them all the same, which does not start: regress/flow/21-audit.t.
LEAK = $(BUILD)/regress/leak
$(LEAK)/policy_table.c: $(BUILD)/tools/polc $(sort $(wildcard policy/*.policy))
	@mkdir -p $(@D)/policy
	@cp $(filter %.policy,$^) $(@D)/policy/
	@sed 's/^\(grant smtpd channel .*pass=memfd\) /\1,dir /' \
	    policy/qmgr.policy >$(@D)/policy/qmgr.policy
	@sed 's/^\(grant qmgr channel .*pass=memfd\) /\1,dir /' \
	    policy/smtpd.policy >$(@D)/policy/smtpd.policy
	@$< --leaky $(@D)/policy/*.policy >$@
$(BUILD)/obj/regress/leak/policy_table.o: $(LEAK)/policy_table.c
$(LEAK)/launcher: $(BUILD)/obj/daemons/launcher/main.o \
    $(BUILD)/obj/regress/leak/policy_table.o $(BUILD)/lib/launcher.a \
    $(BUILD)/lib/libsandbox.a $(BUILD)/lib/libcommon.a
	$(call link,$(launcher_LIBS))
tests: $(LEAK)/launcher

# What its captured peers would send it; run by regress/hostile/peers.t.
PEERS_OBJS = $(addprefix $(BUILD)/obj/regress/hostile/,$(addsuffix .o, \
	errands forge peers stage things))
$(BUILD)/regress/hostile/peers: $(PEERS_OBJS) $(BUILD)/lib/libsandbox.a \
    $(BUILD)/lib/libcommon.a
	$(call link,)
tests: $(BUILD)/regress/hostile/peers

# The same, inside a running system and in the place of one of its programs:
# regress/hostile/rogue-*.t.
ROGUES = $(addprefix $(BUILD)/regress/hostile/rogue-,asker broker client \
	command local peer)
$(BUILD)/regress/hostile/rogue-%: $(BUILD)/obj/regress/hostile/rogue_%.o \
    $(BUILD)/obj/regress/hostile/forge.o $(BUILD)/lib/libsandbox.a \
    $(BUILD)/lib/libcommon.a
	$(call link,)
$(BUILD)/regress/hostile/rogue-peer: $(addprefix \
    $(BUILD)/obj/regress/hostile/rogue_,parts.o qmgr.o rates.o)
tests: $(ROGUES)

# What the back ends of other systems ask of their kernel, written down here:
# their files, with calls that only take a note.
ifeq ($(PORT),linux)
RECORDERS = $(addprefix $(BUILD)/regress/bsd/record-,openbsd freebsd netbsd)
$(BUILD)/regress/bsd/record-%: regress/bsd/record.c sandbox/%.c sandbox/bsd.c \
    regress/bsd/stubs/stub.h $(BUILD)/lib/libsandbox.a $(BUILD)/lib/libcommon.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -Iregress/bsd/stubs/freebsd \
	    -include regress/bsd/stubs/stub.h $(HARD_LD) -o $@ \
	    $(filter %.c,$^) $(filter %.a,$^) $(BASE_LIBS)
tests: $(RECORDERS)
endif
