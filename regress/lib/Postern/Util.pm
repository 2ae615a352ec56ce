# SPDX-License-Identifier: ISC
#
# Postern::Util - what every test needs: temporary folders and child
# processes that are gone afterwards however the test ends, commands run
# with a deadline, free ports, waiting for a condition.
#
# Whatever a test starts or creates is made known to a guardian, a small
# process that waits on a pipe.  When the test is done, or has been killed
# with SIGKILL, the pipe closes and the guardian clears up.
package Postern::Util;

use strict;
use warnings;
use Carp qw(croak);
use Cwd qw(abs_path);
use Errno qw(EINTR);
use Exporter qw(import);
use Fcntl qw(F_GETFD F_SETFD FD_CLOEXEC);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp ();
use IO::Select;
use IO::Socket::IP;
use POSIX qw(WNOHANG _exit setsid);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(top build_dir temp_dir run spawn guard_pid guard_tree
    forget wait_until free_port free_address slurp spew lines_of descendants
    pid_alive kill_and_wait which need_root need_program skip_unless
    have_ipv6 new_token pids_with_token in_child identity);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

my $owner = $$;         # only the test itself clears up, not its children
my $guardian;           # pid
my $guard_pipe;         # write end
my %guarded;            # line sent to the guardian => 1

sub top
{
	return abs_path(dirname(__FILE__) . '/../../..');
}

