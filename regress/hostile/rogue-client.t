#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Local users against control's socket: malformed records, halves, floods,
# descriptors, clients that never read, and as many connections as several
# users can have.  control lives, grows neither in memory nor in descriptors,
# and root is served all the while.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use IPC::Open2;
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
my $program = build_dir() . '/regress/hostile/rogue-client';
skip_unless(-x $program, "$program is not built");
my $pi = Postern::Instance->new;
$pi->start;
my ($control) = map { $_->{pid} } grep { $_->{component} eq 'control' }
    $pi->processes;
sub descriptors { return scalar(() = glob "/proc/$control/fd/*"); }
sub kilobytes
{
	return slurp("/proc/$control/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}
my ($fds, $kb) = (descriptors(), kilobytes());
my @rogues;

is($pi->send(to => 'user@test.example')->{code}, 250, 'there is mail');
for my $uid (map { 64321 + $_ } 0 .. ($> == 0 ? 10 : 0)) {
	my $pid = open2(my $out, my $in, $program,
	    $pi->spool . '/public/control', $uid, $uid);
	push @rogues, [$pid, $in, $out];
}
my $served = 0;
for (1 .. 20) {
	my ($status, $out, $err) = $pi->mailctl("status", { timeout => 10 });
	$served++ if $status eq "0";
	diag("$status $err") if $status ne "0";
}
is($served, 20, 'the administrator is served meanwhile');
my $attacks = 0;
for my $rogue (@rogues) {
	my $line = readline($rogue->[2]) // '';
	$attacks += $1 if $line =~ /^(\d+) attacks/;
}
cmp_ok($attacks, '>=', 100 * @rogues, "attacks: $attacks");
is(($pi->mailctl('status', { timeout => 10 }))[0], '0',
    'and beside all the connections that they hold');
is(($pi->cmd('postqueue', '-j'))[0], '0', '... as are others');
close $_->[1] for @rogues;
waitpid $_->[0], 0 for @rogues;
ok(wait_until(sub { descriptors() <= $fds + 2 }, 20),
    'no descriptor is left');
cmp_ok(kilobytes(), '<', $kb + 65536, 'nor much memory');
my ($now) = map { $_->{pid} } grep { $_->{component} eq 'control' }
    $pi->processes;
is($now, $control, 'control lives, with the process id it had');
is($pi->stop, 0, 'stopped');
done_testing;
