#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The queue of a mail system that is stopped: listed, shown and changed by
# root, not by others; while it is being started; after a crash.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my $sink = Postern::Sink->start;
my $here = '[127.0.0.1]:' . $sink->port;
my $pi = Postern::Instance->new(main => {
    transport_maps => 'texthash:transport', relay_domains => 'site.example',
    minimal_backoff_time => '600s', maximal_backoff_time => '600s',
    queue_run_delay => '600s' });
$pi->file('transport', "site.example smtp:[127.0.0.1]:1\n");

sub as_nobody
{
	my ($name, @args) = @_;

	return run($^X, '-e', '$) = "65534 65534"; $( = 65534;' .
	    '$< = 65534; $> = 65534; exec @ARGV; exit 126',
	    build_dir() . "/bin/$name", @args,
	    { timeout => 60, env => { MAIL_CONFIG => $pi->etc } });
}

# The queue by JSON lines: id to object; the system is down all the time.
sub queue
{
	my ($status, $out, $err) = $pi->cmd('postqueue', '-j');
	my $json = JSON::PP->new->utf8;

	is($status, 0, 'postqueue -j') or diag $err;
	return map { $_->{queue_id} => $_ } map { $json->decode($_) }
	    split /\n/, $out;
}

sub told
{
	my ($want, @cmd) = @_;
	my ($status, $out, $err) = $pi->cmd(@cmd);

	is($status, 0, "@cmd: status") or diag $err;
	like("$out$err", $want, "@cmd: said") if defined $want;
	return $out;
}

my @id;

sub fill
{
	my ($n) = @_;

	@id = ();
	$pi->start;
	guard_pid($pi->main_pid);
	push @id, $pi->send(to => "u$_\@site.example", from => 'f@test.example',
	    data => "Subject: x\r\n\r\nnumber $_\r\n")->{id} for 1 .. $n;
	is(scalar(grep { defined } @id), $n, "$n messages are taken in");
	$pi->wait_log(qr/$id[-1]: to=.*status=deferred/);
}

# --- after an orderly stop --------------------------------------------------
fill(6);
is($pi->stop, 0, 'stopped');
my ($status, $out, $err) = $pi->cmd('postqueue', '-p');
is($status, 0, 'postqueue -p');
is($err, "postqueue: warning: Mail system is down -- accessing queue " .
    "directly\n", 'warns');
like($out, qr/^$_ .*f\@test\.example$/m, "has $_") for @id;
like($out, qr{Connection refused}, 'and why they wait');
like($out, qr/^-- \d+ Kbytes in 6 Requests\.$/m, 'and counts');
is($pi->main_pid, undef, 'nothing is left running');
is(scalar $pi->cmd('postfix', 'status'), 1, 'and nothing calls it running');
my %q = queue();
is(scalar(keys %q), 6, 'by JSON lines');
is($q{$id[0]}{queue_name}, 'deferred', 'state');

like(told(undef, 'postcat', '-q', $id[0]), qr/^number 1$/m, 'postcat -q');
like(told(undef, 'postcat', '-bq', $id[1]), qr/^number 2\n\z/m, 'postcat -b');
like(told(undef, 'postcat', '-eq', $id[1]), qr/u2\@site\.example/,
    'postcat -e');
like(told(undef, 'postcat', '-hq', $id[1]), qr/^Received: /m, 'postcat -h');
($status, $out, $err) = $pi->cmd('postcat', '-q', '4Yk3X12kNszBv');
isnt($status, 0, 'postcat -q of none');

told(qr/Deleted: 1 message\b/, 'postsuper', '-d', $id[0]);
told(qr/Placed on hold: 2 messages/, 'postsuper', '-h', $id[1], '-h', $id[2]);
%q = queue();
ok(!$q{$id[0]}, 'deleted');
is($q{$id[1]}{queue_name}, 'hold', 'on hold');
told(qr/Released from hold: 1 message\b/, 'postsuper', '-H', $id[1]);
($status, $out, $err) = $pi->cmd('postsuper', '-d', '-',
    { input => "$id[3]\n$id[4]\n" });
