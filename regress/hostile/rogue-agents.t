#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Captured agents and others, in one instance: smtp, pipe, bounce, control and
# the mailbox process of one user.  Each has what it would have, is given its
# work, and lies about it; in most of its lives it breaks a rule, another each
# time, and has itself ended.
#
# Mail to another mailbox flows all the while.  What was accepted for those that
# are captured is not lost but by them: of a message that is given to it an
# agent can say that it is delivered, and so it says of those to lost@.
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
need_root('mailboxes of several users');
my @captured = qw(smtp pipe bounce control mailbox);
my ($honest_uid, $captured_uid) = (64700, 64701);
my $sink = Postern::Sink->start;
my $rogue = Postern::Rogue->new(map { $_ => 'rogue-peer' } @captured);
my $pi = Postern::Instance->new(uid => $honest_uid, gid => $honest_uid,
    main => { smtpd_peername_lookup => 'no', mydestination => '',
	virtual_uid_maps => 'texthash:uids', virtual_gid_maps => 'texthash:uids',
	relay_domains => 'relay.example pipe.example error.example',
	transport_maps => 'texthash:transport', service_throttle_time => '1s',
	queue_run_delay => '1s', minimal_backoff_time => '1s',
	maximal_backoff_time => '2s' });
my $dir = $pi->dir;
chmod 0755, $dir;
my $out = "$dir/out";
spew($out, '');
chmod 0666, $out;
$pi->{master} = ["own unix - n n - - pipe user=nobody argv=/bin/sh -c {echo \${user} >>$out}"];
$pi->write_master;
$pi->file(uids => "user\@test.example $honest_uid\n",
    map { "$_\@test.example $captured_uid\n" } qw(other lost));
$pi->file(vmailbox => map { "$_->[0]\@test.example $_->[1]/\n" }
    [qw(user user)], [qw(other other)], [qw(lost other)]);
$pi->file(transport => "relay.example smtp:[127.0.0.1]:" . $sink->port . "\n",
    "pipe.example own:\n", "error.example error:5.1.1 nobody is here\n");
mkdir "$dir/mail/other";
chown $captured_uid, $captured_uid, "$dir/mail/other";
$rogue->orders(uid => $captured_uid);

# name of message -> [recipient, how many]
my %groups = (relay => ['x@relay.example', 8], pipe => ['x@pipe.example', 8],
    other => ['other@test.example', 8], error => ['x@error.example', 4],
    lost => ['lost@relay.example', 2], gone => ['lost@test.example', 1]);
sub send_one
{
	my ($group, $n) = @_;

	# smtpd would refuse it itself.
	return ($pi->cmd('sendmail', '-f', 'user@test.example', $groups{$group}[0],
	    { input => "Subject: $group $n.\n\nx\n" }))[0] eq '0'
	    if $group eq 'error';
	my $r = eval { $pi->send(from => 'user@test.example',
	    to => $groups{$group}[0], data => "Subject: $group $n.\n\nx\n") };
	return ($r->{code} // 0) == 250;
}
sub have
{
	my ($text, @numbers) = @_;
	my %have = map { $_ => 1 } $text =~ /^Subject: \w+ (\d+)\.\r?$/mg;
	return !grep { !$have{$_} } @numbers;
}

$pi->start;
my %accepted;
for my $group (sort keys %groups) {
	$accepted{$group} = [grep { send_one($group, $_) } 1 .. $groups{$group}[1]];
	is(scalar @{ $accepted{$group} }, $groups{$group}[1], "$group: accepted");
}
ok(defined eval { $pi->send(to => 'user@test.example') }, 'mail for the other user');
$pi->wait_mail('user', 1);
my $c = Postern::Captured->new($pi, grep { $_ ne 'mailbox' } @captured);
$c->honest_ones(qw(qmgr smtpd gate cleanup rewrite lookup dns logd virtual));

# Meanwhile: mail.
my (@mine, $n);
my $lives = 6 * Postern::Captured::long();
$groups{user} = ['user@test.example'];
while (($n // 0) < 150 * Postern::Captured::long()) {
	push @mine, $n if send_one('user', ++$n);
	# Each bounce is to have something to tell.
	push @{ $accepted{error} }, $n if $n % 4 == 0 && send_one('error', $n);
	last if !grep { $c->lives($_) < $lives } @{ $c->{names} };
	sleep 0.2;
}
$c->lived(6, 10);
cmp_ok(scalar @mine, '>=', $n - 2, "mail is accepted meanwhile: $n");
ok(wait_until(sub { have(join('', $pi->mail('user')), @mine) }, 20),
    '... and delivered');
$c->judged;
ok(scalar(() = $c->grep_log(qr/closed by qmgr 0: a notice that is not in/)),
    'a notice that is not in the queue counts for nothing');
cmp_ok(scalar(() = $c->grep_log(qr/security: channel to a mailbox .*closed: \S/)), '>=', 3,
    'the mailbox process of the other user is cut off');
is($pi->stop, 0, 'stopped');

$rogue->honest;
$pi->start;
ok(wait_until(sub {
	have(join('', map { $_->{data} } $sink->wait(0, 0)), @{ $accepted{relay} })
}, 30), 'what smtp had is delivered by an honest one') or diag(explain($pi->queue));
ok(wait_until(sub { (() = slurp($out) =~ /x/g) >= @{ $accepted{pipe} } }, 30),
    'what pipe had');
ok(wait_until(sub { have(join('', $pi->mail('other')), @{ $accepted{other} }) },
    30), 'what the mailbox had');
ok($pi->wait_empty(30), 'the queue is empty');
my $notices = grep { /^Subject: Undelivered Mail/m } $pi->mail('user');
cmp_ok($notices, '>=', @{ $accepted{error} }, 'what bounce had to tell');
unlike(join('', $pi->mail('other')), qr/^Subject: gone/m,
    'what a captured one says is delivered is lost, and that alone');
is($pi->stop, 0, 'stopped');
done_testing;
