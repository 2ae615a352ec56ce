#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Scripts: parsed by their interpreters, and by shellcheck where it is.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Lint qw(top files text command);
use Test::More;

chdir top() or die;
my $shellcheck = command('shellcheck');
diag('shellcheck is not installed: scripts are only parsed')
    unless $shellcheck;

my %kind;
for my $file (files(qr{^(?!regress/fuzz/corpus/)})) {
	next if $file =~ /\.(?:c|h|def|mk|md|policy|[1-9])$/;
	my ($first) = split /\n/, text($file), 2;
	next unless defined $first;
	my $kind = $first =~ m{^#!.*\b(sh|ksh|bash|perl|python3?)\b} ? $1 :
	    $file =~ /\.pm$/ ? 'perl' : next;
	push @{ $kind{$kind} }, $file;
}

for my $file (@{ $kind{sh} // [] }, @{ $kind{bash} // [] },
    @{ $kind{ksh} // [] }) {
	my $bash = text($file) =~ /^#!.*bash/;
	my $shell = $bash ? 'bash' : 'sh';
	is(system("$shell -n '$file'"), 0, "$file: $shell parses it");
	ok(-x $file, "$file: can be executed");
	next unless $shellcheck;
	my $rc = $file =~ m{^etc/rc\.d/} ? 'SC1091,SC2034,SC2154' : 'SC1091';
	my $out = `'$shellcheck' -s $shell -e $rc -f gcc '$file' 2>&1`;
	is($out, '', "$file: shellcheck");
}

for my $file (@{ $kind{perl} // [] }) {
	my $lib = '-I regress/lib -I regress/lint -I regress/bench';
	my $out = `'$^X' $lib -wc '$file' 2>&1`;
	is($?, 0, "$file: perl parses it") or diag $out;
	unlike($out, qr/(?<!syntax OK)\n.*line \d+/, "$file: without warnings")
	    or diag $out;
	like(text($file), qr/^use strict;/m, "$file: is strict");
}

done_testing;
