#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What runs out comes back: disks for the queue, for mailboxes and for the log
# are filled and emptied, and each component in turn is left without
# descriptors and without memory.  Meanwhile mail may have to wait; what was
# answered with 250 arrives, whole, and all works again by itself.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use File::Temp ();
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless($> == 0 && $^O eq 'linux' && run(qw(unshare -m true)) eq '0',
    'needs root on Linux, and mount namespaces');
need_program('prlimit');

# The disks are memory, mounted where nobody else sees them.
if (!defined $ENV{POSTERN_DISKS}) {
	my $dir = File::Temp::tempdir('postern.disks.XXXXXX', DIR => '/tmp');
	chmod 0755, $dir;
	$ENV{POSTERN_DISKS} = $dir;
	exec 'unshare', '-m', '--propagation', 'private', $^X, $0;
}
my $dir = delete $ENV{POSTERN_DISKS};
Postern::Util::guard('dir', $dir);
for my $disk (['spool', '32m'], ['mail', '8m'], ['log', '1m']) {
	mkdir "$dir/$disk->[0]", 0755;
	is(scalar run('mount', '-t', 'tmpfs', '-o', "size=$disk->[1],mode=755",
	    'none', "$dir/$disk->[0]"), 0, "a disk of $disk->[1]") or
	    BAIL_OUT('no tmpfs');
}

my $sink = Postern::Sink->start(no_data => 1);
my $pi = Postern::Instance->new(dir => $dir, ipv6 => 0, main => {
	relayhost => $sink->nexthop, smtpd_peername_lookup => 'no',
	message_size_limit => 1000000, smtpd_error_sleep_time => '0s',
	minimal_backoff_time => '1s', maximal_backoff_time => '1s',
	queue_run_delay => '1s', transport_retry_time => '1s',
    });
$pi->start;

