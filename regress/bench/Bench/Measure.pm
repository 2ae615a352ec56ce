# SPDX-License-Identifier: ISC
#
# Bench::Measure - one run: load, the moment the last message is there, and
# what all processes of the server have used meanwhile, from /proc.
package Bench::Measure;

use strict;
use warnings;
use POSIX ();
use Time::HiRes qw(time sleep);

use Postern::Peers;
use Postern::SMTP;
use Postern::Sink;
use Postern::Util qw(:all);

my $tick = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# --- what processes have used -----------------------------------------------

# CPU seconds of these processes and of their children that are gone.
sub cpu_seconds
{
	my $sum = 0;

	for my $pid (@_) {
		my $stat = slurp("/proc/$pid/stat", 1) // next;
		$stat =~ s/^\d+ \(.*\) //s or next;
		my @f = split ' ', $stat;
		$sum += $f[$_] for 11 .. 14;
	}
	return $sum / $tick;
}

sub switches
{
	my %n;

	for my $pid (@_) {
		my $sum = 0;
		for my $task (glob "/proc/$pid/task/*/status") {
			my $status = slurp($task, 1) // next;
			$sum += $_ for $status =~ /ctxt_switches:\s+(\d+)/g;
		}
		$n{$pid} = $sum;
	}
	return \%n;
}

# Memory in KB: resident, and with shared pages divided (PSS).
sub memory
{
	my ($rss, $pss) = (0, 0);

	for my $pid (@_) {
		my $roll = slurp("/proc/$pid/smaps_rollup", 1) // next;
		$rss += $1 if $roll =~ /^Rss:\s+(\d+)/m;
		$pss += $1 if $roll =~ /^Pss:\s+(\d+)/m;
	}
	return ($rss, $pss);
}

# Flushes of the disk's cache, machine wide, that the folder lies on.
sub flushes
{
	my ($dir) = @_;
	my $dev = (stat $dir)[6];
	my $sys = sprintf '/sys/dev/block/%d:%d', ($dev >> 8) & 0xfff,
	    ($dev & 0xff) | (($dev >> 12) & 0xfff00);

	$sys .= '/..' if -e "$sys/partition";
	my $stat = slurp("$sys/stat", 1) // return undef;
	return (split ' ', $stat)[15];
}

# A process that looks at the server four times a second, because what a
# process used is gone with it; memory once a second.
sub watch
{
	my ($main) = @_;
	my $first = switches($main, descendants($main));

	pipe(my $stop_rd, my $stop_wr) or die "pipe: $!";
	pipe(my $out_rd, my $out_wr) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		in_child();
		close $stop_wr;
		close $out_rd;
		my ($last, $rss, $pss, $round) = ({ %$first }, 0, 0, 0);
		my $end = 0;
		until ($end) {
			$end = IO::Select->new($stop_rd)->can_read(0.25);
			my @all = ($main, descendants($main));
			$last = { %$last, %{ switches(@all) } };
			next if $round++ % 4 && !$end;
			my ($r, $p) = memory(@all);
			$rss = $r if $r > $rss;
			$pss = $p if $p > $pss;
		}
		my $sum = 0;
		$sum += $last->{$_} - ($first->{$_} // 0) for keys %$last;
		print $out_wr "$sum $rss $pss ", scalar(keys %$last), "\n";
		close $out_wr;
		POSIX::_exit(0);
	}
	close $stop_rd;
	close $out_wr;
	return { pid => $pid, stop => $stop_wr, out => $out_rd };
}

sub watched
{
	my ($w) = @_;

	close $w->{stop};
	my $line = readline $w->{out};
	waitpid $w->{pid}, 0;
	return split ' ', $line;
}

# --- load -------------------------------------------------------------------

sub count_files
{
	my ($dir) = @_;
	my $n = 0;

	opendir my $dh, $dir or return 0;
	while (defined(my $f = readdir $dh)) {
		$n++ unless $f =~ /^\./;
	}
	return $n;
}

# When the last file got its name: the newest change time.
sub last_arrival
{
	my ($dir) = @_;
	my $last = 0;

	opendir my $dh, $dir or return 0;
	while (defined(my $f = readdir $dh)) {
		next if $f =~ /^\./;
		my $t = (Time::HiRes::stat("$dir/$f"))[10] // 0;
		$last = $t if $t > $last;
	}
	return $last;
}

