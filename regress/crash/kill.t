#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Any component may be killed with SIGKILL at any moment under load, the
# broker and the launcher too: nothing that was answered with 250 is lost.
#
# Clients send numbered messages, each to a mailbox and to another server, and
# write down which were acknowledged, while random processes are killed.  In
# the end every acknowledged number must have arrived at both; it may have
# arrived twice.  POSTERN_KILLS says how many kills.
#
# A component that does not live long comes back later each time, so after some
# kills all is ended with one blow, and started again.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;
my $kills = $ENV{POSTERN_KILLS} // 80;
my $clients = 4;
my $round = 40;
my $sink = Postern::Sink->start(no_data => 1);
my $pi = Postern::Instance->new(main => {
	minimal_backoff_time => '1s', maximal_backoff_time => '2s',
	queue_run_delay => '1s', transport_retry_time => '1s',
	relayhost => $sink->nexthop, smtpd_peername_lookup => 'no' });
$pi->start;

# --- clients ------------------------------------------------------------------

# One message; true when it was acknowledged.
sub send_one
{
	my ($number) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => $pi->address,
	    PeerPort => $pi->port, Timeout => 5) or return 0;
	my $reply = sub {
		while (defined(my $line = <$s>)) {
			return $1 if $line =~ /^(\d)\d\d /;
		}
		return 0;
	};
	local $SIG{ALRM} = sub { die "slow\n" };
	local $SIG{PIPE} = 'IGNORE';
	my $ok = eval {
		alarm 20;
		$reply->() == 2 or die "banner\n";
		for my $line ('EHLO client.test',
		    'MAIL FROM:<sender@test.example>',
		    'RCPT TO:<user@test.example>',
		    "RCPT TO:<$number\@relay.example>") {
			print $s "$line\r\n";
			$reply->() == 2 or die "$line\n";
		}
		print $s "DATA\r\n";
		$reply->() == 3 or die "data\n";
		print $s "Subject: kill test\r\nX-Number: $number\r\n\r\n",
		    "Line.\r\n" x 100, ".\r\n";
		$reply->() == 2 or die "dot\n";
		print $s "QUIT\r\n";
		1;
	};
	alarm 0;
	return $ok ? 1 : 0;
}

my @pids;
for my $n (1 .. $clients) {
	my $pid = fork // die;
	if ($pid == 0) {
		my $stop = 0;
		my $i = 0;
		open my $log, '>', $pi->dir . "/acked.$n" or die;
		$log->autoflush(1);
		$SIG{TERM} = sub { $stop = 1 };
		while (!$stop) {
			$i++;
			if (send_one("$n-$i")) {
				print $log "$n-$i\n";
			} else {
				sleep 0.02;
			}
		}
		POSIX::_exit(0);
	}
	push @pids, $pid;
}

# --- kills --------------------------------------------------------------------

sub launcher
{
	my $text = eval { slurp($pi->spool . '/pid/master.pid') } // '';
	return $text =~ /(\d+)/ ? $1 : 0;
}

# pid => component, of everything the launcher has made.
sub processes
{
	my $launcher = launcher() or return;
	my %by;

	for my $dir (glob '/proc/[0-9]*') {
		open my $f, '<', "$dir/stat" or next;
		my $stat = <$f> // next;
		$stat =~ /^(\d+) \((.*?)\) (\S) (\d+)/ or next;
		$by{$1} = $2 if $4 == $launcher && $3 ne 'Z';
	}
	return %by;
}

my (%killed, @restarts);
my $done = 0;
while ($done < $kills) {
	my $broker = 0;
	my $until = time + 15;
	my $end = $done + $round < $kills ? $done + $round : $kills;

	while ($done < $end && time < $until) {
		my %by = processes();
		my @pick = sort { $a <=> $b } keys %by;
		sleep 0.02 + rand(0.15);
		next unless @pick;
		my $pid = $pick[int rand @pick];
		my $name = $by{$pid};
		# The broker takes everybody with it: seldom.
		next if $name eq 'broker' &&
		    (rand() > 0.3 || $broker++ >= 2);
		kill 'KILL', $pid and $killed{$name}++, $done++;
	}
	# And the whole system, as the machine's own fate would.
	kill 'KILL', launcher() and $killed{launcher}++, $done++;
	wait_until(sub { !processes() }, 20);
	push @restarts, scalar $pi->try_start;
}
is(scalar(grep { $_ ne '0' } @restarts), 0,
    scalar(@restarts) . ' times it starts again after an unclean end');
sleep 2;
kill 'TERM', $_ for @pids;
waitpid $_, 0 for @pids;

my %acked;
for my $n (1 .. $clients) {
	open my $f, '<', $pi->dir . "/acked.$n" or die;
	while (<$f>) {
		chomp;
		$acked{$_} = 1;
	}
}
note 'killed: ', join ', ', map { "$_ $killed{$_}" } sort keys %killed;
cmp_ok(scalar keys %acked, '>', 50, 'messages were acknowledged');

# --- count --------------------------------------------------------------------

sub arrived
{
	my %n;
	for my $file (glob $pi->dir . '/mail/user/new/*') {
		my $text = eval { slurp($file) } // next;
		$n{$1}++ if $text =~ /^X-Number: (\S+)$/m;
	}
	return %n;
}

my $until = time + 90;
my (%arrived, %relayed, @missing);
do {
	sleep 0.5;
	%arrived = arrived();
	%relayed = ();
	$relayed{$_->{to}[0] =~ s/@.*//r}++ for $sink->messages;
	@missing = grep { !$arrived{$_} || !$relayed{$_} } keys %acked;
} while (@missing && time < $until);
is(scalar @missing, 0, 'every acknowledged message arrived')
    or diag join "\n", map({ "$_ @{[ $arrived{$_} // 0 ]} " .
    ($relayed{$_} // 0) } (sort @missing)[0 .. 9]),
    ($pi->cmd('mailq'))[1], (reverse((reverse $pi->log)[0 .. 30]));
my $twice = grep { $_ > 1 } values %arrived, values %relayed;
my $extra = grep { !$acked{$_} } keys %arrived;
note sprintf '%d kills, %d acknowledged, %d arrived, %d deliveries twice, '
    . '%d not acknowledged', $done, scalar keys %acked,
    scalar keys %arrived, $twice, $extra;
my @partial = grep { -s $_ < 600 } glob $pi->dir . '/mail/user/new/*';
is(scalar @partial, 0, 'no message is partial');
is($pi->stop, 0, 'stops');
done_testing;
