# SPDX-License-Identifier: ISC
#
# Postern::Captured - what is expected while components are captured
# (regress/hostile/rogue_peer.c) in an instance that works.
#
#	my $c = Postern::Captured->new($pi, qw(smtp bounce));
#	$c->honest_ones(qw(qmgr smtpd));    # who must live, and does
#	... mail ...
#	$c->lived(6);                       # so many lives each, at least
#	$c->judged;                         # how all took it, as tests
#
# Whose process is whose is asked of the system: what mailctl says comes from
# components, too.
package Postern::Captured;

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Util qw(:all);

# POSTERN_LONG=1: as many lives as there are ways to break the rules.
sub long { return $ENV{POSTERN_LONG} ? 5 : 1; }

sub new
{
	my ($class, $pi, @names) = @_;

	return bless { pi => $pi, names => \@names, log => [] }, $class;
}

# More of the log than there is in its file.
sub also { $_[0]{also} = $_[1]; return $_[0]; }

sub log
{
	my ($self) = @_;

	return ($self->{pi}->log, defined $self->{also} ? lines_of($self->{also}) : ());
}

sub grep_log
{
	my ($self, $pattern) = @_;

	return grep { /$pattern/ } $self->log;
}

sub honest_ones
{
	my ($self, @names) = @_;

	$self->{honest} = { map { $_ => [$self->{pi}->component($_)] } @names };
	for my $name (@names) {
		ok(scalar @{ $self->{honest}{$name} }, "$name is there");
	}
	return $self;
}

sub lives
{
	my ($self, $name) = @_;

	return scalar(() = $self->grep_log(qr/\b$name(?:\/\d+)?(?:\[\d+\])?: rogue: life \d+/));
}

sub lived
{
	my ($self, $count, $seconds) = @_;

	$count *= long();
	my $ok = wait_until(sub {
		!grep { $self->lives($_) < $count } @{ $self->{names} };
	}, ($seconds // 40) * long());
	for my $name (@{ $self->{names} }) {
		cmp_ok($self->lives($name), '>=', $count,
		    "$name attacks, life after life");
	}
	return $ok;
}

# In words: what was done, and how its peers took it.
sub judged
{
	my ($self, %opt) = @_;
	my $all = join ', ', @{ $self->{names} };
	my @log = $self->log;

	# They go on all the while, and lines take their time: what is in the
	# log of an attack now, is in it of its end a moment later.
	sleep 1;
	my @later = $self->log;
	for my $name (@{ $self->{names} }) {
		my $own = qr/\b$name(?:\/\d+)?(?:\[\d+\])?: rogue: /;
		my @lives = map { /$own.*life \d+: .* (\d+) said, (\d+) against/ ?
		    [$1, $2] : () } @log;
		my ($said, $broke) = (0, 0);
		$said += $_->[0], $broke += $_->[1] for @lives;
		my (%closed, @open);
		for my $line (@log) {
			next if $line !~ /${own}(closed by|STAYS OPEN:) (\S+) \d+: (.*)/ ||
			    grep { $_ eq $2 } @{ $self->{names} }; # one of them
			push @open, "$2: $3" if $1 ne 'closed by';
			$closed{$2}{$3}++ if $1 eq 'closed by';
		}
		my $kinds = 0;
		$kinds += keys %$_ for values %closed;
		cmp_ok($said, '>=', $opt{said} // 20, "$name: $said records, " .
		    "$broke rules broken, $kinds ways of it");
		for my $peer (sort keys %closed) {
			my $n = 0;
			$n += $_ for values %{ $closed{$peer} };
			next if $opt{unseen};
			# The broker has its lines written by who speaks for all.
			my $says = $peer eq 'broker' ? 'master' : $peer;
			my @blamed = grep {
				/\b$says(?:\/\d+)?\[\d+\]: .*security: channel (?:to|of) (?:a )?$name\b/
			} @later;
			# Its lines are dammed, if too many captured ones have
			# it write theirs.
			$n = 1 if $peer eq 'broker';
			push @blamed, grep { /lines of the broker over its rate/ }
			    @later if $peer eq 'broker';
			cmp_ok(scalar @blamed, '>=', $n, "$peer says so in the log" .
			    " each time: $n of $name");
		}
		is_deeply(\@open, [],
		    "$name: each time the channel is closed");
		for my $line (@log) {
			next if $line !~ /${own}rates: (\S+): (\d+) asked, (\d+) over the rate, \d+ refused, (\d+) granted/;
			my ($verb, $asked, $over, $granted) = ($1, $2, $3, $4);
			next if $self->{seen}{"$name $verb"}++;
			cmp_ok($over, '>=', 1, "$name: $asked times $verb is too often");
			is($granted, 0, '... and nothing of it is granted')
			    if $verb !~ /^(?:reopen|admin)$/;
		}
	}
	my %now = map { $_ => [$self->{pi}->component($_)] } keys %{ $self->{honest} };
	is_deeply(\%now, $self->{honest}, "$all: everybody else lives, with the " .
	    'process id he had');
	is_deeply([grep { /killed by its sandbox|panic|AddressSanitizer/ } @log], [],
	    "$all: within the filter");
	return $self;
}

1;