# Where make has put things: $POSTERN_BUILD, or build/ of this tree.
sub build_dir
{
	return $ENV{POSTERN_BUILD} if defined $ENV{POSTERN_BUILD} &&
	    $ENV{POSTERN_BUILD} =~ m{^/};
	return top() . '/' . ($ENV{POSTERN_BUILD} // 'build');
}

# --- the guardian -----------------------------------------------------------

sub guardian_start
{
	return if defined $guardian && kill 0, $guardian;
	pipe(my $rd, my $wr) or croak "pipe: $!";
	my $pid = fork() // croak "fork: $!";
	if ($pid == 0) {
		close $wr;
		setsid();
		$SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
		# The test's output must see its end when the test ends.
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null' unless $ENV{POSTERN_DEBUG};
		guardian_run($rd);
		_exit(0);
	}
	close $rd;
	my $old = select $wr;
	$| = 1;
	select $old;
	fcntl $wr, F_SETFD, FD_CLOEXEC;
	($guardian, $guard_pipe) = ($pid, $wr);
}

sub guardian_run
{
	my ($rd) = @_;
	my (%pid, %dir, %tree, %token);

	while (defined(my $line = <$rd>)) {
		chomp $line;
		my ($add, $kind, $what) = $line =~ /^([+-])(\w+) (.*)$/ or next;
		my $set = $kind eq 'pid' ? \%pid : $kind eq 'dir' ? \%dir :
		    $kind eq 'tree' ? \%tree : \%token;
		$add eq '+' ? ($set->{$what} = 1) : delete $set->{$what};
	}
	# Numbers come round: what has ended in the meantime may be somebody
	# else by now.
	my @tree = grep { pid_alive($_) } keys %tree;
	kill_and_wait([keys %pid, map { ($_, descendants($_)) } @tree]);
	kill_and_wait([pids_with_token($_)]) for keys %token;
	for my $dir (keys %dir) {
		remove_tree($dir, { safe => 0, error => \my $ignored });
	}
}

sub guard
{
	my ($kind, $what) = @_;

	guardian_start();
	print $guard_pipe "+$kind $what\n";
	$guarded{"$kind $what"} = 1;
}

# guard_pid(PID): kill it at the end.  guard_tree(PID): and its descendants.
sub guard_pid { guard('pid', identity($_[0]) // return); }
sub guard_tree { guard('tree', identity($_[0]) // return); }

# forget(PID or folder): it has gone, or somebody else looks after it.
sub forget
{
	my ($what) = @_;

	for my $key (grep { /^\w+ \Q$what\E(?:@|$)/ } keys %guarded) {
		delete $guarded{$key};
		next unless defined fileno $guard_pipe;
		print $guard_pipe "-$key\n";
	}
}

# A child that goes on in Perl calls this first: the guardian must not wait
# for it.
sub in_child
{
	close $guard_pipe if defined $guard_pipe;
	undef $guard_pipe;
	%guarded = ();
}

END {
	if ($$ == $owner && defined $guard_pipe) {
		my $status = $?;
		close $guard_pipe;
		waitpid $guardian, 0;
		$? = $status;
	}
}

# --- processes --------------------------------------------------------------

# A process id with the time it started, which together are never used twice.
# Wherever a process id is taken, this is taken too.
sub identity
{
	my ($pid) = @_;

	return $pid if $pid =~ /@/;
	my $stat = slurp("/proc/$pid/stat", 1);
	return -d '/proc/self' ? undef : "$pid\@" unless defined $stat;
	$stat =~ s/^\d+ \(.*\) //s;
	return "$pid\@" . (split ' ', $stat)[19];
}

sub pid_alive
{
	my ($pid, $start) = split /@/, $_[0];
	my $stat = slurp("/proc/$pid/stat", 1);

	return kill(0, $pid) || $!{EPERM} ? 1 : 0 unless -d '/proc/self';
	return 0 unless defined $stat && length $stat;
	return 0 if $stat =~ /\) [ZX] /;
	return 1 unless defined $start && length $start;
	return identity($pid) eq join("@", $pid, $start) ? 1 : 0;
}

# Every process that descends from PID, from /proc.
sub descendants
{
	my ($root) = split /@/, $_[0];
	my %children;

	for my $dir (glob '/proc/[0-9]*') {
		my $stat = slurp("$dir/stat", 1) // next;
		my ($pid, $ppid) = $stat =~ /^(\d+) \(.*\) \S (\d+)/s or next;
		push @{ $children{$ppid} }, $pid;
	}
	my @found;
	my @todo = ($root);
	while (defined(my $p = shift @todo)) {
		push @found, @{ $children{$p} // [] };
		push @todo, @{ $children{$p} // [] };
	}
	return @found;
}

# A token is put into the environment of what an instance starts, so that
# its processes can be found again even when their parent is dead.
sub new_token
{
	my $token = sprintf 'POSTERN_TEST=%d.%d.%08x', $$, time(),
	    int rand 2 ** 32;
	guard('token', $token);
	return $token;
}

sub pids_with_token
{
	my ($token) = @_;
	my @found;

	for my $dir (glob '/proc/[0-9]*') {
		my ($pid) = $dir =~ /(\d+)$/;
		next if $pid == $$;
		my $env = slurp("$dir/environ", 1) // next;
		next unless index("\0$env\0", "\0$token\0") >= 0;
		push @found, $pid, descendants($pid);
	}
	my %seen;
	return grep { !$seen{$_}++ } @found;
}

# SIGKILL, and wait until they are really gone.
sub kill_and_wait
{
	my ($pids, $seconds) = @_;
	my @who = grep { defined } map { identity($_) } @$pids;

	for my $who (@who) {
		kill 'KILL', (split /@/, $who)[0] if pid_alive($who);
	}
	return wait_until(sub {
		for my $who (@who) {
			waitpid +(split /@/, $who)[0], WNOHANG;
			return 0 if pid_alive($who);
		}
		return 1;
	}, $seconds // 10);
}

# spawn(CMD ..., { dir, env => {}, stdin, stdout, stderr }): start a program in the
# background, guarded with all its descendants.  Output goes to files.
sub spawn
{
	my $opt = ref $_[-1] eq 'HASH' ? pop : {};
	my @cmd = @_;

	guardian_start();
	my $pid = fork() // croak "fork: $!";
	if ($pid == 0) {
		chdir $opt->{dir} or _exit(126) if defined $opt->{dir};
		while (my ($k, $v) = each %{ $opt->{env} // {} }) {
			$ENV{$k} = $v;
		}
		open STDIN, '<', $opt->{stdin} // '/dev/null';
		open STDOUT, '>>', $opt->{stdout} // '/dev/null';
		if (defined $opt->{stderr}) {
			open STDERR, '>>', $opt->{stderr};
		} else {
			open STDERR, '>&', \*STDOUT;
		}
		no warnings 'exec';
		exec { $cmd[0] } @cmd or _exit(127);
	}
	guard_tree($pid);
	return $pid;
}

# run(CMD ..., { timeout, input, env, dir }): run to the end.  In list
# context (status, output, errors); status is the exit code, 128 + signal,
# or 'timeout'.  What the program leaves running does not hold us up:
# output goes to files, not pipes.
sub run
{
	my $opt = ref $_[-1] eq 'HASH' ? pop : {};
	my @cmd = @_;
	my $out = File::Temp->new;
	my $err = File::Temp->new;
	my $in;

	if (defined $opt->{input}) {
		$in = File::Temp->new;
		binmode $in;
		print $in $opt->{input};
		$in->flush;
	}
	my $pid = spawn(@cmd, { %$opt, stdin => $in ? "$in" : '/dev/null',
	    stdout => "$out", stderr => "$err" });
	my $status;
	my $done = wait_until(sub {
		my $p = waitpid $pid, WNOHANG;
		$status = $? if $p == $pid;
		return $p != 0;
	}, $opt->{timeout} // 60);
	if (!$done) {
		kill_and_wait([$pid, descendants($pid)]);
		$status = 'timeout';
	} elsif (defined $status) {
		$status = $status & 127 ? 128 + ($status & 127) : $status >> 8;
	}
	forget($pid);
	my @result = ($status, slurp("$out"), slurp("$err"));
	return wantarray ? @result : $status;
}

# wait_until(CODE, SECONDS): its first true answer, or the last false one.
sub wait_until
{
	my ($code, $seconds) = @_;
	my $end = time() + ($seconds // 10);
	my $pause = 0.002;

	while (1) {
		my $got = $code->();
		return $got if $got;
		return $got if time() >= $end;
		sleep $pause;
		$pause = $pause * 1.5 if $pause < 0.1;
	}
}

# --- files ------------------------------------------------------------------

sub temp_dir
{
	my ($name) = @_;
	my $base = $ENV{POSTERN_TMP} // $ENV{TMPDIR} // '/tmp';
	my $dir = File::Temp::tempdir(
	    'postern.' . ($name // 'test') . '.XXXXXX', DIR => $base);

	# Components under other user ids must be able to pass.
	chmod 0755, $dir;
	guard('dir', $dir) unless $ENV{POSTERN_KEEP};
	return $dir;
}

# slurp(FILE): all of it; with QUIET, undef when it cannot be read.
sub slurp
{
	my ($file, $quiet) = @_;

	open my $fh, '<', $file or do {
		return undef if $quiet;
		croak "$file: $!";
	};
	binmode $fh;
	local $/;
	return scalar(<$fh>) // '' unless $quiet;
	no warnings;
	return scalar <$fh>;
}

sub spew
{
	my ($file, @text) = @_;

	open my $fh, '>', $file or croak "$file: $!";
	binmode $fh;
	print $fh @text;
	close $fh or croak "$file: $!";
}

sub lines_of
{
	my ($file) = @_;

	my $text = slurp($file, 1) // return ();
	return split /\n/, $text;
}

# --- addresses --------------------------------------------------------------

my $port_seed;
my %handed_out;

sub port_is_free
{
	my ($addr, $port) = @_;

	my $s = IO::Socket::IP->new(LocalHost => $addr, LocalPort => $port,
	    Listen => 1, ReuseAddr => 1, Type => IO::Socket::SOCK_STREAM()) or
	    return 0;
	close $s;
	my $u = IO::Socket::IP->new(LocalHost => $addr, LocalPort => $port,
	    Proto => 'udp', Type => IO::Socket::SOCK_DGRAM()) or return 0;
	close $u;
	return 1;
}

# A port free for TCP and UDP on ADDR, below the range the kernel uses for
# outgoing connections, so that nobody gets it between now and the start.
sub free_port
{
	my ($addr) = @_;

	$addr //= '127.0.0.1';
	$port_seed //= ($$ * 7919 + int time()) % 20000;
	for (1 .. 2000) {
		my $port = 10000 + $port_seed++ % 20000;
		next if $handed_out{"$addr $port"};
		next unless port_is_free($addr, $port);
		$handed_out{"$addr $port"} = 1;
		return $port;
	}
	croak "no free port on $addr";
}

# A loopback address of this test's own where the system has all of
# 127.0.0.0/8 (Linux), so that tests in parallel cannot meet.
my $address_seed;

sub free_address
{
	return '127.0.0.1' unless $^O eq 'linux';
	$address_seed //= $$ * 8;
	my $n = $address_seed++;
	return sprintf '127.%d.%d.%d', 16 + ($n >> 14) % 200, ($n >> 7) % 128,
	    1 + $n % 128;
}

sub have_ipv6
{
	return port_is_free('::1', free_port('127.0.0.1'));
}

# --- what a test needs ------------------------------------------------------

sub which
{
	my ($name) = @_;

	for my $dir (build_dir() . '/bin', split(/:/, $ENV{PATH} // ''),
	    qw(/usr/sbin /sbin /usr/local/sbin /usr/local/bin)) {
		return "$dir/$name" if -x "$dir/$name" && !-d _;
	}
	return undef;
}

# skip_unless(CONDITION, REASON): skip the whole test file.
sub skip_unless
{
	my ($condition, $reason) = @_;

	return if $condition;
	print "1..0 # SKIP $reason\n";
	exit 0;
}

sub need_root
{
	skip_unless($> == 0, $_[0] // 'needs root');
}

sub need_program
{
	for my $name (@_) {
		skip_unless(defined which($name),
		    "$name is not installed (./setup check installs it)");
	}
}

1;