sub source
{
	my ($server, %k) = @_;
	my $per = $k{connect} eq 'kept' ? ['-d'] : [];
	my ($status, $out, $err) = Postern::Peers::source(timeout => 600,
	    options => [@$per, '-s', $k{sessions}, '-m', $k{n}, '-l',
	    $k{size}, '-f', 'sender@client.example', '-t', $server->rcpt],
	    to => '127.0.0.1:' . $server->port);

	$status eq '0' or die $server->name .
	    ": smtp-source: $status $out$err\n" .
	    join "\n", (lines_of($server->log))[-5 .. -1], '';
}

# Load, and wait for the last message; the time it came, as far as known.
sub load_maildir
{
	my ($server, %k) = @_;
	my $before = count_files($server->maildir);

	source($server, %k);
	wait_until(sub {
		sleep 0.05;
		count_files($server->maildir) >= $before + $k{n};
	}, 300) or die sprintf "%s: only %d of %d messages arrived\n",
	    $server->name, count_files($server->maildir) - $before, $k{n};
	return last_arrival($server->maildir);
}

# The sink ends by itself with the last message.
sub load_relay
{
	my ($server, %k) = @_;
	my $sink = Postern::Sink->real(port => $k{sink_port},
	    options => ['-M', $k{n}, '-m', 1000], backlog => 1024);

	source($server, %k);
	my $end;
	wait_until(sub {
		waitpid $sink->{pid}, POSIX::WNOHANG();
		$end = time();
		!pid_alive($sink->{pid});
	}, 300) or die $server->name . ": messages did not all arrive\n" .
	    join "\n", (lines_of($server->log))[-5 .. -1], '';
	forget($sink->{pid});
	return $end;
}

sub prepare
{
	my ($class, %k) = @_;
	my $sink_port = free_port('127.0.0.1');
	my $server = $class->new(%k, sink => "127.0.0.1:$sink_port");
	my $load = $k{road} eq 'relay' ? \&load_relay : \&load_maildir;

	$server->start;
	# Warm: processes are started, tables are open.
	$load->($server, %k, sink_port => $sink_port, n => 50,
	    sessions => $k{sessions} > 20 ? 20 : $k{sessions});
	return ($server, sub { $load->($server, %k, sink_port => $sink_port) });
}

# One run on a fresh server.  Everything is for each message, except rate
# (messages a second) and memory (MB).
sub one_run
{
	my ($class, %k) = @_;
	my ($server, $load) = prepare($class, %k);

	POSIX::sync() if defined &POSIX::sync;
	sleep 0.5;
	my $main = $server->main_pid // die $server->name . ": no process\n";
	my $cpu = cpu_seconds($server->pids);
	my $flush = flushes($k{work});
	my $watch = watch($main);
	my $start = time();
	my $end = $load->();
	# What is left to do for these messages is theirs as well.
	sleep 0.3;
	my ($switches, $rss, $pss, $processes) = watched($watch);
	my $flushed = flushes($k{work});
	$cpu = cpu_seconds($server->pids) - $cpu;
	$server->stop;
	return { rate => $k{n} / ($end - $start), cpu_ms => 1000 * $cpu / $k{n},
	    switches => $switches / $k{n}, rss_mb => $rss / 1024,
	    pss_mb => $pss / 1024, processes => $processes,
	    defined $flush ? (flushes => ($flushed - $flush) / $k{n}) : () };
}

# System calls a message, by strace: slow, so nothing is timed.
sub traced
{
	my ($class, %k) = @_;
	my ($server, $load) = prepare($class, %k);
	my $out = "$k{work}/strace." . $server->name;

	unlink $out;
	my $strace = spawn(which('strace'), '-f', '-c', '-q', '-o', $out,
	    map { ('-p', $_) } $server->pids);
	sleep 2;
	$load->();
	sleep 0.5;
	kill 'INT', $strace;
	wait_until(sub { waitpid $strace, POSIX::WNOHANG();
	    !pid_alive($strace) }, 20);
	$server->stop;
	my ($all, $sync) = (0, 0);
	my %top;
	for my $line (lines_of($out)) {
		my ($n, $name) = $line =~
		    /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/ or
		    next;
		next if $name eq 'total';
		$all += $n;
		$top{$name} = $n / $k{n};
		$sync += $n if $name =~ /^(?:fsync|fdatasync|sync_file_range|syncfs)$/;
	}
	return { calls => $all / $k{n}, barriers => $sync / $k{n},
	    by_call => \%top };
}

1;