like($err, qr/Deleted: 2 messages/, 'ids from standard input');
told(undef, 'postsuper', '-s', '-p');
told(undef, 'postsuper');
%q = queue();
is_deeply([sort keys %q], [sort @id[1, 2, 5]], 'what is left');
told(qr/Deleted: 2 messages/, 'postsuper', '-d', 'ALL', 'deferred');
%q = queue();
is_deeply([keys %q], [$id[2]], 'what was on hold stays');
like(told(qr/not running/, 'mailctl', 'queue', 'list'), qr/$id[2] +hold/,
    'mailctl queue list');
is(scalar $pi->cmd('postqueue', '-f'), 69, 'nothing can be flushed');
is(scalar $pi->mailctl('queue', 'flush'), 1, 'with mailctl neither');

# --- who may ----------------------------------------------------------------
SKIP: {
	skip 'needs root', 8 unless $> == 0;
	($status, $out, $err) = as_nobody('postqueue', '-p');
	is($status, 69, 'nobody lists it: status');
	like($err, qr/^postqueue: fatal: Queue report unavailable - mail system is down/,
	    'and the words');
	is(scalar as_nobody('postqueue', '-j'), 69, 'nor as JSON');
	($status, $out, $err) = as_nobody('postsuper', '-d', 'ALL');
	is($status, 1, 'nobody changes it: status');
	like($err, qr/reserved for the superuser/, 'and the words');
	($status, $out, $err) = as_nobody('postcat', '-q', $id[2]);
	is($status, 1, 'nobody reads it: status');
	like($err, qr/Permission denied/, 'and the words');
	ok(!-S $pi->spool . '/public/control' ||
	    !IO::Socket::UNIX->new($pi->spool . '/public/control'),
	    'no socket for all answers');
}

# --- a start at the same moment ---------------------------------------------
my @kids;

for (1 .. 4) {
	my $kid = fork // die "fork: $!";

	if ($kid == 0) {
		my ($s, $o, $e) = $pi->cmd('postqueue', '-j');

		diag $e if $s ne '0';

		POSIX::_exit($s eq '0' && $o =~ /\Q$id[2]\E/ ? 0 : 1);
	}
	push @kids, $kid;
}
sleep 0.05;
($status, $out, $err) = $pi->cmd('postfix', 'start');
is($status, 0, 'started while its queue is being listed') or diag $err;
my $bad = 0;
for (@kids) {
	waitpid $_, 0;
	$bad += $? != 0;
}
is($bad, 0, 'and everybody had his list');
guard_pid($pi->main_pid);
told(qr/Released/, 'postsuper', '-H', $id[2]);
ok($pi->wait_log(qr/$id[2]: to=.*status=deferred/), 'mail goes on');

# --- after a crash: what is in the journal alone ----------------------------
my $r = $pi->send(to => 'late@site.example', data => "Subject: x\r\n\r\nnot lost\r\n");
is($r->{code}, 250, 'taken in');
$pi->kill_hard;
%q = queue();
ok($q{$r->{id}}, 'a message that has no file is listed after a crash');
like(told(undef, 'postcat', '-q', $r->{id}), qr/^not lost$/m, 'and shown');
told(qr/Placed on hold: 1 message\b/, 'postsuper', '-h', $r->{id});
told(qr/Deleted: 1 message\b/, 'postsuper', '-d', $id[2]);
%q = queue();
is_deeply([map { "$_ $q{$_}{queue_name}" } keys %q], ["$r->{id} hold"],
    'changes last');

# --- whoever gave the order is killed ---------------------------------------
my $kid = fork // die "fork: $!";
if ($kid == 0) {
	open STDOUT, '>', '/dev/null';
	open STDERR, '>', '/dev/null';
	my ($k, $v) = split /=/, $pi->{token}, 2;
	$ENV{$k} = $v;
	$ENV{MAIL_CONFIG} = $pi->etc;
	exec build_dir() . '/bin/postsuper', '-h', '-';
}
# It waits for its standard input; its launcher waits for it.
ok(wait_until(sub { $pi->component('launcher') }, 10), 'an order under way');
kill 'KILL', $kid;
waitpid $kid, 0;
ok(wait_until(sub { !$pi->pids }, 15), 'nothing outlives it');
%q = queue();
is(scalar(keys %q), 1, 'the next order works');

done_testing();
