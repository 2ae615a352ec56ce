#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Start, stop, reload, and what happens to mail and sessions meanwhile; faults
# in the configuration; each component killed once.
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

my $sink = Postern::Sink->start;
my $pi = Postern::Instance->new(main => {
	relayhost => $sink->nexthop, smtpd_peername_lookup => 'no',
	minimal_backoff_time => '1s', maximal_backoff_time => '1s',
	queue_run_delay => '1s',
    });

sub told
{
	my ($what, $want, $name, @cmd) = @_;
	my ($status, $out, $err) = $pi->cmd(@cmd);

	is($status, $want, "$name: status") or diag "$out$err";
	like("$out$err", $what, "$name: message") if defined $what;
	return $out;
}

# --- not running --------------------------------------------------------------
told(qr/not/, 1, 'stop of what does not run', 'postfix', 'stop');
told(qr/not/, 1, 'reload of it', 'postfix', 'reload');
told(qr/not/, 1, 'status of it', 'postfix', 'status');

# --- start --------------------------------------------------------------------
my $at = time;
told(undef, 0, 'postfix start', 'postfix', 'start');
cmp_ok(time - $at, '<', 10, 'within ten seconds');
my $c = $pi->smtp;
is($c && $c->banner->{code}, 220, 'every listener answers when it returns');
is($pi->smtp(ipv6 => 1)->banner->{code}, 220, 'on IPv6 too')
    if defined $pi->{port6};
$c->quit;
told(qr/already/, 1, 'a second start is refused', 'postfix', 'start');
isnt(scalar $pi->try_start, 0, 'by mailctl too');
my $main = $pi->main_pid;
ok($main && pid_alive($main), 'pid/master.pid names the first process');
told(qr/running/, 0, 'postfix status', 'postfix', 'status');
my $all = [$pi->processes];
my %by;
push @{ $by{$_->{component}} }, $_ for @$all;
is_deeply([grep { !$by{$_} } qw(logd gate smtpd cleanup rewrite lookup
    dns qmgr smtp local virtual bounce pickup control)], [],
    'all components run');
is(scalar @{ $by{qmgr} }, 1, 'one qmgr (ADM-36)');

# --- reload: sessions go on (CMD-03) ------------------------------------------
$c = $pi->smtp;
$c->ehlo;
$c->cmd($_) for 'MAIL FROM:<a@client.example>', 'RCPT TO:<user@test.example>',
    'DATA';
$c->raw("Subject: over a reload\r\n\r\nhalf ");
my %before = map { $_->{component} => $_->{pid} } @$all;
$pi->set(smtpd_banner => '$myhostname ESMTP one',
    message_size_limit => 5000000);
told(undef, 0, 'postfix reload', 'postfix', 'reload');
$c->raw("a message\r\n.\r\n");
is($c->reply->{code}, 250, 'a session survives a reload in the midst of data');
is($c->cmd('NOOP')->{code}, 250, 'and goes on');
like(($pi->wait_mail('user'))[0] // '', qr/\n\nhalf a message\n\z/,
    'its message is whole');
$c->quit;
$c = $pi->smtp;
like($c->banner->{text}, qr/ one$/, 'new sessions see the new configuration');
$c->ehlo;
is($c->ext->{SIZE}, 5000000, 'all of it');
$c->quit;
my %after = map { $_->{component} => $_->{pid} }
    $pi->processes;
is($after{qmgr}, $before{qmgr}, 'qmgr is the same process');
# Under load, no connection is refused and no message is lost.
my $pid = fork() // die;
if ($pid == 0) {
	in_child();
	my $bad = 0;
	for (1 .. 60) {
		$bad++ if $pi->send(to => 'other@test.example',
		    data => "Subject: load $_\n\nx\n")->{code} != 250;
	}
	POSIX::_exit($bad > 100 ? 100 : $bad);
}
$pi->reload for 1 .. 5;
waitpid $pid, 0;
is($? >> 8, 0, 'five reloads under load: no message is refused');
is(scalar $pi->wait_mail('other', 60), 60, 'or lost');

