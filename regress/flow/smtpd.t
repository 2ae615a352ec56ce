#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The SMTP server as clients see it: what it says, whom it lets in, where a
# message ends, how many sessions it takes.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my ($friend, $stranger, $listed) = qw(127.0.0.1 127.0.0.5 127.0.0.6);
my $pi = Postern::Instance->new(
    main => {
	mynetworks => "$friend/32",
	smtpd_banner => '$myhostname ESMTP here',
	message_size_limit => 20000,
	smtpd_recipient_limit => 3,
	smtpd_peername_lookup => 'no',
	smtpd_relay_restrictions =>
	    'permit_mynetworks reject_unauth_destination',
	smtpd_client_restrictions => 'check_client_access texthash:clients',
    });
$pi->file('clients', "$listed REJECT not you\n");
my $narrow = free_port($pi->address);
my $odd = free_port($pi->address);
my $open = free_port($pi->address);
my $here = $pi->address;
$pi->{master} = [
    "$here:$narrow inet n - y - 2 smtpd",
    "$here:$odd inet n - y - - smtpd" .
	" -o smtpd_client_restrictions=reject_the_moon",
    "$here:$open inet n - y - - smtpd -o smtpd_relay_restrictions=permit" .
	" -o smtpd_recipient_restrictions=permit",
];
$pi->write_master;
$pi->start;

