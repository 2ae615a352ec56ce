#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Processes come when there is work and go when they are idle; how many
# sessions and deliveries there are at a time; what happens to one that cannot
# start.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my @core = qw(cleanup control dns gate logd lookup pickup qmgr rewrite smtpd);
my @hosts = map { "127.0.0." . (20 + $_) } 1 .. 10;
my $sink = Postern::Sink->start(listen => [map { "$_:0" } @hosts]);
my $pi = Postern::Instance->new(ipv6 => 0, main => {
	max_idle => '2s', smtpd_worker_count => 2,
	transport_maps => 'inline:{ ' . join(', ', map {
		"far$_.example=smtp:" . $sink->nexthop($_ - 1) } 1 .. 10) .
	    ' }',
    });
$pi->start;

# Components that run: name => [pid, ...].
sub running
{
	my %run;

	push @{ $run{$_->{component}} }, $_->{pid}
	    for grep { $_->{pid} } $pi->processes;
	return %run;
}

sub gone
{
	my ($name, $seconds) = @_;

	return wait_until(sub { my %run = running(); !$run{$name} },
	    $seconds // 10);
}

# How many processes were ever made.
sub starts
{
	my $n = 0;

	$n += $_->{starts} for $pi->processes;
	return $n;
}

sub audit_is_equal
{
	my ($when) = @_;

	SKIP: {
		skip 'only root can look into processes', 2 if $> != 0;
		my ($status, $out, $err) = $pi->mailctl('sandbox', 'audit');
		is($status, 0, "$when: the audit finds no difference") or
		    diag "$out$err";
		like($out, qr/^not running, on demand: .*smtp/m,
		    "$when: it says who is not there");
	}
}

# --- idle: only the core (PER-05) ---------------------------------------------
my %run = running();
is_deeply([sort keys %run], \@core, 'at the start only the core runs');
is(scalar @{ $run{smtpd} }, 1, 'one smtpd');
my %state = map { $_->{component} => $_->{state} } $pi->processes;
is($state{$_}, 'on-demand', "status shows $_") for qw(smtp local virtual bounce);
audit_is_equal('idle');

# --- the first mail costs a start, and no more than that ----------------------
$pi->send;
is(scalar $pi->wait_mail('user', 1), 1, 'the first mail is delivered');
my ($delay) = ($pi->wait_log(qr/status=sent/) // '') =~ /\bdelay=([\d.]+)/;
cmp_ok($delay // 99, '<', 2, 'soon');
%run = running();
my ($virtual) = @{ $run{virtual} // [] };
ok($virtual, 'virtual is there now');
ok(!$run{smtp} && !$run{local}, 'and nobody else');
audit_is_equal('at work');
$pi->send for 1 .. 3;
is(scalar $pi->wait_mail('user', 4), 4, 'more mail');
is_deeply({ running() }->{virtual}, [$virtual], 'by the same process');
ok(gone('virtual'), 'idle, it ends');
ok(gone('mailbox'), 'so does the mailbox process');
is_deeply([sort keys %{ { running() } }], \@core, 'the core is left again');
is(scalar $pi->grep_log(qr/virtual.*(?:exit status|killed|security)/), 0,
    'its end is no event');

# A bounce: local mail from nobody's process.
$pi->send(from => 'user@test.example', to => 'x@far1.example');
is(scalar $sink->wait(1), 1, 'smtp comes for mail to elsewhere');
$sink->rule(rcpt => '550 5.1.1 no such user');
$pi->send(from => 'other@test.example', to => 'x@far1.example');
is(scalar $pi->wait_mail('other', 1), 1, 'bounce comes for a notice');
$sink->clear;

# --- work that comes while they go --------------------------------------------
# After a reload who is on demand goes at the first quarter of a second without
# work: mail at such intervals often finds its agent on the way out.
my $had = () = $pi->mail_files('user');
for my $i (1 .. 40) {
	$pi->reload if $i % 5 == 1;
	sleep 0.2 + 0.01 * $i;
	$pi->send;
}
is(scalar(() = $pi->wait_mail('user', $had + 40)), $had + 40,
    'forty times on the way out: all is delivered');
is(scalar $pi->grep_log(qr/status=deferred/), 0, 'nothing had to wait');
is(scalar $pi->grep_log(qr/ended unexpectedly/), 0, 'nor came back');
ok($pi->wait_empty, 'the queue is empty');

# --- ten destinations at once (DEL-07) ----------------------------------------
$sink->forget_messages;
$sink->rule(data => 'delay 2');
my $at = time;
$pi->send(to => [map { "u\@far$_.example" } 1 .. 10]);
is(scalar $sink->wait(10, 30), 10, 'ten destinations');
cmp_ok(time - $at, '<', 10, 'all at once, for all their slowness');
cmp_ok($sink->stats->{most_open}, '>=', 10, 'in ten sessions');
$sink->clear;
ok(gone('smtp'), 'then the agent is idle and ends');

# --- no process for each message (PER-04) -------------------------------------
my $before = starts();
$had = () = $pi->mail_files('user');
my @senders = map {
	my $pid = fork() // die;
	if ($pid == 0) {
		in_child();
		my $bad = 0;
		my $c = $pi->smtp;
		$c->ehlo;
		for (1 .. 15) {
			$bad++ if $c->message(from => 'a@client.example',
			    to => ['user@test.example'],
			    data => "Subject: x\n\nx\n")->{code} != 250;
		}
		$c->quit;
		POSIX::_exit($bad);
	}
	$pid;
} 1 .. 20;
my $bad = 0;
for my $pid (@senders) {
	waitpid $pid, 0;
	$bad += $? >> 8;
}
is($bad, 0, 'twenty sessions send 300 messages');
is(scalar(() = $pi->wait_mail('user', $had + 300, 60)), $had + 300,
    'which arrive');
my $made = starts() - $before;
cmp_ok($made / 300, '<', 0.1, "forks for each message ($made processes)");

# --- the process limit (ADM-12) -----------------------------------------------
sub client { return Postern::SMTP->new($pi->address, $_[0], no_banner => 1); }

# A client beyond the limit hears nothing, and costs nothing, until its turn.
sub limited
{
	my ($name, $port, $max) = @_;
	my @c = map { client($port) } 1 .. $max;

	is(scalar(grep { $_->reply->{code} == 220 } @c), $max,
	    "$name: $max sessions");
	my $late = client($port);
	ok($late, "$name: one more can connect");
	my ($gate) = @{ { running() }->{gate} };
	my $ticks = sub { my @f = split ' ', slurp("/proc/$gate/stat");
		$f[13] + $f[14] };
	my $t = $ticks->();
	ok($late->quiet(1), "$name: it is not greeted");
	cmp_ok($ticks->() - $t, '<', 20, "$name: and gate does not spin");
	(shift @c)->quit;
	is($late->reply->{code}, 220, "$name: then comes its turn");
	return ($late, @c);
}

my @c = limited('default_process_limit', $pi->port, 100);
like(join("\n", $pi->log),
    qr/warning: service "[^"]*" \(\d+\) has reached its process limit "100": new clients may experience noticeable delays/,
    'and the log says why');
is(scalar @{ { running() }->{smtpd} }, 2, 'a second smtpd came to help');
ok(wait_until(sub { @c = grep { $_->quit; 0 } @c; 1 }), 'they leave');
ok(wait_until(sub { @{ { running() }->{smtpd} } == 1 }, 15),
    'and so does it when it is idle');
is($pi->send->{code}, 250, 'the other one works');

# A line of its own (ADM-54), before and after a reload.
my $more = free_port($pi->address);
spew($pi->etc . '/master.cf', slurp($pi->etc . '/master.cf'),
    $pi->address . ":$more inet n - n - 16 smtpd\n");
$pi->reload;
@c = limited('maxproc 16', $more, 16);
is($pi->smtp->banner->{code}, 220, 'the other service is not affected');
$pi->reload;
my $late = client($more);
ok($late->quiet(1), 'sessions count over a reload');
is($c[0]->cmd('NOOP')->{code}, 250, 'and live');
(pop @c)->quit;
is($late->reply->{code}, 220, 'the limit is still kept');
$_->quit for $late, @c;

# --- fewer workers: sessions go on --------------------------------------------
@c = map { $pi->smtp } 1 .. 24;
$_->ehlo for @c;
%run = running();
is(scalar @{ $run{smtpd} }, 2, 'sessions with two workers');
$pi->set(smtpd_worker_count => 1);
$pi->reload;
is(scalar(grep { $_->cmd('NOOP')->{code} != 250 } @c), 0,
    'one is too many: no session ends');
is(scalar(grep { $_->message(to => 'other@test.example')->{code} != 250 } @c),
    0, 'and each can send');
is($pi->smtp->banner->{code}, 220, 'new ones come');
is(scalar(grep { pid_alive($_) } @{ $run{smtpd} }), 2, 'both workers live');
$_->quit for @c;
ok(wait_until(sub { 1 == grep { pid_alive($_) } @{ $run{smtpd} } }, 10),
    'then one leaves');

# --- workers are replaced -----------------------------------------------------
$pi->set(smtpd_worker_sessions => 20);
$pi->reload;
%run = running();
my $long = $pi->smtp;
$long->ehlo;
my %worker = map { $_ => 1 } @{ $run{smtpd} };
$bad = 0;
for (1 .. 70) {
	$bad++ if $pi->send(to => 'other@test.example')->{code} != 250;
	$worker{$_} = 1 for @{ { running() }->{smtpd} // [] };
}
is($bad, 0, 'over three times smtpd_worker_sessions: no session is lost');
cmp_ok(scalar keys %worker, '>=', 3, 'by several workers');
is($long->cmd('NOOP')->{code}, 250, 'a long session stays with the first');
ok(pid_alive($run{smtpd}[0]), 'which lives for it');
$long->quit;
ok(wait_until(sub { !pid_alive($run{smtpd}[0]) }, 10), 'and then ends');
ok(wait_until(sub { @{ { running() }->{smtpd} } == 1 }, 10), 'one is left');
is($pi->stop, 0, 'stopped');

# --- as many deliveries as master.cf says -------------------------------------
my $few = Postern::Sink->start(listen => [map { "$_:0" } @hosts]);
$few->rule(data => 'delay 0.5');
$pi->set(transport_maps => 'inline:{ ' . join(', ', map {
	"far$_.example=smtp:" . $few->nexthop($_ - 1) } 1 .. 10) . ' }',
    smtp_connection_cache_on_demand => 'no');
spew($pi->etc . '/master.cf', map { s/^(smtp\s+unix(?:\s+\S+){4}\s+)-/${1}3/r . "\n" }
    lines_of($pi->etc . '/master.cf'));
$pi->start;
$at = time;
$pi->send(to => [map { "u\@far$_.example" } 1 .. 10]);
is(scalar $few->wait(10, 30), 10, 'ten destinations, maxproc 3');
# 0.5 s each; the sink may see the end of one session after the next begins.
cmp_ok(time - $at, '>', 1.9, 'three at a time');
cmp_ok($few->stats->{most_open}, '<=', 6, 'and no more');
is($pi->stop, 0, 'stopped');

# --- what cannot start rests (SEC-19, ADM-27) ---------------------------------
my $copy = temp_dir('build');
is(system('cp', '-a', build_dir() . '/bin', build_dir() . '/libexec', "$copy/"),
    0, 'a copy of the programs');
spew("$copy/libexec/postern/smtp.new", "#!/bin/sh\nexit 1\n");
chmod 0755, "$copy/libexec/postern/smtp.new";
rename "$copy/libexec/postern/smtp.new", "$copy/libexec/postern/smtp";
chmod 0755, $copy;
{
	local $ENV{POSTERN_BUILD} = $copy;
	my $sick = Postern::Instance->new(ipv6 => 0, main => {
		service_throttle_time => '4s',
		relayhost => $sink->nexthop });
	$sick->start;
	$sink->forget_messages;
	$sick->send(to => 'x@far1.example');
	ok($sick->wait_log(qr/warning: process smtp pid \d+ exit status 1/),
	    'a program that fails is reported');
	ok($sick->wait_log(qr/warning: smtp: bad command startup -- throttling/),
	    'and throttled');
	my $count = sub { my ($p) = grep { $_->{component} eq 'smtp' }
		$sick->processes; $p->{starts} };
	my $n = $count->();
	sleep 2;
	is($count->(), $n, 'it rests');
	is($sick->send->{code}, 250, 'meanwhile mail is taken');
	is(scalar $sick->wait_mail('user', 1), 1, 'and delivered by others');
	is(scalar @{ $sick->queue }, 1, 'what waits for it, waits');
	system('cp', '-a', build_dir_of_tree() . '/libexec/postern/smtp',
	    "$copy/libexec/postern/smtp.new");
	rename "$copy/libexec/postern/smtp.new", "$copy/libexec/postern/smtp";
	is(scalar $sink->wait(1, 15), 1, 'repaired, it delivers that');
	cmp_ok($count->(), '<=', $n + 2, 'after few tries');
	is($sick->stop, 0, 'stopped');
}

sub build_dir_of_tree
{
	delete local $ENV{POSTERN_BUILD};
	return build_dir();
}

done_testing();
