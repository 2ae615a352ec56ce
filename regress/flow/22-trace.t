#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Overlays of policies, the report of a violation, and learning mode: a
# component that is denied a call it needs dies of it, the report names the
# call, the overlay's line and the message; the trace shows exactly that call,
# mail flows meanwhile, and afterwards the component is behind its filter.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use JSON::PP ();
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless($^O eq 'linux', 'learning mode is there on Linux only');

my $pi = Postern::Instance->new(main => {
	smtpd_peername_lookup => 'no', minimal_backoff_time => '1s',
	maximal_backoff_time => '1s', queue_run_delay => '1s',
    });
mkdir $pi->etc . '/policy.d', 0755;

sub overlay
{
	my ($name, $text) = @_;
	my $file = $pi->file("policy.d/$name.policy", $text);

	chmod 0644, $file;
	return $file;
}

sub refused
{
	my ($what, $name) = @_;
	my ($status, $out, $err) = $pi->mailctl('check');

	is($status, 1, "$name: check finds it");
	like($err, $what, "$name: and says what and where");
	$status = $pi->try_start;
	isnt($status, 0, "$name: no start");
	is(scalar($pi->pids), 0, "$name: nothing is left running");
}

sub status { return $pi->json('status')->{status}; }

sub of
{
	my ($component) = @_;

	return grep { $_->{component} eq $component }
	    @{ status()->{processes} };
}

# --- what loosens is refused --------------------------------------------------
my $file = overlay('virtual', "component virtual\npromise dir # more\n");
refused(qr{policy\.d/virtual\.policy:2: .*only takes away, and 'promise' gives},
    'a promise');
overlay('virtual', "component virtual\n\nlimit nofile 10m\n");
refused(qr{policy\.d/virtual\.policy:3: 10485760 is more than}, 'a limit');
overlay('virtual', "component virtual\ndeny call opnat2\n");
refused(qr{policy\.d/virtual\.policy:2: }, 'a call that it has not');
overlay('virtual', "component virtual\nnever *:memfd-read # ha\n");
refused(qr{policy\.d/virtual\.policy:2: never \*:memfd-read: \S+:\S+},
    'a never line that does not hold');
unlink $file;
overlay('virtul', "component virtul\n");
refused(qr{virtul\.policy: there is no component 'virtul': did you mean 'virtual'},
    'a component that is none');
unlink $pi->etc . '/policy.d/virtul.policy';
overlay('virtual', "component virtual\nlimit nofile 1000\n");
chmod 0666, $file;
refused(qr{virtual\.policy: others than its owner may write}, 'a loose file');
chmod 0644, $file;
SKIP: {
	skip 'changing owners needs root', 4 if $> != 0;
	chown 65534, 65534, $file;
	refused(qr{virtual\.policy: belongs to user id 65534}, 'a stranger');
	chown 0, 0, $file;
}

# --- a tighter one is in force ------------------------------------------------
$pi->start;
$pi->send(to => 'user@test.example');
ok($pi->wait_log(qr/status=sent/), 'mail flows');
my $audit = $pi->json('sandbox', 'audit');
my ($v) = grep { $_->{component} eq 'virtual' } @{ $audit->{processes} };
is($v->{overlay}, 'policy.d/virtual.policy', 'audit names the overlay');
is((of('virtual'))[0]{policy}, $v->{policy}, 'and its hash is the running one');
my ($limit) = grep { $_->{wall} eq 'limit nofile' } @{ $v->{rows} };
is("$limit->{declared} $limit->{measured}", '1000 1000', 'the limit is lower');
is($v->{weaker}, 0, 'declared is measured');
like(($pi->mailctl('sandbox', 'audit'))[1],
    qr{^virtual: policy \w+ \+ overlay policy\.d/virtual\.policy: \w+$}m,
    'policy + overlay, hash');
overlay('virtual', "component virtual\nlimit nofile 900\n");
like(join('', $pi->mailctl('reload')),
    qr/policy\.d changes only with a stop and a start/, 'no change by reload');
is(($pi->mailctl('sandbox', 'audit', 'virtual'))[0], 1,
    'an overlay that is not in force is a difference');
is($pi->stop, 0, 'stop');

# --- a violation is reported --------------------------------------------------
overlay('virtual', "component virtual\ndeny call pread64 # it reads with it\n");
$pi->start;
my $reply = $pi->send(to => 'user@test.example');
my ($qid) = $reply->{text} =~ /queued as (\w+)/;
my $kill = qr/security: virtual \(pid \d+\) was killed by its sandbox: (.*)/;
my $line = $pi->wait_log($kill);
ok($line, 'the sandbox ends it, and the log says so');
my ($why) = ($line // '') =~ $kill;
$qid //= 'no id';
like($why, qr/serving record DELIVER_JOB of deliver $qid$/,
    'with the message it was serving');
SKIP: {
	skip 'the kernel\'s log cannot be read', 1
	    if $why =~ /the kernel's log/;
	like($why, qr{^system call pread64 \(policy\.d/virtual\.policy:2 takes it away: deny call pread64\)},
	    'with the call, and the line that took it away');
}
my $st = status();
cmp_ok($st->{violations}, '>', 0, 'counted');
like($st->{last_violation}, qr/^virtual \(pid \d+\)/, 'the last one is kept');
cmp_ok((of('virtual'))[0]{violations}, '>', 0, 'counted for the component');
like(($pi->mailctl('status'))[1], qr/^violations: +\d+ since the start.*virtual/m,
    'and shown');

# --- learning mode ------------------------------------------------------------
sub trace_in_child
{
	my (@args) = @_;
	my $out = $pi->dir . '/trace.out';

	unlink $out;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $out;
		open STDERR, '>', '/dev/null';
		no warnings 'exec';
		exec build_dir() . '/bin/mailctl', '-c', $pi->etc, '--json',
		    'sandbox', 'trace', @args;
		POSIX::_exit(127);
	}
	return ($pid, $out);
}

