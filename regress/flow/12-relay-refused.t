#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Strangers cannot relay: every known way to ask for it is refused, whatever
# the sender says of himself, and nothing of it ever gets out.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my ($friend, $stranger) = qw(127.0.0.1 127.0.0.5);
my $sink = Postern::Sink->start;
my $here = free_address();
my $pi = Postern::Instance->new(address => $here, ipv6 => 0, main => {
	inet_interfaces => $here,
	mynetworks => "$friend/32",
	mydestination => 'mx.test.example, local.example',
	alias_maps => 'texthash:aliases',
	local_recipient_maps => '$alias_maps',
	relay_domains => 'relayed.example',
	relayhost => $sink->nexthop,
	recipient_delimiter => '+',
	smtpd_peername_lookup => 'no', smtpd_error_sleep_time => '0s',
	smtpd_hard_error_limit => 1000, smtpd_soft_error_limit => 1000,
	# Even where a user part could be taken for a route.
	allow_percent_hack => 'yes', swap_bangpath => 'yes',
    });
$pi->file('aliases', "postmaster user\@test.example\n" .
    "abuse user\@test.example\n");
$pi->start;

sub client
{
	return Postern::SMTP->new($here, $pi->port, local => $_[0]);
}

# The probes of the open relay tests of the last thirty years.
my @probes = (
	'victim@far.example',
	'<victim@far.example>',         # without the outer brackets
	'"victim@far.example"',
	'victim%far.example@mx.test.example',
	'victim%far.example@test.example',
	"victim%far.example\@[$here]",
	'victim%far.example',
	'victim@far.example@mx.test.example',
	'"victim@far.example"@mx.test.example',
	"\"victim\@far.example\"\@[$here]",
	'"victim%far.example"@mx.test.example',
	'@mx.test.example:victim@far.example',
	"\@[$here]:victim\@far.example",
	'@mx.test.example,@test.example:victim@far.example',
	'far.example!victim',
	'far.example!victim@mx.test.example',
	"far.example!victim\@[$here]",
	'mx.test.example!far.example!victim',
	'victim@far.example%mx.test.example',
	'victim%far.example%test.example@mx.test.example',
	'victim@[192.0.2.1]',
	'victim@far.example.',
	'victim@FAR.EXAMPLE',
	'victim@sub.local.example',
	'victim@xrelayed.example',
	'victim@test.example.far.example',
	'"victim@far.example%"@mx.test.example',
	'victim%far.example%@mx.test.example',
	'victim@far.example(comment)@test.example',
	'victim;far.example@mx.test.example',
	'victim:far.example@mx.test.example',
	'smtp:victim@far.example',
	'victim@192.0.2.1',
	'victim@[IPv6:2001:db8::1]',
	'user@test.example,victim@far.example',
	'user@test.example> <victim@far.example',
	"user\@test.example\0victim\@far.example",
);
# Who the sender claims to be makes no difference.
my @senders = ('', 'spam@spam.example', 'user@test.example',
    'user@mx.test.example', "user\@[$here]", "user\@[$friend]", 'postmaster',
    'victim@far.example', 'user@localhost', 'spam@relayed.example');
my @helos = ('EHLO client.example', 'HELO mx.test.example', "EHLO [$friend]",
    'EHLO localhost');

# One session for each way to say hello, a transaction for each sender, in
# which all probes are made; at once, where EHLO allows that.
my %through;
for my $helo (@helos) {
	my $c = client($stranger);

	$c->cmd($helo);
	for my $sender (@senders) {
		my $r = $c->cmd("MAIL FROM:<$sender>");
		next if $r->{code} >= 400;
		my @cmds = map { 'RCPT TO:' . (/^</ ? $_ : "<$_>") } @probes;
		$c->raw(join '', map { "$_\r\n" } @cmds) if $helo =~ /^E/;
		for my $probe (@probes) {
			$c->line(shift @cmds) if $helo =~ /^H/;
			$r = $c->reply;
			push @{ $through{$probe} }, "$helo, <$sender>: " .
			    "$r->{code} $r->{text}"
			    if $r->{code} < 400 || $r->{code} >= 600;
		}
		$r = $c->cmd('DATA');
		cmp_ok($r->{code}, '>=', 400, "$helo, <$sender>: no DATA");
		$c->cmd('RSET');
	}
	$c->quit;
}
for my $probe (@probes) {
	ok(!$through{$probe}, 'refused: ' . ($probe =~ s/\0/\\0/r)) or
	    diag join "\n", @{ $through{$probe} };
}

