#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Orders on waiting mail that last: requeued mail passes cleanup again, what is
# expired comes back, what is held stays; over stops and crashes.  Files in
# maildrop.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(main => {
    transport_maps => 'texthash:transport',
    relay_domains => 'old.example, dead.example',
    virtual_alias_maps => 'texthash:virtual',
    minimal_backoff_time => '600s', maximal_backoff_time => '600s',
    queue_run_delay => '600s' });
$pi->file('transport', map { "$_.example smtp:[127.0.0.1]:1\n" }
    qw(old dead));
$pi->file('virtual', '');

sub told
{
	my ($want, @cmd) = @_;
	my ($status, $out, $err) = $pi->cmd(@cmd);

	is($status, 0, "@cmd: status") or diag $err;
	like("$out$err", $want, "@cmd: said") if defined $want;
	return $out;
}

sub queue
{
	my ($status, $out, $err) = $pi->cmd('postqueue', '-j');
	my $json = JSON::PP->new->utf8;

	is($status, 0, 'postqueue -j') or diag $err;
	return map { $_->{queue_id} => $_ } map { $json->decode($_) }
	    split /\n/, $out;
}

# A message that cannot be delivered now: its id.
sub wait_there
{
	my (%m) = @_;
	my $r = $pi->send(from => 'other@test.example', %m);

	is($r->{code}, 250, 'taken in') or diag $r->{text};
	$pi->wait_log(qr/$r->{id}: to=.*status=deferred/) or
	    fail("$r->{id} waits");
	return $r->{id};
}

sub headers
{
	my ($mail, $name) = @_;
	my ($head) = split /\n\n/, $mail, 2;
	my @found = $head =~ /^\Q$name\E:/gmi;

	return scalar @found;
}

# --- requeue ----------------------------------------------------------------
$pi->start;
guard_pid($pi->main_pid);
my $id = wait_there(to => ['a@old.example', 'user@test.example'],
    data => "Subject: first\n\none\n");
is(scalar(my @m = $pi->wait_mail('user')), 1, 'one recipient has it');
$pi->file('virtual', "a\@old.example user\@test.example\n" .
    "b\@old.example user\@test.example\n");
$pi->reload;
told(qr/Requeued: 1 message\b/, 'postsuper', '-r', $id);
ok($pi->wait_log(qr/: uid=0 from=<other\@test\.example> orig_id=$id$/),
    'it has a new id');
ok($pi->wait_log(qr/$id: removed/), 'the old one is gone');
@m = $pi->wait_mail('user', 2);
is(scalar @m, 2, 'the other one is delivered where the new map says')
    or diag join "\n", $pi->log;
