# SPDX-License-Identifier: ISC
#
# Lint - the files of the tree, and C source without what is no code.
package Lint;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Find ();

our @EXPORT_OK = qw(top files folders text code functions command);

my $top = abs_path(dirname(__FILE__) . '/../..');

sub top { return $top; }

# Files of the tree, relative names, that match PATTERN; not what is built.
sub files
{
	my ($pattern) = @_;
	my @found;

	File::Find::find({ no_chdir => 1, wanted => sub {
		my $name = substr $_, length($top) + 1 if length > length $top;
		return unless defined $name;
		if ($name =~ m{^(?:build|\.git)$}) {
			$File::Find::prune = 1;
			return;
		}
		push @found, $name if -f $_ && !-l $_ && $name =~ $pattern;
	} }, $top);
	return sort @found;
}

# Names of the folders right below one.
sub folders
{
	my ($below) = @_;

	opendir my $dh, "$top/$below" or return ();
	return sort grep { !/^\./ && -d "$top/$below/$_" } readdir $dh;
}

sub text
{
	my ($name) = @_;

	open my $fh, '<', "$top/$name" or die "$name: $!\n";
	binmode $fh;
	local $/;
	return scalar(<$fh>) // '';
}

# C source with comments and the content of strings blanked; lines stay
# where they are.
sub code
{
	my ($name) = @_;
	my $c = text($name);

	$c =~ s{(/\*.*?\*/)|(//[^\n]*)|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'}
	    {
		my $all = $&;
		if (defined $1 || defined $2) { $all =~ s/[^\n]/ /g; $all }
		elsif (defined $3) { '"' . ' ' x length($3) . '"' }
		else { "'" . ' ' x length($4) . "'" }
	    }gsex;
	return $c;
}

# Functions of a C file in the house layout: [name, first line, lines].
sub functions
{
	my ($name) = @_;
	my (@found, $in, $start);
	my $n = 0;

	for my $line (split /\n/, code($name)) {
		$n++;
		if ($line =~ /^([A-Za-z_]\w*)\(/ && $line !~ /;\s*$/) {
			($in, $start) = ($1, $n);
		} elsif ($line =~ /^}/ && defined $in) {
			push @found, [$in, $start, $n - $start + 1];
			undef $in;
		} elsif ($line =~ /^\S.*;\s*$/) {
			undef $in;
		}
	}
	return @found;
}

# Where a program is, or undef.
sub command
{
	my ($name) = @_;

	for my $dir (split(/:/, $ENV{PATH} // ''), qw(/usr/sbin /sbin)) {
		return "$dir/$name" if -x "$dir/$name" && !-d _;
	}
	return undef;
}

1;
