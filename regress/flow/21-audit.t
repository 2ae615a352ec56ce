#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What each process may do, declared against measured; the picture of it; and
# proofs.  Differences are made for real, and must be found, named and raised.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use File::Copy qw(copy);
use JSON::PP ();
use Socket;
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $build = build_dir();
my $root = $> == 0 && Postern::Instance::waive() eq '';
my $san = $build =~ m{/san$};
my $dir = temp_dir('audit');

# Well-formed, whole in itself, no script; XML::Parser is not everywhere.
sub page_ok
{
	my ($file, $name) = @_;
	my $text = slurp($file);
	my (@open, $bad);

	$text =~ s/^<!DOCTYPE html>\n//;
	$text =~ s{<style>.*?</style>}{}gs;
	while (!$bad && $text =~ m{<(/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(/?)>|([<>])}g) {
		$bad = "a stray $5", last if defined $5 && $5 eq '<';
		next if defined $5;
		push @open, $2 if !$1 && !$4;
		$bad = "</$2> closes <" . ($open[-1] // '') . '>'
		    if $1 && (pop @open // '') ne $2;
	}
	is($bad, undef, "$name: every element is closed");
	is(scalar @open, 0, "$name: and none is left open");
	unlike($text, qr/<script|\son\w+=|javascript:|<link|<img|<iframe|\@import/i,
	    "$name: no script, nothing loaded");
	unlike($text =~ s{xmlns="http://www\.w3\.org/[^"]*"}{}gr,
	    qr{(?:https?:)?//\w}, "$name: no address of anything elsewhere");
	unlike($text, qr/&(?!(?:amp|lt|gt|quot|#\d+);)/,
	    "$name: every entity is one");
	return $text;
}

# A channel that takes no descriptors is made to, from outside.
sub door
{
	my ($pi) = @_;
	my ($dns) = grep { $_->{component} eq 'dns' && $_->{pid} }
	    @{ $pi->json('sandbox', 'audit')->{processes} };
	my ($said) = grep { $_->{wall} =~ /^descriptors from/ }
	    @{ $dns->{rows} };
	my $pidfd = syscall(434, $dns->{pid} + 0, 0);
	my ($end, $status, $out, $err);

	for my $n (6 .. 40) {
		my $fd = syscall(438, $pidfd, $n, 0);
		my $door;

		next if $fd == -1;
		open $door, '+<&=', $fd or die "descriptor $fd: $!";
		$end //= $door if defined getsockopt($door, SOL_SOCKET, 83);
	}
	if (!defined $end) {
		is($said, undef, 'what this kernel cannot tell is not told');
		return;
	}
	is($said->{measured}, 'refused', 'channels of dns take no descriptors');
	setsockopt $end, SOL_SOCKET, 83, pack 'i', 1 or die "a door: $!";
	($status, $out, $err) = $pi->mailctl('sandbox', 'audit', 'dns');
	is($status, 1, 'one that does');
	like($out, qr/^  descriptors from \w+ +weaker +refused \/ 1 channels take them$/m,
	    'is found');
	setsockopt $end, SOL_SOCKET, 83, pack 'i', 0 or die "a door: $!";
	is(($pi->mailctl('sandbox', 'audit', 'dns'))[0], 0, 'and shut again');
}

# --- proofs: of the policies alone --------------------------------------------

my $pi = Postern::Instance->new(main => { sandbox_audit_interval => '2s' });
my ($status, $out, $err) = $pi->mailctl('sandbox', 'prove');
is($status, 0, 'every never line holds') or diag "$out$err";
like($out, qr/^\d+ policies, \d+ never lines, 0 do not hold$/m, 'and says so');

for (['smtpd -> qmgr:spool', 0, qr/^proved: /],
    ['hostile -> *:dir', 0, qr/^proved: /],
    ['smtpd => mailbox:home except through qmgr', 0, qr/^proved: /],
    ['smtpd => mailbox:home', 1, qr/=> qmgr => .*=> mailbox:home\n.*MAILBOX_WRITE.*\[local\.policy:\d+\]/s],
    ['smtp -> broker:server', 1, qr/^not so: broker:server -> smtp\n/],
    ['who can reach qmgr:spool', 0, qr/^qmgr .*holds .*^smtpd .*\(hostile\) .*has used.*^nobody else: .*dns/ms],
    ['*:promise/connect', 0, qr/^broker .*holds/m]) {
	my ($question, $want, $says) = @$_;

	($status, $out, $err) = $pi->mailctl('sandbox', 'prove', $question);
	is($status, $want, "prove $question") or diag "$out$err";
	like($out, $says, 'with the chain');
}
for (['smtpd -> qmgr:spol', qr/did you mean qmgr:spool\?/],
    ['smptd -> qmgr:spool', qr/no component smptd/],
    ['smtpd -> smptd:x', qr/no component "smptd"/],
    ['who may reach qmgr:spool', qr/^usage: .*who can reach OBJECT/s],
    ['smtpd -> qmgr:spool except through x', qr/^usage: /]) {
	($status, $out, $err) = $pi->mailctl('sandbox', 'prove', $_->[0]);
	is($status, 64, "prove $_->[0]: makes no sense");
	like($err, $_->[1], 'and why');
}
my $lines = $pi->json('sandbox', 'prove')->{lines};
is(scalar(grep { !$_->{holds} } @$lines), 0, 'the same as JSON');
ok(scalar(grep { $_->{line} =~ /=>/ } @$lines) >= 4,
    'some are about what can be had used');

# A leak: qmgr passes directories to smtpd.
my $leak = "$build/regress/leak";
SKIP: {
	skip 'no policies with a leak were built', 8 if !-x "$leak/launcher";
	($status, $out, $err) = run("$build/tools/polc",
	    glob("$leak/policy/*.policy"));
	is($status, 1, 'policies with a leak do not build');
	like($err, qr/^qmgr\.policy:\d+: never \* -> qmgr:spool: qmgr:spool -> smtpd$/m,
	    'and the path is named');
	is($out, '', 'nothing comes of it');
	($status, $out, $err) = $pi->mailctl('sandbox', 'prove', '--policies',
	    "$leak/policy");
	is($status, 1, 'prove finds it, too');
	like($out, qr/qmgr:spool -> smtpd\n\s+qmgr holds spool \(dir\).*\n\s+qmgr passes dir to smtpd\s+\[qmgr\.policy:\d+\]/,
	    'step by step');
	($status, $out, $err) = run("$leak/launcher", '-c', $pi->etc, '-f',
	    { timeout => 20 });
	is($status, 1, 'a launcher that was built with them does not start');
	like($err, qr/^fatal: policy leak: qmgr\.policy:\d+: .*: qmgr:spool -> smtpd$/m,
	    'with the path of the leak');
	like(join("\n", $pi->log), qr/fatal: policy leak: .*qmgr:spool -> smtpd/,
	    'in the log as well');
}

# --- the graph ----------------------------------------------------------------

($status, $out, $err) = $pi->mailctl('sandbox', 'audit');
is($status, 2, 'nothing runs: nothing can be measured');
($status, $out, $err) = $pi->mailctl('sandbox', 'graph');
is($status, 0, 'the graph of what is declared') or diag $err;
$pi->start;
is($pi->send->{code}, 250, 'a message');
$pi->wait_mail('user');

my $graph = $pi->json('sandbox', 'graph');
my %channel = map { ("$_->{a} $_->{b}" => $_) } @{ $graph->{channels} };
ok($channel{'smtpd qmgr'}{made} >= 1, 'smtpd and qmgr have a channel, counted');
is_deeply($channel{'gate smtpd'}{a_passes_b}, ['stream'],
    'gate passes connections to smtpd');
is_deeply($channel{'smtpd cleanup'}{b_tells_a}, [],
    'cleanup makes smtpd do nothing');
my ($smtpd) = grep { $_->{name} eq 'smtpd' } @{ $graph->{components} };
is_deeply($smtpd->{holds}, [], 'smtpd holds nothing of worth');
my ($qmgr) = grep { $_->{name} eq 'qmgr' } @{ $graph->{components} };
is_deeply($qmgr->{holds}, ['qmgr:spool'], 'qmgr holds the spool');

($status, $out, $err) = $pi->mailctl('sandbox', 'graph', '--dot');
like($out, qr/^digraph postern \{\n.*"smtpd" -> "cleanup".*\n\}\n\z/s, 'as DOT');
my @quotes = $out =~ /"/g;
is(@quotes % 2, 0, 'with closed strings');

($status, $out, $err) = $pi->mailctl('sandbox', 'graph', '--html',
    "$dir/graph.html");
is($status, 0, 'as a page') or diag $err;
my $page = page_ok("$dir/graph.html", 'graph');
my %box;
while ($page =~ m{<g id="n-([\w-]+)" class="\w+">.*?<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"}gs) {
	$box{$1} = [$2, $3, $2 + $4, $3 + $5];
}
ok(exists $box{$_}, "$_ is in the picture")
    for 'clients', 'gate', 'smtpd', 'qmgr', 'qmgr-spool', 'mailbox-home',
    'broker', 'launcher', 'logd';
my ($w, $h) = $page =~ /viewBox="0 0 (\d+) (\d+)"/;
my @names = sort keys %box;
my @overlap;
for my $i (0 .. $#names) {
	my $p = $box{$names[$i]};

	push @overlap, "$names[$i] outside"
	    if $p->[0] < 0 || $p->[1] < 0 || $p->[2] > $w || $p->[3] > $h;
	for my $k ($i + 1 .. $#names) {
		my $q = $box{$names[$k]};

		push @overlap, "$names[$i] $names[$k]"
		    if $p->[0] < $q->[2] && $q->[0] < $p->[2] &&
		    $p->[1] < $q->[3] && $q->[1] < $p->[3];
	}
}
is_deeply(\@overlap, [], 'no box is upon another, none outside');
cmp_ok($box{clients}[2], '<', $box{smtpd}[0], 'strangers are on the left');
cmp_ok($box{'qmgr-spool'}[0], '>', $box{qmgr}[2], 'authority on the right');
# Where a line passes a column it is between boxes, not behind one.
my @behind;
while ($page =~ m{<g class="l (l-[\w-]+ l-[\w-]+).*?<path d="(M[^"]*)"/></g>}gs) {
	my ($line, $path) = ($1, $2);

	while ($path =~ m{(-?[\d.]+) (-?[\d.]+)L(-?[\d.]+) (-?[\d.]+)}g) {
		my ($x, $y) = (($1 + $3) / 2, $2);

		push @behind, grep { my $b = $box{$_}; $x > $b->[0] &&
		    $x < $b->[2] && $y > $b->[1] && $y < $b->[3] } @names;
	}
}
is_deeply(\@behind, [], 'no line passes behind a box');
like($page, qr/<details id="c-smtpd".*never mailbox:\*/s,
    'the lines of a policy are below');
for ([qw(--dot --json)], ['--html'], ['x'], ['--xml']) {
	($status, $out, $err) = $pi->mailctl('sandbox', 'graph', @$_);
	is($status, 64, "graph @$_: makes no sense");
	like($err, qr/usage: mailctl sandbox graph/, 'and how it does');
}

# --- the audit ----------------------------------------------------------------

($status, $out, $err) = $pi->mailctl('sandbox', 'audit', 'nosuch');
is($status, 64, 'no such component');

SKIP: {
	skip 'root measures all', 1 if !$root || $san;

	($status, $out, $err) = $pi->mailctl('sandbox', 'audit');
	is($status, 0, 'all is as the policies say') or diag "$out$err";
	my $audit = $pi->json('sandbox', 'audit');
	my ($p) = grep { $_->{component} eq 'smtpd' } @{ $audit->{processes} };
	my %row = map { ($_->{wall} => $_) } @{ $p->{rows} };
	ok(exists $row{$_}, "smtpd: $_ is measured")
	    for 'policy text', 'filter', 'system calls', 'uid', 'groups',
	    (map { "capabilities $_" } qw(inheritable permitted effective
	    ambient bounding)), 'securebits', 'no_new_privs', 'dumpable',
	    'mdwe', 'landlock', qw(net pid mount ipc uts cgroup),
	    'root directory', 'limit nofile', 'program', 'children',
	    'control group', 'network', 'slot 3 broker', 'descriptors channel',
	    'channels to qmgr', 'channels to gate';
	like($row{'channels to qmgr'}{measured}, qr/^1: process \d+$/,
	    'the other end of a channel is known');
	like($row{'slot 3 broker'}{measured}, qr/to broker \d+$/,
	    'that to the broker is the broker\'s');
	is($row{network}{measured}, 'lo, no address', 'its network is empty');
	my ($dns) = grep { $_->{component} eq 'dns' } @{ $audit->{processes} };
	my ($req) = grep { $_->{wall} eq 'request resolver' } @{ $dns->{rows} };
	like($req->{measured}, qr/\d+ used, \d+ refused/,
	    'what was asked of the broker, against its limits');

	($status, $out, $err) = $pi->mailctl('sandbox', 'audit', '--html',
	    "$dir/audit.html");
	is($status, 0, 'the audit as a page');
	my $text = page_ok("$dir/audit.html", 'audit');
	like($text, qr/<h2 id="differences">Differences<\/h2>\s*<p>None/,
	    'without differences');
	like($text, qr/all hold/, 'with the proofs');

	# A limit of a running component is changed from outside.
	my ($pid) = map { $_->{pid} } $dns;
	my ($uid) = (slurp("/proc/$pid/status") // '') =~ /^Uid:\s+(\d+)/m;
	my $done = (run('setpriv', "--reuid=$uid", "--regid=$uid",
	    '--clear-groups', 'prlimit', "--pid=$pid", '--nofile=50:60'))[0];
	is($done, 0, 'somebody changes a limit of dns');
	($status, $out, $err) = $pi->mailctl('sandbox', 'audit');
	is($status, 1, 'the audit finds a difference');
	like($out, qr/^dns +$pid .*DIFFERENT, 1 different$/m, 'in dns');
	like($out, qr/^  limit nofile +different +2048 \/ 50, up to 60$/m,
	    'and says which');
	($status) = $pi->mailctl('sandbox', 'audit', 'smtpd');
	is($status, 0, 'smtpd alone is as it was');
	$pi->mailctl('sandbox', 'audit', '--html', "$dir/audit.html");
	like(page_ok("$dir/audit.html", 'with a difference'),
	    qr/limit nofile.*50, up to 60/s, 'which is on the page');

	# The mail system finds it by itself.
	ok($pi->wait_log(qr/warning: sandbox audit: dns \(pid $pid\): limit nofile: declared 2048, measured 50, up to 60/, 20),
	    'an alarm is raised');
	ok(wait_until(sub {
		($status, $out) = $pi->mailctl('status');
		return $status eq '3';
	}, 10), 'status has an exit status of its own for that');
	like($out, qr/^ALARM: +dns \(pid $pid\): limit nofile: /m, 'and says it');
	my $said = $pi->json('status')->{status}{audit};
	is($said->{alarms}[0]{component}, 'dns', 'as JSON, too');
	is($said->{interval}, 2, 'with the interval');
	sleep 5;
	is(scalar(() = $pi->grep_log(qr/warning: sandbox audit: /)), 1,
	    'it is logged once');
	kill 'KILL', $pid;
	ok(wait_until(sub { ($pi->mailctl('status'))[0] eq '0' }, 20),
	    'with the process the alarm is gone');
	door($pi);

	# The text that an administrator reads is edited after the build.
	mkdir "$dir/$_" for qw(build build/bin build/libexec policy);
	symlink "$build/libexec/postern", "$dir/build/libexec/postern";
	copy($_, "$dir/policy/") for glob(top() . '/policy/*.policy');
	copy("$build/bin/mailctl", "$dir/build/bin/mailctl");
	chmod 0755, "$dir/build/bin/mailctl";
	my @audit = ("$dir/build/bin/mailctl", '-c', $pi->etc, 'sandbox',
	    'audit');
	is((run(@audit))[0], 0, 'a copy of the policies is as good');
	spew("$dir/policy/gate.policy",
	    slurp("$dir/policy/gate.policy") . "\n# harmless\n");
	($status, $out, $err) = run(@audit);
	is($status, 1, 'an edited policy text is a difference');
	like($out, qr/^gate .*DIFFERENT, 1 different$/m, 'of that component');
	like($out, qr/^  policy text +different +version \d+, (\w+) \/ version \d+, (?!\1)\w+$/m,
	    'with both hashes');
	unlink "$dir/policy/dns.policy";
	($status, $out, $err) = run(@audit, 'dns');
	is($status, 2, 'a missing text cannot be compared');
	like($out, qr/not measurable: policy text/, 'and is named');
}

is($pi->stop, 0, 'stopped');
done_testing;
