#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Addresses that come and go (ADM-25), in a network of the test's own: what is
# said when there is none to listen on, and what a reload does when there is.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::SMTP;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless($> == 0 && $^O eq 'linux' && run(qw(unshare -n ip link)) eq '0',
    'a network of its own needs root on Linux, and ip(8)');
if (!defined $ENV{POSTERN_NETWORK}) {
	$ENV{POSTERN_NETWORK} = 1;
	exec 'unshare', '-n', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh',
	    $^X, $0;
	die "unshare: $!\n";
}

my $new = '192.0.2.25';
my $pi = Postern::Instance->new(ipv6 => 0);
my $master = $pi->etc . '/master.cf';
my $good = slurp($master);
my ($status, $out, $err);

sub greets
{
	my $c = eval { Postern::SMTP->new($_[0], $pi->port) };

	return defined $c && $c->banner->{code} == 220;
}

# A line of master.cf, and inet_interfaces: the same in other words.
for my $how (['master.cf', sub {
	spew($master, "$new:" . $pi->port . " inet n - y - - smtpd\n", $good);
}], ['inet_interfaces', sub {
	spew($master, $good =~ s/^\S+(\s+inet\s)/$pi->port . $1/emr);
	$pi->set(inet_interfaces => "127.0.0.1, $new");
}]) {
	my ($name, $change) = @$how;

	# At a start: an error, and nothing runs.
	$change->();
	($status, $out, $err) = $pi->try_start;
	is($status, 1, "$name: no such address: does not start");
	like($err, qr/cannot listen on \Q$new\E:\d+: .*no interface has this address/,
	    'and says what is wrong');
	ok(!defined $pi->main_pid, 'nothing runs');

	# While it runs: a reload says so and changes nothing.
	spew($master, $good);
	$pi->set(inet_interfaces => undef);
	$pi->start;
	ok(greets($pi->address), 'it runs without');
	$change->();
	($status, $out, $err) = $pi->mailctl('reload');
	isnt($status, 0, 'a reload with an address that is not there');
	like($err . join("\n", $pi->log), qr/cannot listen on \Q$new\E/, 'is an error');
	ok(greets($pi->address), 'and changes nothing');

	# It appears: the next reload listens.
	is(run(qw(ip address add), "$new/32", qw(dev lo)), '0', 'the address appears');
	($status, $out, $err) = $pi->mailctl('reload');
	is($status, 0, 'a reload') or diag $err;
	ok(wait_until(sub { greets($new) }, 10), 'listens on it');
	is(run(qw(ip address del), "$new/32", qw(dev lo)), '0', 'it goes');
	ok(greets($name eq 'master.cf' ? $pi->address : '127.0.0.1'),
	    'the others are served');
	is($pi->stop, 0, 'stopped');
}

done_testing;
