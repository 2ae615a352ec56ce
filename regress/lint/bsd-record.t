#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What each policy asks of OpenBSD, FreeBSD and the rest, written down by
# their own back ends and compared: the same limits and the same user
# everywhere, in an order in which each step still can be made, and nothing
# after the last wall.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Lint qw(top);
use Test::More;

chdir top() or die;
my $build = $ENV{POSTERN_TEST_BUILD} // 'build';
my @systems = qw(openbsd freebsd netbsd);

plan skip_all => 'Linux only, and not built' if grep {
    !-x "$build/regress/bsd/record-$_" } @systems;

# component => [calls]
sub record
{
	my ($system) = @_;
	my (%r, $component);

	open my $fh, '-|', "$build/regress/bsd/record-$system" or die $!;
	while (my $line = <$fh>) {
		chomp $line;
		if ($line =~ /^\S/) {
			$component = $line;
			$r{$component} = [];
		} else {
			push @{ $r{$component} }, $line =~ s/^\s+//r;
		}
	}
	ok(close $fh, "$system: every policy gets to its end");
	return \%r;
}

my %r = map { $_ => record($_) } @systems;
my @components = sort keys %{ $r{openbsd} };
cmp_ok(scalar @components, '>', 10, 'components');
is_deeply([sort keys %{ $r{$_} }], \@components, "$_: the same")
    for @systems;

sub which { my ($re, $calls) = @_; return grep { /$re/ } @$calls; }

# Where in the list the first such call is; behind the end, if nowhere.
sub place
{
	my ($re, $calls) = @_;
	my ($i) = grep { $calls->[$_] =~ $re } 0 .. $#$calls;

	return $i // scalar @$calls;
}

# A user's own program is behind no wall but its user id: postern-pipe(8).
for my $c (grep { $_ ne 'command' } @components) {
	my ($open, $free, $net) = map { $r{$_}{$c} } @systems;

	for my $re (qr/^setrlimit/, qr/^set(?:groups|resgid|resuid)/) {
		my @o = which($re, $open);

		ok(scalar @o, "$c: $re");
		is_deeply([which($re, $free)], \@o, "$c: $re on FreeBSD, too");
		is_deeply([which($re, $net)], \@o, "$c: $re on NetBSD, too");
	}
	for my $s (@systems) {
		my $calls = $r{$s}{$c};

		ok(place(qr/^setgroups/, $calls) < place(qr/^setresgid/, $calls)
		    && place(qr/^setresgid/, $calls) <
		    place(qr/^setresuid/, $calls), "$c on $s: groups first");
		ok(place(qr/^chroot/, $calls) < place(qr/^setresuid/, $calls) ||
		    !which(qr/^chroot/, $calls),
		    "$c on $s: the root is left while one may");
		# Who holds directories keeps their names, and only theirs.
		ok(scalar which(qr/^chroot \/var\/empty$/, $calls) ||
		    $c =~ /^(?:qmgr|mailbox)$/, "$c on $s: an empty root");
	}
	my @unveiled = which(qr/^unveil \./, $open);
	if ($c =~ /^(?:qmgr|mailbox)$/) {
		ok(scalar @unveiled, "$c on OpenBSD: its directories");
		is(scalar which(qr/^unveil, no more$/, $open), 1,
		    "$c on OpenBSD: and no others");
	} else {
		is(scalar @unveiled, 0, "$c on OpenBSD: no file has a name");
	}
	like($open->[-1], qr/^pledge "stdio[^"]*" ""$/,
	    "$c on OpenBSD: pledge is last, and no program may be started");
	unlike($open->[-1], qr/\b(?:proc|exec|id|settime|dns|getpw|ps|vminfo|route|tty|bpf)\b/,
	    "$c on OpenBSD: nothing of weight is pledged");
	SKIP: {
		skip "$c makes sockets", 1 if $c eq 'broker';
		is($free->[-1], 'cap_enter', "$c on FreeBSD: cap_enter is last");
	}
	my @limited = which(qr/^cap_rights_limit slot [0-5]:/, $free);
	is(scalar @limited, 6, "$c on FreeBSD: each standard slot is limited");
	is(scalar(grep { /slot 0:.*(?:WRITE|FCNTL)|slot [12]:.*(?:READ|FCNTL)/ }
	    @limited), 0, "$c on FreeBSD: to one direction");
	is(scalar which(qr/^procctl/, $free), 2,
	    "$c on FreeBSD: no new privileges, no tracing");
}
done_testing();