sub client
{
	my ($from, $port) = @_;

	return Postern::SMTP->new($here, $port // $pi->port, local => $from);
}

sub said
{
	my ($c, $cmd, $want, $name) = @_;

	return like($c->cmd($cmd)->{raw}, qr/^\Q$want\E/, $name // $cmd);
}

# --- the words --------------------------------------------------------------
my $c = client($stranger);
is($c->banner->{raw}, "220 mx.test.example ESMTP here\r\n", 'banner');
my $r = $c->ehlo;
is_deeply([sort keys %{ $c->ext }],
    [qw(8BITMIME CHUNKING DSN ENHANCEDSTATUSCODES ETRN PIPELINING SIZE VRFY)],
    'extensions');
is($c->ext->{SIZE}, 20000, 'SIZE tells the limit');
said($c, 'EXPN list', '502 5.5.1');
said($c, 'VRFY user@test.example', '252 2.0.0');
said($c, 'RCPT TO:<user@test.example>', '503 5.5.1', 'RCPT before MAIL');
said($c, 'MAIL FROM:<a@b.example> SIZE=20001', '552 5.3.4', 'too large');
said($c, 'MAIL FROM:<a@b.example>', '250 2.1.0');
said($c, 'RCPT TO:<nobody@test.example>', '550 5.1.1', 'unknown mailbox');
said($c, 'RCPT TO:<x@far.example>', '554 5.7.1', 'no relay for strangers');
said($c, 'DATA', '554 5.5.1', 'DATA without recipients');
said($c, 'RCPT TO:<user@test.example>', '503 5.5.1', 'which ends it all');
said($c, 'MAIL FROM:<a@b.example>', '250 2.1.0');
said($c, 'RCPT TO:<user@test.example>', '250 2.1.5', "recipient $_")
    for 1 .. 3;
said($c, 'RCPT TO:<user@test.example>', '452 4.5.3', 'one too many');
said($c, 'DATA', '354');
$c->raw("Subject: big\r\n\r\n" . ('x' x 70 . "\r\n") x 400 . ".\r\n");
like($c->reply->{raw}, qr/^552 5\.3\.4/, 'a message that is too large');
said($c, 'QUIT', '221 2.0.0');
ok($c->closed(5), 'and it closes');
ok($pi->wait_log(qr/NOQUEUE: reject: RCPT from unknown\[$stranger\]: 554 5\.7\.1 <x\@far\.example>: Relay access denied; from=<a\@b\.example> to=<x\@far\.example> proto=ESMTP helo=<client\.example>/),
    'the refusal is logged');
ok($pi->wait_log(qr/disconnect from unknown\[$stranger\] ehlo=1 mail=2\/3 rcpt=3\/8 data=0\/2 vrfy=1 expn=0\/1 quit=1 commands=8\/17/),
    'and the end, with its counts') or diag grep { /disconnect/ } $pi->log;

# --- who may ----------------------------------------------------------------
$c = client($friend);
$c->ehlo;
said($c, 'MAIL FROM:<>', '250');
said($c, 'RCPT TO:<x@far.example>', '250', 'a friend may relay');
$c->quit;
$c = client($listed);
$c->ehlo;
said($c, 'MAIL FROM:<>', '250');
said($c, 'RCPT TO:<user@test.example>',
    "554 5.7.1 <unknown[$listed]>: Client host rejected: not you",
    'an access table');
$c->quit;

# --- a rule that nobody knows, and no rule at all ---------------------------
$c = client($friend, $odd);
$c->ehlo;
said($c, 'MAIL FROM:<>', '250');
said($c, 'RCPT TO:<user@test.example>', '451 4.3.5', 'an unknown rule');
ok($pi->wait_log(qr/unknown smtpd restriction: "reject_the_moon"/),
    'is named in the log');
$c->quit;
$c = client($friend, $open);
like($c->banner->{raw}, qr/^451 4\.3\.5/, 'an open relay is not opened');
ok($pi->wait_log(qr/specify at least one working instance of/),
    'the log says why');

# --- where a message ends ---------------------------------------------------
for my $end ("\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n") {
	my $shown = $end =~ s/\r/<CR>/gr =~ s/\n/<LF>/gr;

	$c = client($stranger);
	$c->ehlo;
	$c->cmd($_) for 'MAIL FROM:<a@b.example>',
	    'RCPT TO:<user@test.example>', 'DATA';
	$c->raw("Subject: one\r\n\r\none$end" .
	    "MAIL FROM:<evil\@b.example>\r\nRCPT TO:<user\@test.example>\r\n" .
	    "DATA\r\nSubject: two\r\n\r\ntwo\r\n.\r\n");
	like($c->reply->{raw}, qr/^250 2\.0\.0 Ok: queued as \w+\r\n\z/,
	    "$shown does not end a message");
	ok($c->quiet(0.2), 'one message, one reply');
	$c->quit;
}
is(scalar $pi->grep_log(qr/from=<evil\@/), 0, 'nothing was smuggled');

# --- early talkers ----------------------------------------------------------
$c = client($stranger);
$c->raw("EHLO x\r\nMAIL FROM:<>\r\n");
like($c->reply->{raw}, qr/^554 5\.5\.0/, 'EHLO has to be waited for');
ok($c->closed(5), 'and ends it');

# --- pipelining -------------------------------------------------------------
$c = client($stranger);
$c->ehlo;
$c->raw("MAIL FROM:<a\@b.example>\r\nRCPT TO:<user\@test.example>\r\n" .
    "RCPT TO:<nobody\@test.example>\r\nRCPT TO:<other\@test.example>\r\n" .
    "DATA\r\n");
is(join(' ', map { $c->reply->{code} } 1 .. 5), '250 250 550 250 354',
    'replies come in order');
$c->raw("Subject: p\r\n\r\n.\r\nQUIT\r\n");
is($c->reply->{code}, 250, 'queued');
is($c->reply->{code}, 221, 'and gone');

# --- BDAT -------------------------------------------------------------------
my $text = "Subject: chunks\r\n\r\n" .
    join '', map { ('.', '..', 'QUIT', 'x' x 70)[$_ % 4] . "\r\n" } 1 .. 400;
$c = client($friend);
$c->ehlo;
my @sizes = (1, 2, 3, 1000, 4096);
my ($sent, $rest, $chunks) = ('', $text, 0);
while (length $rest) {
	my $chunk = substr $rest, 0, $sizes[$chunks++ % @sizes], '';
	$sent .= 'BDAT ' . length($chunk) . (length $rest ? '' : ' LAST') .
	    "\r\n$chunk";
}
$c->raw("MAIL FROM:<a\@b.example>\r\nRCPT TO:<user\@test.example>\r\n$sent" .
    "NOOP\r\n");
my @said = map { $c->reply->{text} } 1 .. $chunks + 3;
is(scalar(grep { /^Ok: \d+ bytes$/ } map { s/^2\.0\.0 //r } @said), $chunks - 1,
    'each chunk is acknowledged') or diag join "\n", @said;
my ($chunked) = map { /queued as (\w+)/ ? $1 : () } @said;
ok(defined $chunked && $pi->wait_log(qr/\Q$chunked\E: removed/),
    'the last one is the message');
my ($got) = grep { /^Subject: chunks$/m } $pi->mail('user');
is((split /\n\n/, $got // '', 2)[1], (split /\n\n/, $text =~ s/\r//gr, 2)[1],
    'which is delivered as it was sent');
$c->raw("BDAT 6 LAST\r\nQUIT\r\n");
is($c->reply->{code}, 503, 'after it: 503');
$c->raw("MAIL FROM:<a\@b.example>\r\nRCPT TO:<user\@test.example>\r\n" .
    "BDAT 15000\r\n" . 'x' x 15000 . "BDAT 9000\r\n" . 'x' x 9000 .
    "BDAT 6 LAST\r\nQUIT\r\n");
is(join(' ', map { $c->reply->{code} } 1 .. 5), '250 250 250 552 503',
    'too large: its rest is void');
said($c, 'RCPT TO:<user@test.example>', '503 5.5.1', 'so is the transaction');
said($c, 'NOOP', '250', 'and no content was taken for a command');
$c->quit;
ok($pi->wait_log(qr/ bdat=\d+\/\d+ /), 'the log counts them');

# --- how many ---------------------------------------------------------------
my @busy = map { client($friend, $narrow) } 1 .. 2;
is($_->banner->{code}, 220, 'a session within the limit') for @busy;
my $late = Postern::SMTP->new($here, $narrow, local => $friend,
    no_banner => 1);
ok($late->quiet(0.5), 'the one beyond it waits');
$busy[0]->quit;
like($late->reply->{raw}, qr/^220/, 'and is served when one has gone');
$_->quit for $busy[1], $late;

# --- reload: sessions go on -------------------------------------------------
$c = client($friend);
$c->ehlo;
$pi->set(smtpd_banner => '$myhostname ESMTP anew');
$pi->reload;
said($c, 'NOOP', '250', 'a session lives on over a reload');
like(client($friend)->banner->{text}, qr/anew/, 'new ones are under new rules');
$c->quit;

# --- a worker dies ----------------------------------------------------------
my ($worker) = map { $_->{pid} } grep { $_->{component} eq 'smtpd' }
    @{ $pi->json('status')->{status}{processes} };
$c = client($friend);
kill 'KILL', $worker;
ok($c->closed(5), 'a session ends with its worker');
ok(wait_until(sub {
	my $n = client($friend);
	return $n && $n->banner->{code} == 220;
}, 10), 'another takes over');

is($pi->stop, 0, 'stopped');
done_testing;
