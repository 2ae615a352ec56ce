# Confinement: policies, the back end of this system, attestation and audit.
SANDBOX_SRCS += audit.c bpf_eval.c place.c plan.c policy.c policy_lookup.c \
	policy_names.c policy_parse.c policy_text.c promise.c reach.c sha256.c

ifeq ($(shell uname -s),Linux)
SANDBOX_SRCS += attest_linux.c audit_fds_linux.c audit_linux.c \
	cradle_linux.c descriptor_linux.c filter_linux.c landlock_linux.c \
	linux.c names_linux.c points_linux.c probe_linux.c sealed_linux.c
endif

# Programs that compile filters or read capabilities need these; components
# do not, and --as-needed keeps the libraries out of them.
BASE_LIBS += -Wl,--as-needed $(call pkg_libs,libseccomp libcap-ng)

# The policy compiler and its table.
POLC_OBJS = $(addprefix $(BUILD)/obj/sandbox/,$(addsuffix .o,polc plan \
	policy policy_names policy_parse policy_text promise reach sha256 \
	filter_linux names_linux))
$(BUILD)/tools/polc: $(POLC_OBJS) $(BUILD)/lib/libcommon.a
	$(call link,)

$(BUILD)/gen/policy_table.c: $(BUILD)/tools/polc $(sort $(wildcard policy/*.policy))
	@mkdir -p $(@D)
	@echo "  POLC    $@"
	@$< $(filter %.policy,$^) >$@

$(BUILD)/lib/libsandbox.a: $(BUILD)/obj/gen/policy_table.o

t_policy_parse_USES := libsandbox
t_policy_reach_USES := libsandbox
t_sandbox_audit_USES := libsandbox
t_sandbox_enter_USES := libsandbox
t_sandbox_filter_USES := libsandbox
fuzz_policy_USES := libsandbox

# What a captured component would try; run by regress/hostile/hostile.t.
HOSTILE_OBJS = $(addprefix $(BUILD)/obj/regress/hostile/,$(addsuffix .o, \
	channel exhaust files hostile kernel memory net process queue))
$(BUILD)/regress/hostile/hostile: $(HOSTILE_OBJS) $(BUILD)/lib/libsandbox.a \
    $(BUILD)/lib/libcommon.a
	$(call link,)
tests: $(BUILD)/regress/hostile/hostile