my $number = 0;
my (%acked, %size);
# Send a numbered message to a mailbox; the reply.
sub post
{
	my ($size, %m) = @_;
	my $n = ++$number;
	my $r = $pi->send(data => "Subject: n\nX-Number: $n.\n\n" .
	    ('x' x 70 . "\n") x (($size // 1000) / 71), timeout => 5, %m);

	if ($r->{code} == 250) {
		$acked{$n} = 1;
		$size{$n} = $size // 1000;
	}
	return $r;
}

# Wait until all that was acknowledged is there.
sub all_there
{
	my ($name, $seconds) = @_;
	my (%there, @missing);

	wait_until(sub {
		%there = ();
		for my $text ($pi->mail('user')) {
			$there{$1} = length $text if
			    $text =~ /^X-Number: (\d+)\.$/m;
		}
		@missing = grep { !$there{$_} } keys %acked;
		return !@missing;
	}, $seconds // 30);
	is(scalar @missing, 0, "$name: all that was taken arrives") or
	    diag join "\n", "missing: @missing", ($pi->cmd('mailq'))[1],
	    (reverse((reverse $pi->log)[0 .. 20]));
	my @torn = grep { $there{$_} < $size{$_} - 71 } grep { $acked{$_} }
	    keys %there;
	is(scalar @torn, 0, "$name: and is whole");
}

# Fill a disk up to so many kilobytes; empty() undoes it.
sub fill
{
	my ($disk, $leave) = @_;

	open my $f, '>>', "$dir/$disk/filler" or die;
	my $block = "\xff" x 4096;
	1 while syswrite $f, $block;
	my $size = -s $f;
	truncate $f, $size > $leave * 1024 ? $size - $leave * 1024 : 0;
	close $f;
}
sub empty { unlink "$dir/$_[0]/filler"; }

# --- the disk of the queue ----------------------------------------------------
is(post()->{code}, 250, 'all is well');
$sink->rule(rcpt => '450 4.2.0 later');
my $waits = $pi->send(to => 'far@far.example');
ok($pi->wait_log(qr/$waits->{id}: to=.*status=deferred/), 'a message waits');
for my $leave (100, 0) {
	fill('spool', $leave);
	my $r = wait_until(sub {
		my $r = post();
		return $r->{code} != 250 ? $r : 0;
	}, 10) || { code => 0, text => 'still 250' };
	is("$r->{code} $r->{enhanced}", '452 4.3.1',
	    "$leave kB left: $r->{text}");
	my ($status) = $pi->cmd('sendmail', 'user@test.example',
	    { input => "Subject: x\n\nx\n" });
	isnt($status, 0, 'sendmail cannot post') if $leave == 0;
	is(($pi->cmd('postqueue', '-j'))[0], 0, 'the queue can be looked at');
	ok(pid_alive($pi->main_pid), 'the mail system lives');
	empty('spool');
	ok(wait_until(sub { post()->{code} == 250 }, 10),
	    'when there is space again, mail is taken again');
}
$sink->clear;
is(scalar $sink->wait(1, 15), 1, 'what waited is delivered');
all_there('the queue\'s disk');
# No names left instead of no space: as many as the disk has.
is(scalar run('mount', '-o', 'remount,nr_inodes=60', "$dir/spool"), 0,
    'few names on the disk');
$sink->rule(rcpt => '450 4.2.0 later');
my %kept;
for (1 .. 80) {
	my $r = $pi->send(to => "f$_\@far.example", timeout => 5);
	$kept{"f$_\@far.example"} = 1 if $r->{code} == 250;
}
sleep 2;
ok(pid_alive($pi->main_pid), 'the mail system lives');
run('mount', '-o', 'remount,nr_inodes=100000', "$dir/spool");
$sink->clear;
ok(wait_until(sub {
	my %got = map { $_->{to}[0] => 1 } $sink->messages;
	return !grep { !$got{$_} } keys %kept;
}, 20), 'all ' . keys(%kept) . ' that were taken go out') or
    diag +($pi->cmd('mailq'))[1];
ok(wait_until(sub { post()->{code} == 250 }, 10), 'and mail is taken');

# --- the disk of the mailboxes ------------------------------------------------
fill('mail', 20);
post(100000) for 1 .. 5;
ok($pi->wait_log(qr/status=deferred \(.*(?:space|quota|full)/i),
    'a full mailbox disk: mail waits') or
    diag join "\n", $pi->grep_log(qr/virtual\[/);
ok(!$pi->grep_log(qr/status=bounced/), 'and is not returned');
is(() = glob("$dir/mail/user/tmp/*"), 0, 'nothing half-written stays');
empty('mail');
all_there('the mailboxes\' disk');

# --- the disk of the log ------------------------------------------------------
fill('log', 0);
is(post()->{code}, 250, 'a full log disk: mail is taken') for 1 .. 5;
all_there('the log\'s disk');
empty('log');
post();
ok($pi->wait_log(qr/status=sent/), 'the log goes on');

# --- descriptors, memory ------------------------------------------------------
my @components = qw(gate smtpd cleanup rewrite lookup qmgr virtual mailbox smtp
    dns bounce local pickup control logd);
# The limits of a process: now, and at most.
sub limits
{
	my ($pid, $what) = @_;
	my $line = $what eq 'nofile' ? 'Max open files' : 'Max address space';

	return slurp("/proc/$pid/limits") =~ /^$line\s+(\S+)\s+(\S+)/m;
}

# Set them, as the user that the process is: that needs no privilege.
sub limit
{
	my ($pid, $what, $now, $most) = @_;
	my $status = slurp("/proc/$pid/status", 1) // return 0;
	my ($uid) = $status =~ /^Uid:\s+(\d+)/m;
	my ($gid) = $status =~ /^Gid:\s+(\d+)/m;

	return run('setpriv', "--reuid=$uid", "--regid=$gid", '--clear-groups',
	    'prlimit', "--pid=$pid", "--$what=$now:$most") eq '0';
}

for my $what ('nofile', 'as') {
	for my $name (@components) {
		my ($pid) = $pi->component($name) or next;
		my ($old, $most) = limits($pid, $what);
		my $low;

		if ($what eq 'nofile') {
			# As many as it has, and one.
			my @fds = glob "/proc/$pid/fd/*";
			my ($top) = sort { $b <=> $a } map { /(\d+)$/ } @fds;
			$low = $top + 2;
		} else {
			my ($kb) = slurp("/proc/$pid/status") =~
			    /^VmSize:\s+(\d+)/m;
			$low = ($kb + 64) * 1024;
		}
		ok(limit($pid, $what, $low, $most), "$name: $what is $low") or
		    next;
		my @clients = grep { defined } map {
		    $pi->smtp(no_banner => 1) } 1 .. 5;
		my %codes;
		$codes{post(20000)->{code}}++ for 1 .. 4;
		$_->close for @clients;
		ok(!grep({ $_ && !/^[24]/ } keys %codes),
		    "$name without $what: mail is taken or put off (" .
		    join(', ', map { "$_: $codes{$_}" } sort keys %codes) .
		    ')');
		# Bound to this process, or a new one.
		limit($pid, $what, $old, $most) if pid_alive($pid);
		ok(wait_until(sub { post()->{code} == 250 }, 20),
		    "$name has $what again: mail is taken") or
		    diag join "\n", (reverse((reverse $pi->log)[0 .. 9]));
	}
	all_there("without $what", 60);
}
ok($pi->wait_empty(20), 'the queue is empty') or
    diag +($pi->cmd('mailq'))[1];
is($pi->stop, 0, 'stopped');
run('umount', "$dir/$_") for qw(spool mail log);
done_testing;