my ($again) = grep { /^X-Original-To: a\@old\.example$/m } @m;
ok($again, 'as what it was sent to');
is(headers($again // '', $_), 1, "$_ once")
    for qw(Received Message-Id Date From Subject Return-Path);
is_deeply({ queue() }, {}, 'nothing is left');

# A large one, which is a file from the beginning; while the system is down.
my $big = "Subject: big\n\n" . ("x" x 70 . "\n") x 30000;
$pi->file('virtual', '');
$pi->reload;
$id = wait_there(to => 'b@old.example', data => $big);
my $held = wait_there(to => 'b@old.example', data => "Subject: held\n\nh\n");
told(qr/Placed on hold: 1/, 'postsuper', '-h', $held);
is($pi->stop, 0, 'stopped');
$pi->file('virtual', "b\@old.example user\@test.example\n");
told(qr/Requeued: 2 messages/, 'postsuper', '-r', 'ALL');
$pi->kill_hard;
$pi->start;
guard_pid($pi->main_pid);
@m = $pi->wait_mail('user', 4);
is(scalar @m, 4, 'requeued while stopped: delivered after the start')
    or diag join "\n", $pi->log;
my ($b) = grep { /^Subject: big$/m } @m;
is(length(($b // '') =~ s/.*?\n\n//sr), 71 * 30000, 'whole');
is(headers($b // '', 'Received'), 1, 'and with one Received');

# --- what cleanup does not want any more --------------------------------------
$id = wait_there(to => 'x@dead.example', data => "Subject: too much now\n\n" .
    ("x" x 70 . "\n") x 100);
$pi->set(message_size_limit => 4000);
$pi->reload;
told(qr/Requeued: 1 message\b/, 'postsuper', '-r', $id);
ok($pi->wait_log(qr/$id: cannot be requeued now: /), 'it stays as it was');
told(qr/Force-expired: 1 message/, 'postsuper', '-e', $id);
told(undef, 'postqueue', '-i', $id);
ok($pi->wait_log(qr/$id: from=.*status=expired, returned to sender/),
    'what is to expire is not requeued for ever');
$pi->wait_mail('other', 1);
unlink $pi->mail_files('other');
$pi->set(message_size_limit => 10240000);
$pi->reload;

# --- expire -----------------------------------------------------------------
$id = wait_there(to => 'x@dead.example', data => "Subject: late\n\nl\n");
$held = wait_there(to => 'y@dead.example', data => "Subject: kept\n\nk\n");
told(qr/Placed on hold: 1/, 'postsuper', '-h', $held);
$pi->stop;
told(qr/Force-expired: 2 messages/, 'postsuper', '-e', $id, '-e', $held);
my %q = queue();
is($q{$id}{forced_expire}, JSON::PP::true, 'shown as expired, stopped');
like(told(undef, 'postqueue', '-p'), qr/^$id#/m, 'by mailq, too');
like(told(undef, 'postcat', '-eq', $id), qr/event: .* order expire/,
    'it is on record');
$pi->start;
guard_pid($pi->main_pid);
ok($pi->wait_log(qr/$id: from=<other\@test\.example>, status=expired, returned to sender/),
    'returned after the start');
@m = $pi->wait_mail('other', 1);
like($m[0] // '', qr/x\@dead\.example/, 'its sender hears of it');
%q = queue();
is_deeply([map { "$q{$_}{queue_name} $q{$_}{forced_expire}" } keys %q],
    ['hold 1'], 'what is on hold stays there, expired');
$pi->kill_hard;
$pi->start;
guard_pid($pi->main_pid);
%q = queue();
is($q{$held}{queue_name}, 'hold', 'over a crash');
told(qr/Released from hold: 1/, 'postsuper', '-H', $held);
ok($pi->wait_log(qr/$held: from=<other\@test\.example>, status=expired/),
    'released, it is returned');
ok($pi->wait_empty, 'the queue is empty');

# --- maildrop ---------------------------------------------------------------
$pi->stop;
for my $n (1 .. 3) {
	my ($status, $out, $err) = $pi->cmd('sendmail', '-f',
	    'other@test.example', 'user@test.example',
	    { input => "Subject: drop $n\n\nd\n" });
	is($status, 0, 'left in maildrop') or diag $err;
}
%q = queue();
is(scalar(grep { $_->{queue_name} eq 'maildrop' } values %q), 3,
    'files in maildrop are listed');
my ($one, @others) = sort keys %q;
is($q{$one}{sender}, (getpwuid $>)[0], 'as their owner\'s');
like(told(undef, 'postqueue', '-p'), qr/^\Q$one\E /m, 'by mailq, too');
told(qr/Deleted: 1 message\b/, 'postsuper', '-d', $one);
%q = queue();
is_deeply([sort keys %q], [@others], 'one is removed');
my ($status, $out, $err) = $pi->cmd('postsuper', '-d', '../etc/main.cf');
like($err, qr/invalid mail queue id/, 'a path is no id');
ok(-e $pi->etc . '/main.cf', 'and nothing is lost');
told(undef, 'postsuper', '-d', 'ALL');
%q = queue();
is(scalar(keys %q), 2, 'ALL means the queues without maildrop');
told(qr/Deleted: 2 messages/, 'postsuper', '-d', 'ALL', 'maildrop');
is_deeply({ queue() }, {}, 'unless it is named');

done_testing();
