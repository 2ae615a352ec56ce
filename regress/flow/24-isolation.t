#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# smtpd_isolation = connection: a process and a sandbox for each SMTP session,
# made for it and thrown away behind it.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $many = 50;
my $pi = Postern::Instance->new(ipv6 => 0, main => {
	smtpd_isolation => 'connection', smtpd_isolation_ready => 5,
	smtpd_client_connection_count_limit => 0,
	smtpd_client_event_limit_exceptions => '',
    });
$pi->start;

sub pids_of_smtpd
{
	return map { $_->{pid} }
	    grep { $_->{component} eq 'smtpd' && $_->{pid} } $pi->processes;
}

sub namespace { return readlink("/proc/$_[0]/ns/$_[1]") // ''; }

sub audit_is_equal
{
	my ($when) = @_;

	SKIP: {
		skip 'only root can look into processes', 2 if $> != 0;
		my ($status, $out, $err) = $pi->mailctl('sandbox', 'audit');
		is($status, 0, "$when: the audit finds no difference") or
		    diag "$out$err";
		skip 'no image on this system', 1 if $^O ne 'linux';
		like($out, qr/^smtpd image\s+\d+ .* equal$/m,
		    "$when: it has looked at the image, too");
	}
}

ok(wait_until(sub { pids_of_smtpd() == 5 }, 10), 'five are kept ready');
audit_is_equal('at rest');

# --- whom they know -----------------------------------------------------------
# No table stands in a restriction, and there is no TLS: they need not ask.
sub met
{
	my ($peer) = @_;
	my %pid = map { $_ => 1 } pids_of_smtpd();

	return scalar grep { $pid{ $_->{pid} } && $_->{verb} eq 'channel' &&
	    $_->{what} =~ / \Q$peer\E \d/ }
	    @{ $pi->json('sandbox', 'graph')->{grants} };
}

is(met('rewrite'), 5, 'all of them know rewrite');
is(met('lookup'), 0, 'and none of them lookup');

# --- fifty sessions -----------------------------------------------------------
my @c = map { my $c = $pi->smtp; $c && $c->ehlo; $c } 1 .. $many;
is(scalar(grep { defined && $_->banner->{code} == 220 } @c), $many, "$many sessions");
ok(wait_until(sub { pids_of_smtpd() == $many + 5 }, 10),
    'each has a process, and five are ready again') or
    diag scalar pids_of_smtpd();
my @pids = pids_of_smtpd();
my %uniq = map { $_ => 1 } @pids;
is(scalar keys %uniq, scalar @pids, 'of its own');
SKIP: {
	skip 'only root can look into processes', 1 if $> != 0 || $^O ne 'linux';
	my %ns = map { namespace($_, 'pid') => 1 } @pids;
	is(scalar keys %ns, scalar @pids, 'in a process id namespace of its own');
}
audit_is_equal('fifty sessions');

# --- mail flows, and state is one session's -----------------------------------
for my $i (0 .. $#c) {
	$c[$i]->cmd("MAIL FROM:<s$i\@client.example>");
}
is($c[0]->cmd('RCPT TO:<user@test.example>')->{code}, 250, 'a recipient');
my $other = $pi->smtp;
my @said = map { $other->cmd($_) } 'EHLO client.example',
    'MAIL FROM:<other@client.example>', 'DATA';
is($said[2]->{code}, 554, 'another session knows nothing of that recipient') or
    diag explain [$other->banner, @said];
$other->quit;
is(scalar(grep { $_->cmd('RCPT TO:<user@test.example>')->{code} == 250 }
    @c[1 .. $#c]), $many - 1, 'each has its own envelope');
my $sent = 0;
for my $c (@c) {
	$c->cmd('DATA');
	$c->raw("Subject: x\r\n\r\nx\r\n.\r\n");
	$sent++ if $c->reply->{code} == 250;
}
is($sent, $many, 'fifty messages are taken');
is(scalar(() = $pi->wait_mail('user', $many)), $many, 'and delivered');
my %from;
$from{$_}++ for grep { defined } map { (/^Return-Path: <(s\d+)@/m)[0] }
    $pi->mail('user');
is(scalar keys %from, $many, 'each with its own sender');

# --- the end ------------------------------------------------------------------
$_->quit for @c[10 .. $#c];
ok(wait_until(sub { pids_of_smtpd() == 10 + 5 }, 10),
    'behind QUIT the process is gone') or diag scalar pids_of_smtpd();
is(scalar $pi->grep_log(qr/smtpd.*(?:exit status|killed by|throttling)/), 0,
    'its end is no event');

# --- one crash, one session ---------------------------------------------------
my ($victim) = map { /smtpd\[(\d+)\]: connect from/ ? $1 : () }
    grep { my ($p) = /smtpd\[(\d+)\]: connect/; $p && pid_alive($p) } $pi->log;
kill KILL => $victim;
ok(wait_until(sub { !pid_alive($victim) }, 5), 'one is killed');
sleep 0.3;
my @left = grep { $_->cmd('NOOP')->{code} == 250 } @c[0 .. 9];
is(scalar @left, 9, 'one session is gone, nine go on');
my $new = $pi->smtp;
is($new->ehlo->{code}, 250, 'new ones come');
is(scalar $pi->grep_log(qr/throttling/), 0, 'at once');
$new->quit;

# --- reload -------------------------------------------------------------------
my %old = map { $_ => 1 } pids_of_smtpd();
$pi->set(smtpd_banner => '$myhostname ESMTP renewed');
$pi->reload;
is(scalar(grep { $_->cmd('NOOP')->{code} == 250 } @left), 9,
    'sessions live through a reload');
$new = $pi->smtp;
like($new->banner->{text}, qr/renewed/, 'new ones have the new configuration');
$new->quit;
ok(wait_until(sub { my $n = grep { !$old{$_} } pids_of_smtpd(); $n >= 5 &&
    pids_of_smtpd() == 9 + 5 }, 10),
    'those that were ready have been replaced') or diag scalar pids_of_smtpd();
$_->quit for @left;

# --- whom they know, once there is a table ------------------------------------
$pi->set(smtpd_sender_restrictions =>
    'check_sender_access inline:{bad@client.example=REJECT}');
$pi->reload;
for my $from ('bad', 'good') {
	$new = $pi->smtp;
	$new->ehlo;
	$new->cmd("MAIL FROM:<$from\@client.example>");
	is($new->cmd('RCPT TO:<user@test.example>')->{code},
	    $from eq 'bad' ? 554 : 250, "a table is asked about $from");
	$new->quit;
}
ok(wait_until(sub { met('lookup') >= 5 }, 10), 'all of them know lookup now') or
    diag met('lookup');
$pi->set(smtpd_sender_restrictions => undef);
$pi->reload;

# --- limits -------------------------------------------------------------------
$pi->set(smtpd_client_connection_count_limit => 3);
$pi->reload;
@c = map { $pi->smtp } 1 .. 3;
is(scalar(grep { $_->ehlo->{code} == 250 } @c), 3, 'three of a client');
is($pi->smtp->banner->{code}, 421, 'a fourth is turned away');
$_->quit for @c;
ok(wait_until(sub { my $c = $pi->smtp; my $ok = $c && $c->ehlo->{code} == 250;
    $c->quit if $c; $ok }, 5), 'and counted down again');

# --- as many as one likes, one after the other --------------------------------
my $at = time;
my $bad = 0;
for (1 .. 100) {
	my $c = $pi->smtp;
	$bad++ if !$c || $c->ehlo->{code} != 250;
	$c->quit if $c;
}
is($bad, 0, 'a hundred sessions, one after the other');
note sprintf 'in %.2f s', time - $at;

# --- back to workers, and again -----------------------------------------------
my $keep = $pi->smtp;
$keep->ehlo;
$pi->set(smtpd_isolation => 'worker');
$pi->reload;
is($keep->cmd('NOOP')->{code}, 250, 'a session lives through the change');
$new = $pi->smtp;
is($new->ehlo->{code}, 250, 'and there are workers now');
ok(wait_until(sub { pids_of_smtpd() == 2 }, 10), 'one, and that session') or
    diag scalar pids_of_smtpd();
$keep->quit;
ok(wait_until(sub { pids_of_smtpd() == 1 }, 10), 'which ends') or
    diag scalar pids_of_smtpd();
$pi->set(smtpd_isolation => 'connection',
    smtpd_client_connection_count_limit => 0);
$pi->reload;
is($new->cmd('NOOP')->{code}, 250, 'and back: the worker has a session');
ok(wait_until(sub { pids_of_smtpd() == 1 + 5 }, 10), 'five are ready') or
    diag scalar pids_of_smtpd();
$new->quit;
ok(wait_until(sub { pids_of_smtpd() == 5 }, 10), 'the worker has gone');

# --- others end ---------------------------------------------------------------
# Without its gate a session goes on; who had none has nothing to wait for.
$keep = $pi->smtp;
$keep->ehlo;
my %had = map { $_ => 1 } pids_of_smtpd();
kill KILL => map { $_->{pid} } grep { $_->{component} eq 'gate' }
    $pi->processes;
ok(wait_until(sub { my $c = $pi->smtp; my $ok = $c && $c->banner->{code} == 220;
    $c->quit if $c; $ok }, 10), 'another gate takes connections');
is($keep->cmd('NOOP')->{code}, 250, 'a session of the old one goes on');
is($keep->message(from => 'a@client.example', to => ['user@test.example'],
    data => "Subject: x\n\nx\n")->{code}, 250, 'and is served');
ok(wait_until(sub { pids_of_smtpd() == 1 + 5 &&
    1 == grep { $had{$_} } pids_of_smtpd() }, 10),
    'those that were ready have ended') or diag scalar pids_of_smtpd();
kill KILL => map { $_->{pid} } grep { $_->{component} eq 'qmgr' }
    $pi->processes;
ok(wait_until(sub { $keep->message(from => 'a@client.example',
    to => ['user@test.example'], data => "Subject: x\n\nx\n")->{code} == 250 },
    10), 'another queue manager serves a session under way');
$keep->quit;
SKIP: {
	my ($image) = ($pi->mailctl('status'))[1] =~ /copies of process (\d+)/;
	skip 'no image on this system', 5 if $^O ne 'linux';
	ok($image, 'status names the image');
	kill KILL => $image;
	ok(wait_until(sub { !pid_alive($image) }, 5), 'the image is killed');
	my @c = map { $pi->smtp } 1 .. 10;
	is(scalar(grep { $_ && $_->ehlo->{code} == 250 } @c), 10,
	    'ten sessions without it');
	$_->quit for @c;
	ok(wait_until(sub { my $c = $pi->smtp; $c->quit if $c;
	    (($pi->mailctl('status'))[1] =~ /copies of process (\d+)/) &&
	    $1 != $image }, 15), 'another image is made');
	ok(wait_until(sub { pids_of_smtpd() == 5 }, 10), 'five are ready');
}

# --- the end of the test ------------------------------------------------------
$pi->send;
ok($pi->wait_empty, 'the queue is empty');
audit_is_equal('at the end');
is(scalar $pi->grep_log(qr/security|panic|fatal/), 0, 'nothing is amiss');
$pi->stop;
done_testing;
