# SPDX-License-Identifier: ISC
#
# Postern::Rogue - a copy of what was built, with a rogue in the place of some
# of its programs; instances made afterwards are of the copy.
#
#	my $rogue = Postern::Rogue->new(broker => 'rogue-broker');
#	$rogue->orders(lives => 5, seed => 1);
#	... Postern::Instance ...
#
# The program that was there stays beside it, as NAME.real.
package Postern::Rogue;

use strict;
use warnings;
use Carp qw(croak);

use Postern::Util qw(:all);

my $built;

sub new
{
	my ($class, %in_place_of) = @_;
	my $build = $built //= build_dir(); # not of the last one
	my $self = bless { dir => temp_dir('rogue') }, $class;

	mkdir "$self->{dir}/libexec", 0755;
	# The launcher looks for the others where it is itself.
	for my $copy ([bin => 'bin'], ['libexec/postern' => 'libexec/']) {
		system('cp', '-a', "$build/$copy->[0]",
		    "$self->{dir}/$copy->[1]") == 0 or croak 'cp failed';
	}
	# Each knows the others, and leaves them alone.
	$self->{captured} = join ',', sort keys %in_place_of;
	$self->orders;
	for my $name (keys %in_place_of) {
		my $program = "$build/regress/hostile/$in_place_of{$name}";

		skip_unless(-x $program, "$program is not built");
		rename $self->file($name), $self->file("$name.real") or
		    croak "$name: $!";
		system('cp', $program, $self->file($name)) == 0 or
		    croak 'cp failed';
	}
	$ENV{POSTERN_BUILD} = $self->{dir};
	return $self;
}

sub file { return "$_[0]{dir}/libexec/postern/$_[1]"; }

# The programs that belong there, in time for the next start.
sub honest
{
	my ($self) = @_;

	rename $_, s/\.real$//r for glob $self->file('*.real');
}

# What it is to do, which it reads before it is sealed.
sub orders
{
	my ($self, %orders) = @_;

	$orders{captured} //= $self->{captured};
	spew($self->file('rogue.orders'), map { "$_ $orders{$_}\n" }
	    sort keys %orders);
}

1;
