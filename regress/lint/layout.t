#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Layout of the C sources: what .clang-format says (tables may switch it
# off), no blanks at the end of a line, a licence in the first.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Lint qw(top files text command);
use Test::More;

chdir top() or die;
my @c = files(qr/\.[ch]$/);
ok(scalar @c, 'there are C sources');

for my $file (@c) {
	my @bad;
	my @lines = split /\n/, text($file), -1;
	push @bad, 'no licence in the first line' unless
	    $lines[0] eq '/* SPDX-License-Identifier: ISC */';
	push @bad, 'no newline at the end' unless $lines[-1] eq '';
	for my $n (0 .. $#lines) {
		push @bad, 'line ' . ($n + 1) . ': blanks at its end'
		    if $lines[$n] =~ /[ \t]$/;
		push @bad, 'line ' . ($n + 1) . ': carriage return'
		    if $lines[$n] =~ /\r/;
	}
	is_deeply(\@bad, [], $file);
}

# What clang-format would change is a report, not a failure: it is run on what
# is touched, and tables may switch it off.
SKIP: {
	my $format = command('clang-format-14') // command('clang-format');
	skip 'clang-format is not installed', 1 unless $format;
	my (%off, $failed);
	while (@c) {
		my $some = join ' ', map { "'$_'" } splice @c, 0, 50;
		for (`'$format' --dry-run $some 2>&1`) {
			$off{$1}++ if /^(\S+?):\d+:\d+: warning: code should be/;
			$failed .= $_ if /^\S+?:\d+:\d+: error:/;
		}
	}
	is($failed, undef, 'clang-format can read every file');
	note('clang-format would change ' . keys(%off) . ' files');
	note("  $_ ($off{$_})") for sort keys %off;
}

done_testing;