# --- errors in the configuration ----------------------------------------------
my $good = slurp($pi->etc . '/main.cf');
my $master = slurp($pi->etc . '/master.cf');
for my $case (
    ['an unknown parameter', "${good}smtpd_bannner = x\n", undef,
	qr/main\.cf.*line \d+.*smtpd_bannner.*smtpd_banner/s],
    ['a parameter of the wrong type', "${good}message_size_limit = lots\n",
	undef, qr/message_size_limit/],
    ['a value out of range', "${good}hash_queue_depth = 99\n", undef,
	qr/hash_queue_depth/],
    ['a line that is none', "${good}this is no line\n", undef,
	qr/main\.cf.*line \d+/s],
    ['a parameter that needs itself', "${good}smtpd_banner = \$smtpd_banner\n",
	undef, qr/smtpd_banner/],
    ['a service of no kind', undef, "${master}foo bar n - n - - smtpd\n",
	qr/master\.cf.*line \d+.*bar/s],
    ['too few columns', undef, "${master}foo unix n\n",
	qr/master\.cf.*line \d+/s],
    ['an unknown program', undef, "${master}foo unix - - n - - fooo\n",
	qr/master\.cf.*line \d+.*fooo/s],
    ['an unknown option of a service', undef, $master =~
	s/smtpd$/smtpd -o smtpd_bannner=x/mr, qr/smtpd_bannner/],
    ['a blank at the start of a file', " x = y\n$good", undef,
	qr/main\.cf.*line 1/s]) {
	my ($name, $cf, $mcf, $pattern) = @$case;

	spew($pi->etc . '/main.cf', $cf // $good);
	spew($pi->etc . '/master.cf', $mcf // $master);
	my ($status, $out, $err) = $pi->mailctl('reload');
	isnt($status, 0, "$name: reload says so");
	like("$out$err", $pattern, "$name: and where");
	($status, $out, $err) = $pi->mailctl('check');
	isnt($status, 0, "$name: so does check");
	is($pi->smtp->banner->{text}, 'mx.test.example ESMTP one',
	    "$name: the old configuration goes on");
	($status, $out, $err) = $pi->cmd('postfix', 'check');
	isnt($status, 0, "$name: postfix check (CMD-04)");
}
spew($pi->etc . '/main.cf', $good);
spew($pi->etc . '/master.cf', $master);
told(undef, 0, 'a good one again', 'postfix', 'reload');
told(undef, 0, 'and check is content', 'postfix', 'check');
is($pi->send->{code}, 250, 'mail is taken');

# --- listeners come and go ----------------------------------------------------
my $more = free_port($pi->address);
my $where = $pi->address . ":$more";
spew($pi->etc . '/master.cf', $master, "$where inet n - y - - smtpd\n" .
    "\t-o smtpd_banner=\$myhostname\n");
$pi->reload;
my $second = Postern::SMTP->new($pi->address, $more);
is($second && $second->banner->{text}, 'mx.test.example',
    'a listener more after a reload, with its own option');
spew($pi->etc . '/master.cf', $master);
$pi->reload;
is($second->cmd('NOOP')->{code}, 250, 'taken away, its session lives');
ok(!defined Postern::SMTP->new($pi->address, $more, no_banner => 1),
    'but nobody answers any more');
$second->quit;

# --- each component is killed once, while idle --------------------------------
for my $name (sort keys %by) {
	my ($victim) = map { $_->{pid} } grep { $_->{component} eq $name }
	    $pi->processes;
	next unless $victim;
	kill 'KILL', $victim;
	my $ok = wait_until(sub {
		return scalar grep { $_->{component} eq $name &&
		    $_->{pid} != $victim && $_->{state} eq 'ready' }
		    $pi->processes;
	}, 15);
	ok($ok || $name eq 'mailbox', "$name comes back");
	my $n = () = $pi->mail_files('user');
	my $sent = wait_until(sub { $pi->send->{code} == 250 }, 10);
	ok($sent, "$name was killed: mail is taken");
	cmp_ok(scalar(() = $pi->wait_mail('user', $n + 1)), '>', $n,
	    "$name was killed: and delivered");
}
is($pi->send(to => 'far@far.example')->{code}, 250, 'mail for elsewhere');
is(scalar $sink->wait(1), 1, 'goes out');

# --- stop finishes what is under way (CMD-02) ---------------------------------
$sink->rule(eod => 'delay 1');
$sink->forget_messages;
my $r = $pi->send(to => 'slow@far.example');
ok(wait_until(sub { ($sink->stats->{commands}{DATA} // 0) >= 2 }, 5),
    'a delivery is under way');
$c = $pi->smtp;
told(undef, 0, 'postfix stop', 'postfix', 'stop');
is(scalar(() = $sink->messages), 1, 'it is finished first') or
    diag join "\n", (reverse((reverse $pi->log)[0 .. 5]));
is(scalar(() = $pi->pids), 0, 'no process is left');
ok($c->closed(2), 'sessions are closed');
ok(!defined $pi->smtp(no_banner => 1), 'nobody answers');
is(scalar $pi->json('queue', 'list')->@*, 0, 'and the queue is empty')
    if eval { $pi->json('queue', 'list') };
$sink->clear;
$pi->start;
sleep 1.5;
is(scalar(() = $sink->messages), 1, 'it is not delivered again');

# --- an unclean end -----------------------------------------------------------
$sink->rule(rcpt => '450 4.2.0 later');
my @ids = map { $pi->send(to => "u$_\@far.example")->{id} } 1 .. 10;
ok($pi->wait_log(qr/$ids[-1]: to=.*status=deferred/), 'ten messages wait');
my $taken = $pi->send(to => 'other@test.example',
    data => "Subject: just before\n\nx\n");
ok($pi->kill_hard, 'all processes are killed');
is($taken->{code}, 250, 'a message was taken just before');
ok(-e $pi->spool . '/pid/master.pid', 'pid/master.pid is still there');
$sink->clear;
$sink->forget_messages;
told(undef, 0, 'start after an unclean end', 'postfix', 'start');
is(scalar $sink->wait(10, 15), 10, 'what waited is delivered');
ok(scalar(grep { /^Subject: just before$/m } $pi->wait_mail('other', 61)),
    'and what was just taken');     # perhaps twice
ok($pi->wait_empty, 'the queue is empty');

# --- --foreground -------------------------------------------------------------
is($pi->stop, 0, 'stopped');
my ($k, $v) = split /=/, $pi->{token}, 2;
my $fg = spawn(build_dir() . '/bin/mailctl', '-c', $pi->etc, 'start',
    '--foreground', { env => { $k => $v },
	stdout => $pi->dir . '/foreground' });
ok(wait_until(sub {
	my $c = $pi->smtp(no_banner => 1);
	return $c && $c->reply->{code} == 220;
}, 15), 'start --foreground serves');
ok(pid_alive($fg), 'and stays');
kill 'TERM', $fg;
my $gone;
ok(wait_until(sub { $gone = waitpid($fg, POSIX::WNOHANG()) == $fg }, 15),
    'SIGTERM ends it');
is($?, 0, 'with status 0') if $gone;
ok(wait_until(sub { !scalar(() = $pi->pids) }, 5), 'and all of it');

# --- two beside each other ----------------------------------------------------
my $other = Postern::Instance->new(name => 'two', main => {
	myhostname => 'two.test.example', relayhost => $sink->nexthop,
	inet_interfaces => '127.0.0.1' });
$_->start for $pi, $other;
is($other->send->{code}, 250, 'a second instance takes mail');
is(scalar $other->wait_mail('user', 1), 1, 'and delivers it');
like($other->smtp->banner->{text}, qr/^two\.test\.example /, 'by its name');
like($pi->smtp->banner->{text}, qr/^mx\.test\.example /, 'not the first');
$other->kill_hard;
is($pi->send->{code}, 250, 'killed, the first does not notice');
$other->start;
is($other->stop, 0, 'the second stops');
is($pi->stop, 0, 'the first stops');
done_testing;
