#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Tables that only a restriction class or one line of master.cf names, and
# tables that are long.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

# A table that stands in main.cf itself, of at least 4 KB.
sub long_table
{
	my ($value, @keys) = @_;

	return 'inline:{ ' . join(', ', (map { "{ $_ = $value }" } @keys),
	    (map { "{ filler-of-this-table-$_.example = $value }" } 1 .. 90)) .
	    ' }';
}

my $pi = Postern::Instance->new(name => 'classes', ipv6 => 0, main => {
	mynetworks => '192.0.2.1',
	smtpd_peername_lookup => 'no', smtpd_error_sleep_time => '0s',
	relay_domains => long_table('x', 'relay.example'),
	smtpd_restriction_classes => 'insiders outsiders',
	insiders => 'check_sender_access texthash:inside reject',
	outsiders => 'check_client_access texthash:outside permit',
	smtpd_sender_restrictions => 'check_sender_access ' .
	    long_table('REJECT in a long table', 'bad@far.example'),
	smtpd_recipient_restrictions =>
	    'check_recipient_access texthash:protected, ' .
	    'reject_unauth_destination, outsiders',
    });
my $port = free_port($pi->address);
$pi->file('inside', "boss\@test.example OK\n");
$pi->file('outside', "$_ REJECT outside\n") for $pi->address;
$pi->file('line', "$_ REJECT this line\n") for $pi->address;
$pi->file('protected', "user\@test.example insiders\n");
my $moving = free_port($pi->address);
$pi->file('moved', "other\@test.example REDIRECT user\@test.example\n",
    "x\@relay.example REDIRECT user\@test.example\n");
$pi->{master} = [$pi->address . ":$port inet n - y - - smtpd" .
    ' -o { smtpd_client_restrictions = check_client_access texthash:line }',
    $pi->address . ":$moving inet n - y - - smtpd" .
    ' -o { smtpd_recipient_restrictions = ' .
    'check_recipient_access texthash:moved, reject_unauth_destination }'];
$pi->write_master;
$pi->start;

# The reply at RCPT.
sub reply
{
	my ($from, $to, $at) = @_;
	my $c = Postern::SMTP->new($pi->address, $at // $pi->port,
	    local => $pi->address);

	$c->cmd('EHLO client.example');
	$c->cmd("MAIL FROM:<$from>");
	my $r = $c->cmd("RCPT TO:<$to>");
	$c->close;
	return "$r->{code} $r->{text}";
}

like(reply('boss@test.example', 'user@test.example'), qr/^250 /,
    'a class that an access table names, and its own table');
like(reply('a@far.example', 'user@test.example'), qr/^554 5\.7\.1 /,
    'its table does not have this sender');
like(reply('a@far.example', 'user@test.example', $port),
    qr/^554 5\.7\.1 .*this line/, 'a table of one line of master.cf');
like(reply('bad@far.example', 'user@test.example'),
    qr/^554 5\.7\.1 .*in a long table/, 'a long table of restrictions');
like(reply('boss@test.example', 'x@relay.example'), qr/^554 5\.7\.1 .*outside/,
    'a long table of domains has it, and a class in a list refuses it');
like(reply('boss@test.example', 'x@other.example'),
    qr/^554 5\.7\.1 .*Relay access denied/, 'or has it not');

# An action that is about the whole message.
my $c = Postern::SMTP->new($pi->address, $moving);
$c->cmd($_) for 'EHLO client.example', 'MAIL FROM:<a@far.example>',
    'RCPT TO:<other@test.example>', 'RCPT TO:<x@relay.example>', 'DATA';
$c->raw("Subject: moved\r\n\r\n.\r\n");
like($c->reply->{raw}, qr/^250 /,
    'mail that is redirected');
$c->close;
my ($mail) = $pi->wait_mail('user', 1);
like($mail, qr/^X-Original-To: other\@test\.example\nDelivered-To: user\@test\.example\n/m,
    'is one message to one mailbox');
ok($pi->wait_empty, 'and no more than that');
is(scalar(@{[$pi->mail_files('user')]}), 1, 'one copy');
is(scalar(@{[$pi->mail_files('other')]}), 0, 'none elsewhere');
is(scalar($pi->grep_log(qr/cannot be asked|Server configuration error/)), 0,
    'nothing is complained of');
$pi->stop;
done_testing;