# In this order an address of ours does not open the door for the next.
my $c = client($stranger);
$c->ehlo;
is($c->cmd('MAIL FROM:<spam@spam.example>')->{code}, 250, 'a stranger');
is($c->cmd('RCPT TO:<user@test.example>')->{code}, 250, 'may write to us');
my $r = $c->cmd('RCPT TO:<victim@far.example>');
is("$r->{code} $r->{enhanced}", '554 5.7.1', 'and not through us');
like($r->{text}, qr/<victim\@far\.example>: Relay access denied$/, 'in words');
is($c->cmd('DATA')->{code}, 354, 'to us, it goes on');
$c->raw("Subject: ours\r\nBcc: victim\@far.example\r\n" .
    "Resent-To: victim\@far.example\r\n\r\nx\r\n.\r\n");
is($c->reply->{code}, 250, 'and is taken');
$c->quit;
is(scalar $pi->wait_mail('user'), 1, 'and delivered');
ok($pi->wait_log(qr/NOQUEUE: reject: RCPT from unknown\[\Q$stranger\E\]: 554 5\.7\.1 <victim\@far\.example>: Relay access denied; from=<spam\@spam\.example> to=<victim\@far\.example> proto=ESMTP helo=<client\.example>/),
    'the log has it');

# What a stranger may do.
$c = client($stranger);
$c->ehlo;
for my $ok ('user@test.example', 'postmaster', 'postmaster@mx.test.example',
    'abuse@local.example', 'anybody@relayed.example',
    'anybody@sub.relayed.example', "postmaster\@[$here]",
    'user+box@test.example') {
	$c->cmd('MAIL FROM:<a@b.example>');
	$r = $c->cmd("RCPT TO:<$ok>");
	is($r->{code}, 250, "taken: $ok") or diag $r->{text};
	$c->cmd('RSET');
}
$c->quit;

# Friends may; then the default configuration, which trusts this machine.
$c = client($friend);
$c->ehlo;
is($c->message(to => 'victim@far.example')->{code}, 250, 'a friend may relay');
$c->quit;
is(scalar $sink->wait(1), 1, 'and it goes out');

# Restrictions that were emptied do not open it either.
for my $case ([smtpd_relay_restrictions => 'permit_mynetworks',
	smtpd_recipient_restrictions => ''],
    [smtpd_relay_restrictions => '',
	smtpd_recipient_restrictions => 'permit_mynetworks'],
    [smtpd_relay_restrictions => '',
	smtpd_recipient_restrictions => 'reject_unauth_destination'],
    [smtpd_relay_restrictions => 'permit_auth_destination, reject',
	smtpd_recipient_restrictions => 'permit'],
    [smtpd_relay_restrictions => 'permit_mynetworks, defer_unauth_destination',
	smtpd_recipient_restrictions => 'permit']) {
	$pi->set(@$case);
	$pi->reload;
	my $name = join ' ', @$case;
	my $c = client($stranger);
	if ($c->banner->{code} == 220) {
		$c->ehlo;
		$c->cmd('MAIL FROM:<a@b.example>');
		my $r = $c->cmd('RCPT TO:<victim@far.example>');
		cmp_ok($r->{code}, '>=', 400, "$name: $r->{text}");
	} else {
		like($c->banner->{raw}, qr/^451 4\.3\.5/,
		    "$name: takes no mail");
	}
}

is($sink->stats->{messages}, 1, 'nothing of all this went out');
ok($pi->wait_empty, 'nothing is queued');
is($pi->stop, 0, 'stopped');
done_testing;
