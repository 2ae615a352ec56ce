#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Captured components inside a running system: a program of ours in their place
# and their sandbox attacks every peer it was introduced to, and the broker at
# last, as often as it is started again.  Mail that does not need it flows all
# the while; nobody else dies; the log says whose fault it is; nothing that was
# acknowledged is lost.
use strict;
use warnings;
use File::Basename qw(dirname);
use Socket;
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Rogue;
use Postern::Util qw(:all);

Postern::Instance->need;

# SO_PASSRIGHTS, of Linux 6.16.
sub refuses_fds
{
	socketpair(my $one, my $other, AF_UNIX, SOCK_SEQPACKET, 0) or return 0;
	return $^O eq 'linux' &&
	    defined setsockopt($one, SOL_SOCKET, 83, pack('i', 0));
}

sub lives
{
	my ($pi, $name) = @_;

	return scalar(() = $pi->grep_log(qr/\b$name\S*: rogue: life \d+/));
}

# Numbered messages to an address, until told otherwise: which were accepted.
sub load
{
	my ($pi, $to, $count, $pause) = @_;
	my @accepted;

	for my $n (1 .. $count) {
		my $r = eval { $pi->send(to => $to,
		    data => "Subject: to $to number $n.\n\nx\n") };
		push @accepted, $n if ($r->{code} // 0) == 250;
		sleep $pause;
	}
	return @accepted;
}

sub arrived
{
	my ($pi, $user, $to, @numbers) = @_;
	my %want = map { $_ => 1 } @numbers;

	return wait_until(sub {
		for my $text ($pi->mail($user)) {
			delete $want{$1} if $text =~ /^Subject: to \Q$to\E number (\d+)\./m;
		}
		return !%want;
	}, 60);
}

# They are captured; then the honest ones are there again.
sub attacked
{
	my (%opt) = @_;
	my @names = @{ $opt{names} };
	my $rogue = Postern::Rogue->new(map { $_ => 'rogue-peer' } @names);
	my $who = join ', ', @names;

	$rogue->orders(instance => $opt{instance}) if defined $opt{instance};
	my $pi = Postern::Instance->new(
	    main => { smtpd_peername_lookup => 'no', alias_maps =>
		'inline:{{someone = other@test.example}}',
		mydestination => 'local.example',
		local_recipient_maps => '',
		queue_run_delay => '2s', minimal_backoff_time => '2s',
		maximal_backoff_time => '4s',
		%{ $opt{main} // {} } });
	$pi->start;
	my %honest = map { ("$_->{component}/$_->{instance}" => $_->{pid}) }
	    grep { my $c = $_; ($c->{pid} // 0) > 0 && (!grep { $_ eq $c->{component} }
		@names) && $c->{component} !~ /^(mailbox|virtual)$/ }
	    $pi->processes;
	my @local = load($pi, 'someone@local.example', 3, 0);
	my @busy = map { eval { $pi->smtp(timeout => 20) } }
	    1 .. $opt{busy} // 0;
	my @virtual = load($pi, 'user@test.example', 40, 0.1);
	my $start = time;
	while (time - $start < 30 && grep { lives($pi, $_) < 2 } @names) {
		sleep 0.2;
	}
	cmp_ok(lives($pi, $_), '>=', 2, "$_ attacked again and again")
	    for @names;
	undef @busy;
	cmp_ok(scalar @virtual, '>=', $opt{least} // 35, "$who: mail is accepted meanwhile")
	    if !$opt{needed};
	ok(arrived($pi, 'user', 'user@test.example', @virtual),
	    "$who: and delivered");
	my %now = map { ("$_->{component}/$_->{instance}" => $_->{pid} // 0) }
	    $pi->processes;
	is_deeply({ map { $_ => $now{$_} } keys %honest }, \%honest,
	    "$who: everybody else lives, with the process id he had");
	for my $name (@names) {
		cmp_ok(scalar(() = $pi->grep_log(qr/security: .*\b$name\b/)),
		    '>=', 3, "$name: the log says whose fault it is");
	}
	if (refuses_fds()) {
		my @doors = $pi->grep_log(qr/: rogue: descriptors: \d/);

		is_deeply([grep { !/ 0 taken/ } @doors], [],
		    "$who: nobody was sent a descriptor against his policy");
		for my $name (grep { /^(local|pickup|smtpd|cleanup)$/ } @names) {
			cmp_ok(scalar(grep { /\b$name\S*: .* [1-9]\d* refused/ }
			    @doors), '>=', 2, "$name: the kernel refused them");
		}
	}
	is_deeply([grep { /killed by its sandbox/ } $pi->log], [],
	    "$who: it stayed within its filter");
	is($pi->stop, 0, "$who: stopped");
	$rogue->honest;
	$pi->start;
	ok(arrived($pi, 'other', 'someone@local.example', @local),
	    "$who: what waited is delivered by honest ones") if @local;
	ok($pi->wait_empty(30), "$who: the queue is empty");
	is($pi->stop, 0, "$who: stopped");
}

attacked(names => [qw(local pickup dns)]);
# Without these no mail flows; with them again it does.
attacked(names => [qw(rewrite cleanup lookup)], needed => 1);
attacked(names => ['smtpd'], instance => 1, busy => 12, least => 10,
    main => { smtpd_worker_count => 2 });
done_testing;
