#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# An instance of the mail system as the tests use it: its life, one message,
# and nothing left afterwards.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new;
my ($status, $out, $err) = $pi->mailctl('status');
isnt($status, 0, 'not running: status says so');
($status, $out, $err) = $pi->mailctl('check');
is($status, 0, 'the configuration is good') or diag "$out$err";
$pi->start;
pass('started');
($status, $out, $err) = $pi->mailctl('status');
is($status, 0, 'running: status says so') or diag "$out$err";
ok(scalar $pi->pids, 'it has processes');
isnt(scalar $pi->try_start, 0, 'a second start is refused');

my $r = $pi->send(data => "Subject: hello\n\nA line.\n");
is($r->{code}, 250, 'a message is taken') or diag $r->{text};
ok(defined $r->{id}, 'and has a queue id');
my @mail = $pi->wait_mail('user');
is(scalar @mail, 1, 'and is delivered') or diag join "\n", $pi->log;
like($mail[0] // '', qr/^Subject: hello\n.*\n\nA line\.\n\z/ms, 'as it was');
ok($pi->wait_log(qr/\Q$r->{id}\E: to=<user\@test\.example>,.*status=sent/),
    'and logged');
ok($pi->wait_empty, 'the queue is empty');
is($pi->send(to => 'nobody@test.example')->{code}, 550,
    'an unknown recipient is refused');
is($pi->send(to => 'x@elsewhere.invalid', local => undef)->{code}, 250,
    'this machine may relay');

SKIP: {
	skip 'no IPv6 on loopback', 1 unless defined $pi->{port6};
	my $c = $pi->smtp(ipv6 => 1);
	is($c && $c->banner->{code}, 220, 'listens on ::1');
}

$pi->mailboxes('user', 'other', 'nobody');
$pi->set(smtpd_banner => '$myhostname ESMTP reloaded');
$pi->reload;
is($pi->send(to => 'nobody@test.example')->{code}, 250,
    'a changed table is seen after reload');
like($pi->smtp->banner->{text}, qr/reloaded/, 'a changed parameter too');

# A second instance beside the first.
my $other = Postern::Instance->new(name => 'other');
$other->start;
is($other->send->{code}, 250, 'a second instance runs beside it');
is($other->stop, 0, 'and stops, leaving no process');
is($pi->send->{code}, 250, 'which the first does not notice');

# Killed altogether, it starts again.
ok($pi->kill_hard, 'killed altogether');
is(scalar $pi->pids, 0, 'no process is left');
$pi->start;
is($pi->send->{code}, 250, 'and started again');
is($pi->stop, 0, 'stop leaves no process');
isnt(scalar $pi->mailctl('status'), 0, 'status says so');

done_testing;
