#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A captured broker: the real launcher with a program of ours in the broker's
# place and sandbox.  It orders processes, mailboxes, commands and files that
# no configuration has, and breaks the rules of the channel.  The launcher
# lives, obeys none of it, says so, and starts all again each time.
#
# POSTERN_SEED: which of the ways to break the rules it takes.
use strict;
use warnings;
use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::UNIX;
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Rogue;
use Postern::Util qw(:all);

Postern::Instance->need;
my $lives = 6;
my $minimum = 70000;
my $base = 62000;
my $rogue = Postern::Rogue->new(broker => 'rogue-broker');
my $pi = Postern::Instance->new(uid => $minimum + 1, gid => $minimum + 1,
    main => { virtual_minimum_uid => $minimum, sandbox_uid_base => $base,
	mydestination => 'local.example' });
my $victim = spawn('sleep', 300);

# Anybody may connect: that nobody does is the launcher's doing.
my $server = IO::Socket::UNIX->new(Local => "$pi->{dir}/server", Listen => 5)
    or die "$pi->{dir}/server: $!";
chmod 0777, $server->hostpath;

# Caps come from policies: small ones are soon reached.
mkdir $pi->etc . '/policy.d', 0755;
$pi->file("policy.d/$_.policy", "component $_\nrequest mailbox open=4\n")
    for qw(local virtual);
$rogue->orders(lives => $lives, seed => $ENV{POSTERN_SEED} // 1,
    base => $base, minimum => $minimum, victim => $victim,
    touch => "touch $pi->{dir}/mail/touched", listener => $server->hostpath);

# Nobody says that all is up: mailctl would wait.
my $launcher = spawn($rogue->file('launcher'), '-c', $pi->etc, '-f',
    { stdout => "$pi->{dir}/log/out", stderr => "$pi->{dir}/log/err" });
sub descriptors { return scalar(() = glob "/proc/$launcher/fd/*"); }

my ($early, $late);
for my $life (1 .. $lives - 1) {
	ok($pi->wait_log(qr/the broker has died.*starting all again/, 60,
	    $life), "life $life: the launcher ends it, says so, and goes on");
	ok(pid_alive($launcher), '... with the process id it had');
	$early = descriptors() if $life == 2;
	$late = descriptors() if $life == $lives - 1;
}
ok($pi->wait_log(qr/terminating on signal 15/, 60), 'all ends in order');
ok(wait_until(sub { !pid_alive($launcher) }, 20), '... and with it the launcher');
cmp_ok($late, '<=', $early + 6, 'it holds no more descriptors than before');

my @said = map { /rogue: (.*)/ ? $1 : () } $pi->log;
my @obeyed = grep { /: obeyed$/ && !/^right:/ } @said;
my @refused = grep { /: refused$/ && !/^right:/ } @said;
is_deeply(\@obeyed, [], 'no order was obeyed that nothing allows');
cmp_ok(scalar @refused, '>=', 91, '... of all there were');
my @right = grep { /^right: / } @said;
is_deeply([grep { !/: obeyed$/ } @right], [], 'what is allowed is done');
cmp_ok(scalar @right, '>=', 18, '... all of it');
my ($reloads) = map { /^(\d+) of 60 reloads refused/ ? $1 : () } @said;
cmp_ok($reloads // 0, '>', 20, 'nobody makes it read files all day');
my $flood = () = $pi->grep_log(qr/: flood \d+$/);
cmp_ok($flood, '<', 1500, 'a flood of lines is dammed');
ok($pi->wait_log(qr/security: \d+ lines of the broker over its rate/),
    '... and counted');
my @died = $pi->grep_log(qr/the broker has died: \S/);
cmp_ok(scalar @died, '>=', $lives - 2, 'what it did is in the log');
ok(!IO::Select->new($server)->can_read(0), 'nobody connected to a socket'
    . ' that rewrite did not name');
ok(scalar($pi->grep_log(qr/security: no connection to a socket that rewrite/)),
    '... and the attempts are in the log');
ok(pid_alive($victim), 'a process that is not its business lives');
ok(!-e "$pi->{dir}/mail/touched", 'no command was run');
kill_and_wait([$victim]);

is(scalar $pi->pids, 0, 'nobody is left');
done_testing;
