#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What init systems are given: the systemd unit is valid and walled in, the
# users and folders can be made, the rc scripts name what is installed.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use lib dirname(__FILE__);
use Lint qw(top text command);
use Test::More;

my $top = top();
my $dir = tempdir(CLEANUP => 1);
my $unit = text('etc/postern.service');

like($unit, qr/^Type=notify$/m, 'the unit waits for the server to be ready');
like($unit, qr{^ExecStart=\@SBINDIR\@/mailctl .*start --foreground$}m,
    'and starts it in the foreground');

SKIP: {
	my $analyze = command('systemd-analyze');
	skip 'systemd-analyze is not installed', 2 unless $analyze;
	# A copy whose programs exist here.
	(my $copy = $unit) =~ s{\@SBINDIR\@/\S+}{/bin/true}g;
	$copy =~ s/\@SYSCONFDIR\@/\/etc\/postern/g;
	open my $fh, '>', "$dir/postern.service" or die;
	print $fh $copy;
	close $fh;
	my @said = grep { m{^\Q$dir\E|^postern\.service} }
	    `'$analyze' verify --man=no '$dir/postern.service' 2>&1`;
	is(join('', @said), '', 'systemd-analyze verify');
	my $out = `'$analyze' security --offline=true --no-pager '$dir/postern.service' 2>&1`;
	my ($level) = $out =~ /exposure level for \S+: ([\d.]+)/;
	skip 'systemd-analyze cannot judge a file', 1 unless defined $level;
	cmp_ok($level, '<=', 6.0, "systemd-analyze security: $level")
	    or diag $out;
}

SKIP: {
	my $sysusers = command('systemd-sysusers');
	skip 'systemd-sysusers is not installed', 1 unless $sysusers;
	mkdir "$dir/root";
	mkdir "$dir/root/etc";
	my $out = `'$sysusers' --root='$dir/root' '$top/etc/postern.sysusers' 2>&1`;
	like(-e "$dir/root/etc/passwd" ? do { local (@ARGV, $/) =
	    "$dir/root/etc/passwd"; <> } : $out, qr/^postern:/m,
	    'systemd-sysusers makes the user');
}

SKIP: {
	my $tmpfiles = command('systemd-tmpfiles');
	skip 'systemd-tmpfiles is not installed', 1 unless $tmpfiles;
	my $text = text('etc/postern.tmpfiles');
	$text =~ s/ postern postern / @{[getpwuid $>]} - /g;
	$text =~ s/ (?:\S+) - - / - - - /g;
	open my $fh, '>', "$dir/t.conf" or die;
	# Whose they are cannot be set without the user.
	print $fh map { my @f = split; @f >= 5 ? "@f[0..2] - - @f[5..$#f]\n" :
	    "$_\n" } grep { !/^#/ && /\S/ } split /\n/, $text;
	close $fh;
	mkdir "$dir/root";
	my $out = `'$tmpfiles' --create --root='$dir/root' '$dir/t.conf' 2>&1`;
	ok(-d "$dir/root/var/spool/postern",
	    'systemd-tmpfiles makes the queue directory') or diag $out;
}

for my $rc (qw(freebsd openbsd)) {
	my $text = text("etc/rc.d/postern.$rc");
	like($text, qr/mailctl/, "$rc: starts it with mailctl");
	unlike($text, qr{/usr/local/sbin}, "$rc: the prefix is filled in");
}

done_testing;
