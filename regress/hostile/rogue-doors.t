#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Captured components by whom mail comes in, is kept, is given away, and is
# written down: gate, with virtual and the program `command`; qmgr, with keys;
# logd.  Each has what it would have, and attacks whoever it was introduced to.
#
# A captured qmgr has all mail: it can lose it, and say that it has it.  This
# one does not touch what was there before, and all of that is delivered when
# it is itself again.
#
# POSTERN_LONG=1: five times as many lives.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Captured;
use Postern::Instance;
use Postern::Rogue;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;
need_root('mailboxes and commands of several users');
need_program('openssl');
my %fast = (smtpd_peername_lookup => 'no', service_throttle_time => '1s',
    queue_run_delay => '1s', minimal_backoff_time => '1s',
    maximal_backoff_time => '2s', transport_maps => 'texthash:transport',
    mydestination => '', relay_domains => 'relay.example pipe.example');
my $long = Postern::Captured::long();

sub instance
{
	my ($sink, %main) = @_;
	my $pi = Postern::Instance->new(main => { %fast, %main });
	my $out = $pi->dir . '/out';

	chmod 0755, $pi->dir;
	spew($out, '');
	chmod 0666, $out;
	$pi->{master} = ["own unix - n n - 40 pipe user=nobody argv=/bin/sh -c {echo \${user} >>$out}"];
	$pi->write_master;
	$pi->file(transport => 'relay.example smtp:[127.0.0.1]:' . $sink->port . "\n",
	    "pipe.example own:\n");
	return $pi;
}

# Which of these numbers have arrived?
sub have
{
	my ($text, @numbers) = @_;
	my %have = map { $_ => 1 } $text =~ /^Subject: number (\d+)\.\r?$/mg;
	return !grep { !$have{$_} } @numbers;
}

sub post
{
	my ($pi, $to, $n) = @_;

	return ($pi->cmd('sendmail', '-f', 'user@test.example', $to,
	    { input => "Subject: number $n.\n\nx\n", timeout => 10 }))[0] eq '0';
}

