# SPDX-License-Identifier: ISC
#
# Bench::Report - numbers for people.
package Bench::Report;

use strict;
use warnings;

use Bench::Postern;
use Bench::Postfix;
use Postern::Util qw(:all);

# Of several runs: the median of each figure.
sub median
{
	my (@runs) = @_;
	my %m;

	for my $key (keys %{ $runs[0] }) {
		my @v = sort { $a <=> $b } grep { defined }
		    map { $_->{$key} } @runs;
		$m{$key} = @v % 2 ? $v[$#v / 2] :
		    ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
	}
	return \%m;
}

sub machine
{
	my ($work) = @_;
	my ($cpu) = (slurp('/proc/cpuinfo', 1) // '') =~
	    /^model name\s*:\s*(.*)$/m;
	my $count = () = (slurp('/proc/cpuinfo', 1) // '') =~ /^processor/mg;
	my ($kernel) = (slurp('/proc/version', 1) // '') =~ /^Linux version (\S+)/;
	my (undef, $fs) = run('stat', '-f', '-c', '%T', $work);

	chomp $fs;
	return sprintf "%d x %s, Linux %s, %s\n%s, %s\n", $count,
	    $cpu // 'unknown processor', $kernel // '?', $fs,
	    Bench::Postfix->available ? Bench::Postfix->version : 'no Postfix',
	    Bench::Postern->available ? Bench::Postern->version : 'no Postern';
}

sub key { return join ' ', map { $_[0]{$_} // '' } qw(road connect sessions); }

# The columns: what it is called, in the results, in a table.  Flushes only
# where the disk has a cache to flush.
sub columns
{
	my (@results) = @_;
	my @c = (['msgs/s', 'rate', '%8.0f'], ['CPU ms', 'cpu_ms', '%8.2f'],
	    ['switches', 'switches', '%8.1f'], ['flushes', 'flushes', '%8.2f'],
	    ['PSS MB', 'pss_mb', '%8.1f'], ['RSS MB', 'rss_mb', '%8.1f']);

	return grep { my $k = $_->[1]; grep { $_->{$k} } @results } @c;
}

# Ratios first: how many times Postfix's rate, which part of its CPU.
sub table
{
	my (@results) = @_;
	my (%of, @order);

	for my $r (@results) {
		push @order, key($r) unless $of{ key($r) };
		$of{ key($r) }{ $r->{server} } = $r;
	}
	my @columns = columns(@results);
	my $text = ratios(\%of, \@order, @columns);
	$text .= sprintf '%-8s %-8s %8s  %-8s' . ' %8s' x @columns . "\n",
	    qw(road connect sessions server), map { $_->[0] } @columns;
	for my $key (@order) {
		for my $name (qw(postern apart postfix)) {
			my $r = $of{$key}{$name} or next;
			$text .= sprintf '%-8s %-8s %8d  %-8s' . join('',
			    map { " $_->[2]" } @columns) . "\n",
			    @$r{qw(road connect sessions server)},
			    map { $r->{ $_->[1] } } @columns;
		}
	}
	return $text;
}

sub ratios
{
	my ($of, $order, @columns) = @_;
	my @both = grep { $of->{$_}{postern} && $of->{$_}{postfix} } @$order;

	return '' unless @both;
	my $text = sprintf "Postern / Postfix\n%-8s %-8s %8s" .
	    ' %8s' x @columns . "\n", qw(road connect sessions),
	    map { $_->[0] } @columns;
	for my $key (@both) {
		my ($n, $f) = @{ $of->{$key} }{qw(postern postfix)};
		$text .= sprintf "%-8s %-8s %8d" . ' %7.2fx' x @columns . "\n",
		    @$n{qw(road connect sessions)}, map { $f->{ $_->[1] } ?
		    $n->{ $_->[1] } / $f->{ $_->[1] } : 0 } @columns;
	}
	return "$text\n";
}

# System calls and barriers a message.
sub calls
{
	my (@calls) = @_;
	my $text = sprintf "%-8s %-8s %10s %10s   the most frequent\n", 'road',
	    'server', 'calls', 'barriers';

	for my $c (@calls) {
		my $by = $c->{by_call};
		my @top = (sort { $by->{$b} <=> $by->{$a} } keys %$by)[0 .. 5];
		$text .= sprintf "%-8s %-8s %10.1f %10.2f   %s\n", $c->{road},
		    $c->{server}, $c->{calls}, $c->{barriers}, join ' ',
		    map { sprintf '%s %.0f', $_, $by->{$_} } grep { defined }
		    @top;
	}
	return $text;
}

1;
