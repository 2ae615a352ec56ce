#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Manual pages are mdoc, clean, and there is one for whatever needs one.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use lib dirname(__FILE__);
use Lint qw(top files folders text command);
use Test::More;

my @pages = files(qr{^share/man/.*\.[1-9]$});
ok(scalar @pages, 'there are manual pages');

SKIP: {
	my $mandoc = command('mandoc');
	skip 'mandoc is not installed', scalar @pages unless $mandoc;
	for my $page (@pages) {
		my @said = `'$mandoc' -T lint -W warning '@{[top()]}/$page' 2>&1`;
		is(join('', grep { !/referenced manual not found/ } @said), '',
		    "$page: mandoc -T lint");
	}
}

for my $page (@pages) {
	my $text = text($page);
	my ($name, $section) = basename($page) =~ /^(.*)\.(\d)$/;
	like($text, qr/^\.Dd /m, "$page: has a date");
	like($text, qr/^\.Dt \Q@{[uc $name]}\E $section\b/m,
	    "$page: its title is its name");
	like($text, qr/^\.Nd /m, "$page: says in a line what it is");
}

# Every reference to a page of ours is to one that exists.
my %have = map { basename($_) => 1 } @pages;
for my $page (@pages) {
	my %missing;
	my $text = text($page);
	while ($text =~ /^\.Xr (postern\S*|mailctl|sandbox\S*|policy) (\d)/mg) {
		$missing{"$1.$2"} = 1 unless $have{"$1.$2"};
	}
	is_deeply([sort keys %missing], [], "$page: refers to existing pages");
}

# A page for every command, under each of its names.
for my $dir (folders('commands')) {
	my $mk = -e top() . "/commands/$dir/module.mk" ?
	    text("commands/$dir/module.mk") : '';
	$mk =~ s/\\\n/ /g;
	my ($names) = $mk =~ /^\Q$dir\E_NAMES\s*:?=\s*(.*)$/m;
	for my $name ($dir, split ' ', $names // '') {
		ok((grep { $have{"$name.$_"} } 1, 8), "$name has a manual page");
	}
}

done_testing;