# A message by SMTP, in a session that may be anybody's.
sub submit
{
	my ($pi, $to, $n) = @_;
	my $r = eval { Postern::SMTP::send_mail($pi->address, $pi->port,
	    to => $to, data => "Subject: number $n.\n\nx\n", timeout => 2) };

	return ($r->{code} // 0) == 250;
}

# --- gate, virtual, command ---------------------------------------------------

{
	my $sink = Postern::Sink->start;
	my @names = qw(gate virtual);
	my $rogue = Postern::Rogue->new((map { $_ => 'rogue-peer' } @names),
	    command => 'rogue-command');
	my $pi = instance($sink, smtpd_worker_count => 2,
	    virtual_minimum_uid => 64000);
	$rogue->orders(mailbox => $pi->{uid});
	system('chmod', '-R', 'a+rX', $rogue->{dir});
	mkdir $pi->dir . '/mail/captured';
	$pi->start;
	my $c = Postern::Captured->new($pi, @names)->honest_ones(qw(qmgr smtpd
	    cleanup rewrite lookup dns logd control pickup));

	my (@relayed, @kept, $n);
	push @kept, $_ for grep { post($pi, 'user@test.example', $_) } 1 .. 4;
	my @lies = grep { post($pi, "lie$_\@pipe.example", $_) } 0 .. 12;
	is(scalar @lies, 13, 'messages for commands that lie');
	$n = 100;
	my ($sessions, $served) = (0, 0);
	my $end = time + 40 * $long;
	while (time < $end) {
		push @relayed, $n if post($pi, 'x@relay.example', ++$n);
		$sessions++;
		$served++, push @relayed, $n if submit($pi, 'x@relay.example', ++$n);
		last if !grep { $c->lives($_) < 6 * $long } @names;
	}
	$c->lived(6, 5);
	cmp_ok($served, '>=', 3, "of $sessions sessions the first of a captured gate is served");
	ok(wait_until(sub {
		have(join('', map { $_->{data} } @{ [$sink->messages] }), @relayed)
	}, 20), 'mail of others is delivered: ' . @relayed);
	for my $lie (0 .. 11) {
		ok(scalar(() = $c->grep_log(qr/pipe\[\d+\]: .*to=<lie$lie\@pipe\.example>.*status=deferred/)),
		    "lie $lie of a command: the message waits");
	}
	ok(scalar(() = $c->grep_log(qr/pipe\[\d+\]: .*to=<lie12\@pipe\.example>.*status=bounced/)),
	    'of its own message a command can say that it fails');
	cmp_ok(scalar(() = $c->grep_log(qr/pipe\[\d+\]: .*security: channel to a command closed: \S/)), '>=', 6,
	    'the log has those that broke a rule');
	$c->judged;
	my @escaped = (glob($pi->dir . '/escaped*'), glob('/tmp/escaped*'),
	    glob($pi->dir . '/mail/../escaped*'));
	is_deeply(\@escaped, [], 'nothing is written beside the mailboxes');
	is($pi->stop, 0, 'stopped');
	$rogue->honest;
	$pi->start;
	ok(wait_until(sub { have(join('', $pi->mail('user')), @kept) }, 20),
	    'what virtual had is delivered by an honest one');
	ok(wait_until(sub {
		my $text = slurp($pi->dir . '/out');
		!grep { $text !~ /^lie$_$/m } 0 .. 11
	}, 30), 'and what commands had');
	ok($pi->wait_empty(20), 'the queue is empty');
	is($pi->stop, 0, 'stopped');
}

# --- qmgr, keys ---------------------------------------------------------------

{
	my $sink = Postern::Sink->start;
	my @names = qw(qmgr keys);
	my $pi = instance($sink, smtpd_tls_security_level => 'may');
	my $dir = $pi->dir;
	my ($status, undef, $err) = run(qw(openssl req -x509 -newkey rsa:2048
	    -nodes -days 30 -subj /CN=mx.test.example -keyout),
	    "$dir/etc/key.pem", '-out', "$dir/etc/cert.pem");
	is($status, '0', 'there is a certificate') or diag($err);
	run('openssl', 'x509', '-in', "$dir/etc/cert.pem", '-outform', 'DER',
	    '-out', "$dir/chain");
	spew("$dir/etc/chain.pem", slurp("$dir/etc/key.pem"),
	    slurp("$dir/etc/cert.pem"));
	$pi->set(smtpd_tls_chain_files => "$dir/etc/chain.pem");
	# What was acknowledged before.
	$sink->rule(rcpt => '450 4.2.0 later');
	$pi->start;
	my @before = grep { submit($pi, 'x@relay.example', $_) } 1 .. 8;
	is(scalar @before, 8, 'there is mail in the queue');
	is($pi->stop, 0, 'stopped');

	my $rogue = Postern::Rogue->new(map { $_ => 'rogue-peer' } @names);
	$rogue->orders(chain => "$dir/chain");
	my ($up) = $pi->try_start;
	my $c = Postern::Captured->new($pi, @names)->honest_ones(qw(gate smtpd
	    cleanup rewrite lookup dns logd control pickup));
	my (@lines, $asked);
	my $end = time + 40 * $long;
	while (time < $end) {
		# Words of a captured qmgr reach no client but as words.
		my $s = eval { $pi->smtp(timeout => 2) };
		if ($s) {
			for my $say ('EHLO x', 'MAIL FROM:<>',
			    'RCPT TO:<user@test.example>', 'DATA',
			    "Subject: number 500.\r\n\r\nx\r\n.") {
				my $r = eval { $s->cmd($say) } // last;
				push @lines, split /\r?\n/, $r->{raw};
				last if $r->{code} >= 400;
			}
		}
		run('openssl', 's_client', '-starttls', 'smtp', '-brief',
		    '-connect', $pi->where, { timeout => 2 }) if ++$asked % 3 == 0;
		$pi->cmd('postqueue', '-p', { timeout => 2 });
		last if !grep { $c->lives($_) < 5 * $long } @names;
	}
	$c->lived(5, 5);
	cmp_ok(scalar @lines, '>=', 5, 'clients are spoken to: ' . @lines . ' lines');
	is_deeply([grep { !/^\d\d\d[ -][\x20-\x7e]*$/ } @lines], [],
	    '... and each line is one of smtpd');
	cmp_ok(scalar(() = $c->grep_log(qr/rogue: asked for a signature/)), '>=', 1,
	    'signatures were asked for');
	$c->judged;
	is($pi->stop, 0, 'stopped');
	$rogue->honest;
	$sink->clear;
	$pi->start;
	ok(wait_until(sub {
		have(join('', map { $_->{data} } @{ [$sink->messages] }), @before)
	}, 20), 'what was in the queue before is delivered');
	($status, my $said) = run('openssl', 's_client', '-starttls', 'smtp',
	    '-brief', '-connect', $pi->where, { timeout => 5 });
	is($status, '0', 'and TLS works again') or diag($said);
	is($pi->stop, 0, 'stopped');
}

# --- logd -----------------------------------------------------------------------

{
	my $sink = Postern::Sink->start;
	my $rogue = Postern::Rogue->new(logd => 'rogue-peer');
	my $pi = instance($sink);
	my $launcher = spawn($rogue->file('launcher'), '-c', $pi->etc, '-f',
	    { stdout => $pi->dir . '/log/out', stderr => $pi->dir . '/log/err' });
	my @others = qw(gate smtpd qmgr cleanup rewrite lookup dns control
	    pickup);
	ok(wait_until(sub { !grep { !$pi->component($_) } @others }, 20),
	    'they are there');
	my $c = Postern::Captured->new($pi, 'logd')->also($pi->dir . '/log/err');
	$c->honest_ones(@others);
	my (@relayed, $n);
	my $end = time + 30 * $long;
	while (time < $end && $c->lives('logd') < 4 * $long) {
		push @relayed, $n if submit($pi, 'x@relay.example', ++$n);
		sleep 0.02;
	}
	$c->lived(4, 5);
	cmp_ok(scalar @relayed, '>=', 0.9 * $n, "mail is accepted: $n");
	ok(wait_until(sub {
		have(join('', map { $_->{data} } @{ [$sink->messages] }), @relayed)
	}, 20), '... and delivered');
	$c->judged(unseen => 1);
	cmp_ok(scalar(() = $c->grep_log(qr/security: channel to logd closed: \S/)), '>=', 5,
	    'the launcher says what logd did, since nobody else can');
	for my $name (@others) {
		for my $pid ($pi->component($name)) {
			my ($kb) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m;
			cmp_ok($kb, '<', 65536, "$name keeps no lines for it");
		}
	}
	kill TERM => $launcher;
	ok(wait_until(sub { !pid_alive($launcher) }, 20), 'all ends in order');
}
done_testing;
