#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Restrictions that ask the DNS, with a real name server.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::DNS;
use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless(Postern::DNS::available(), 'no name server (nsd)');

my $dns = Postern::DNS->start(broken => ['broken.example'], zones => {
	'there.example.' => ['@ IN MX 10 mx', 'mx IN A 127.0.0.1',
	    'plain IN A 127.0.0.1', 'six IN AAAA ::1', 'text IN TXT "x"'],
	'null.example.' => ['@ IN MX 0 .'],
	'test.example.' => ['mx IN A 127.0.0.1'],
});
my $pi = Postern::Instance->new(name => 'dns', ipv6 => 0, main => {
	dns_servers => $dns->server, mynetworks => '192.0.2.1',
	smtpd_peername_lookup => 'no', smtpd_error_sleep_time => '0s',
	smtpd_helo_restrictions => 'reject_unknown_helo_hostname',
	smtpd_sender_restrictions => 'reject_unknown_sender_domain',
	smtpd_relay_restrictions => '',
	smtpd_recipient_restrictions =>
	    'reject_unknown_recipient_domain, reject_unauth_destination',
    })->start;

# The reply at RCPT.
sub reply
{
	my (%m) = @_;
	my $c = $pi->smtp;

	$c->cmd('EHLO ' . ($m{helo} // 'plain.there.example'));
	$c->cmd("MAIL FROM:<$m{from}>");
	my $r = $c->cmd('RCPT TO:<' . ($m{to} // 'user@test.example') . '>');
	$c->close;
	return "$r->{code} $r->{text}";
}

for my $from ('a@there.example', 'a@plain.there.example',
    'a@six.there.example', '', 'a@[192.0.2.1]', 'user@test.example') {
	like(reply(from => $from), qr/^250 /, "<$from> is let in");
}
for (['a@gone.there.example', qr/^450 4\.1\.8 <a\@gone\.there\.example>: Sender address rejected: Domain not found/],
    ['a@text.there.example', qr/^450 4\.1\.8 .*Domain not found/],
    ['a@null.example', qr/^550 5\.7\.27 .*Domain null\.example does not accept mail \(nullMX\)/],
    ['a@x.broken.example', qr/^450 4\.1\.8 .*Domain not found/]) {
	like(reply(from => $_->[0]), $_->[1], "<$_->[0]> is not");
}
ok($pi->wait_log(qr/NOQUEUE: reject: RCPT from unknown\[\S+\]: 450 4\.1\.8 <a\@gone\.there\.example>: Sender address rejected: Domain not found; from=<a\@gone\.there\.example> to=<user\@test\.example> proto=ESMTP helo=<plain\.there\.example>/),
    'logged in the usual form');
like(reply(from => '', to => 'x@gone.there.example'),
    qr/^450 4\.1\.2 .*: Recipient address rejected: Domain not found/,
    'a recipient');
like(reply(from => '', to => 'x@there.example'), qr/^454 4\.7\.1|^554 5\.7\.1/,
    'one whose domain is there is still no relaying');
like(reply(from => '', helo => 'gone.there.example'),
    qr/^450 4\.7\.1 <gone\.there\.example>: Helo command rejected: Host not found/,
    'a name in HELO');
like(reply(from => '', helo => 'there.example'), qr/^250 /,
    'which may have an MX host alone');

# What cannot be found out: put off unless something refuses for good, or not.
$pi->set(smtpd_recipient_restrictions => 'reject');
$pi->reload;
like(reply(from => 'a@x.broken.example'), qr/^554 /,
    'a later refusal for good goes first');
$pi->set(unknown_address_tempfail_action => 'defer',
    unknown_address_reject_code => 550);
$pi->reload;
like(reply(from => 'a@x.broken.example'), qr/^450 4\.1\.8 /,
    'unknown_address_tempfail_action');
like(reply(from => 'a@gone.there.example'), qr/^550 5\.1\.8 /,
    'unknown_address_reject_code');
is($pi->stop, 0, 'stopped');
done_testing;
