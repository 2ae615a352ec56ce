# SPDX-License-Identifier: ISC
#
# Postern::Peers - the strangers we exchange mail with: programs of other
# packages, installed or unpacked beside (build/peers, by regress/lib/peers).
#
#	Postern::Peers::command('smtp-source')  the command as a list, or ()
#	Postern::Peers::environment()           what unpacked programs need
#	Postern::Peers::need('swaks', 'nsd')    or skip the test file
#	Postern::Peers::source(options => [...], to => "127.0.0.1:25")
#	Postern::Peers::swaks(options...)
#	Postern::Peers::python($script, args...)  with smtplib at hand
package Postern::Peers;

use strict;
use warnings;
use Cwd ();
use Postern::Util qw(:all);

# Unpacked programs lie in one tree for all builds of this checkout.
sub unpacked { return $ENV{POSTERN_PEERS} // top() . '/build/peers'; }

sub command
{
	my ($name) = @_;
	my $dir = unpacked();

	# An own Perl script is a program for our perl, wherever it lies.
	for my $where ("$dir/usr/sbin/$name", "$dir/usr/bin/$name") {
		return ($where) if -x $where;
	}
	my $found = which($name);
	return defined $found ? ($found) : ();
}

# For programs of the unpacked tree only: where their libraries are.
sub environment
{
	my $dir = unpacked();
	my @lib = grep { -d } "$dir/usr/lib/postfix", glob("$dir/usr/lib/*-*"),
	    "$dir/usr/lib";

	return {} unless @lib;
	return { LD_LIBRARY_PATH => join ':', @lib };
}

sub need
{
	for my $name (@_) {
		skip_unless(scalar command($name),
		    "$name is not there (./setup check gets it)");
	}
}

# smtp-source: source(to => 'host:port', options => [...], timeout).
# Returns (status, output, errors).
sub source
{
	my (%opt) = @_;

	return run(command('smtp-source'), @{ $opt{options} // [] }, $opt{to},
	    { env => environment(), timeout => $opt{timeout} // 60 });
}

sub swaks
{
	my (@options) = @_;
	my $opt = ref $options[-1] eq 'HASH' ? pop @options : {};

	return run(command('swaks'), @options,
	    { env => environment(), timeout => 60, %$opt });
}

# A Python script with smtplib imported; arguments in sys.argv.
sub python
{
	my ($script, @args) = @_;
	my $opt = ref $args[-1] eq 'HASH' ? pop @args : {};

	return run(command('python3'), '-c', "import smtplib, sys\n$script",
	    @args, { timeout => 60, %$opt });
}

1;