sub in_learning { return scalar grep { $_->{traced} &&
    $_->{state} eq 'ready' } of($_[0]); }

$pi->wait_log(qr/status=deferred/);
my ($pid, $out) = trace_in_child('virtual', '--seconds', 120);
ok(wait_until(sub { in_learning('virtual') }, 20), 'it is in learning mode');
like(($pi->mailctl('status'))[1], qr/^LEARNING MODE: .*virtual/m,
    'status is loud');
my ($code, $text) = $pi->mailctl('sandbox', 'audit', 'virtual');
is($code, 1, 'audit calls it a difference');
like($text, qr/LEARNING MODE/, 'and names it');
SKIP: {
	skip 'the filter can be read by root only', 1 if $> != 0;
	like($text, qr/^ +learning mode +weaker/m, 'as the filter shows');
}
like(join('', $pi->mailctl('sandbox', 'trace', 'local', '--seconds', 5)),
    qr/another trace is under way/, 'one at a time');
ok($pi->wait_log(qr/$qid: to=<user.*status=sent/, 60),
    'what could not be delivered is');
kill 'INT', $pid;
waitpid $pid, 0;
is($?, 0, 'the trace ends when it is interrupted');
my $t = JSON::PP->new->decode(slurp($out));
is($t->{component}, 'virtual', 'as JSON');
is(scalar @{ $t->{calls} }, 1, 'one call is beyond the policy');
my $c = $t->{calls}[0] // {};
like($c->{text}, qr{^pread64\(\d+</[^>]+>, 0x[0-9a-f]+, \d+, \d+\)$},
    'that call, with arguments and what the descriptor is');
like($c->{caller}, qr/\S+\+0x[0-9a-f]+/, 'its caller, as module and offset');
is($c->{advice}, 'policy.d/virtual.policy:2 takes it away: deny call pread64',
    'the line that took it away');
is($c->{line}, 'call pread64', 'the line that would allow it');
cmp_ok($c->{count}, '>', 0, 'how often');
ok(!in_learning('virtual'), 'it is over');
is(($pi->mailctl('sandbox', 'audit'))[0], $> == 0 ? 0 : 2,
    'all are behind their filters');
like(join("\n", $pi->log), qr/LEARNING MODE of virtual has ended/,
    'the log says so');
ok(!-e $pi->spool . '/pid/trace', 'no socket is left');
my $n = status()->{violations};
$pi->send(to => 'user@test.example');
ok(wait_until(sub { status()->{violations} > $n }, 90),
    'the same call ends it again');

# --- it ends by itself --------------------------------------------------------
my $since = time;
my ($ended, $said) = $pi->mailctl('sandbox', 'trace', 'rewrite', '--seconds', 2);
is($ended, 0, 'a trace ends by itself');
cmp_ok(time - $since, '<', 30, 'in time');
like($said, qr/^rewrite, 1 process in learning mode: 0 calls beyond its policy/,
    'a component that does nothing new');
is(status()->{trace}, '', 'it is off');

# --- a trace whose command is killed ends, too --------------------------------
my $tracer = fork // die "fork: $!";
if ($tracer == 0) {
	open STDERR, '>', '/dev/null';
	open STDOUT, '>', '/dev/null';
	no warnings 'exec';
	exec build_dir() . '/bin/mailctl', '-c', $pi->etc, 'sandbox', 'trace',
	    'rewrite', '--seconds', 60;
	POSIX::_exit(1);
}
ok(wait_until(sub { in_learning('rewrite') }, 10), 'a long trace');
kill 'KILL', $tracer;
waitpid $tracer, 0;
ok(wait_until(sub { my ($p) = of('rewrite');
    $p && !$p->{traced} && $p->{state} eq 'ready' }, 10),
    'ends with its command');
is(status()->{trace}, '', 'and is off');

# --- interrupted --------------------------------------------------------------
($pid, $out) = trace_in_child('mailbox', '--seconds', 60);
ok(wait_until(sub { status()->{trace} eq 'mailbox' }, 10), 'another one')
    or diag map { "$_\n" } lines_of($out);
kill 'KILL', $pi->component('broker');
ok(wait_until(sub { my $s = eval { status() };
    $s && $s->{trace} eq '' }, 15), 'it is not there after a restart');
waitpid $pid, 0;

# --- nobody else's ------------------------------------------------------------
SKIP: {
	skip 'being somebody else needs root', 1 if $> != 0;
	my ($status, undef, $err) = run('setpriv', '--reuid', 65534,
	    '--regid', 65534, '--clear-groups', build_dir() . '/bin/mailctl',
	    '-c', $pi->etc, 'sandbox', 'trace', 'virtual', { timeout => 20 });
	isnt($status, 0, 'an ordinary user may not trace');
}
like(join('', $pi->mailctl('sandbox', 'trace', 'virtul')),
    qr/no component "virtul": did you mean virtual\?/, 'a typing error');
like(join('', $pi->mailctl('sandbox', 'trace', 'virtual', '--seconds', 601)),
    qr/from 1 to 600/, 'not for ever');
is($pi->stop, 0, 'stop');
done_testing;
