#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Which way mail goes: transport tables as transport(5) describes them, the
# transports of the address classes, relayhost; and the transports that
# deliver nothing: error, retry, discard, and those that are deferred.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my ($s1, $s2) = map { Postern::Sink->start } 1 .. 2;
my ($p1, $p2) = map { $_->port } $s1, $s2;
my $pi = Postern::Instance->new(ipv6 => 0, main => {
    transport_maps => 'texthash:transport',
    relay_domains => 'relay.example',
    smtp_host_lookup => 'native',
    relayhost => "[127.0.0.1]:$p1",
    recipient_delimiter => '+',
    minimal_backoff_time => '1000s', maximal_backoff_time => '1000s',
    defer_transports => 'slow',
    virtual_alias_domains => 'alias.example',
    virtual_alias_maps => 'texthash:aliases',
}, master => ['slow unix - - n - - smtp', 'other unix - - n - - smtp']);
$pi->file('aliases', "out\@gone.example friend\@away.example\n");
$pi->file('transport', <<"END");
gone.example          error:5.1.1 gone
plain.example         error:no code here
bare.example          error:
four.example          error:4.2.2 wrong class
later.example         retry:4.3.9 not today
null.example          discard:thrown away
null2.example         discard:
coded.example         discard:2.1.9 with a code
slow.example          slow:[127.0.0.1]:$p2
user+ext\@key.example smtp:[127.0.0.1]:$p2
user\@key.example     error:5.1.8 user
key.example           error:5.1.9 domain
.key.example          error:5.1.10 parent
nexthop.example       :[127.0.0.1]:$p2
keep.example          :
inet.example          other:inet:[127.0.0.1]:$p2
nosuch.example        nosuch:[127.0.0.1]:$p2
END
$pi->start;

# --- refused while the client is there ---------------------------------------

my $c = $pi->smtp;
$c->cmd('EHLO client.example');
$c->cmd('MAIL FROM:<a@away.example>');
for my $case (
    ['x@gone.example', '550 5.1.1 <x@gone.example>: Recipient address rejected: gone'],
    ['x@plain.example', '550 5.1.1 <x@plain.example>: Recipient address rejected: no code here'],
    ['x@bare.example', '550 5.1.1 <x@bare.example>: Recipient address rejected: Address is undeliverable'],
    ['x@later.example', '450 4.3.9 <x@later.example>: Recipient address rejected: not today'],
    ['user@key.example', '550 5.1.8 <user@key.example>: Recipient address rejected: user'],
    ['user+oth@key.example', '550 5.1.8 <user+oth@key.example>: Recipient address rejected: user'],
    ['who@key.example', '550 5.1.9 <who@key.example>: Recipient address rejected: domain'],
    ['who@sub.key.example', '550 5.1.10 <who@sub.key.example>: Recipient address rejected: parent'],
    ['who@a.sub.key.example', '550 5.1.10 <who@a.sub.key.example>: Recipient address rejected: parent'],
    ['x@alias.example', '550 5.1.1 <x@alias.example>: Recipient address rejected: User unknown in virtual alias table'],
    ) {
	my $r = $c->cmd("RCPT TO:<$case->[0]>");
	is($r->{code} . ' ' . ($r->{text} // ''), $case->[1], "RCPT $case->[0]");
}
is($c->cmd('RCPT TO:<out@gone.example>')->{code}, 250,
    'an address with an alias is not refused for its transport');
is($c->cmd('RCPT TO:<x@null.example>')->{code}, 250, 'nor for discard');
$c->cmd('QUIT');

# --- the fate of mail that is in the queue -----------------------------------

sub post
{
	my ($to, @opt) = @_;
	my ($st, $out, $err) = $pi->cmd('sendmail', '-f', '', @opt, '--', $to,
	    { input => "Subject: x\n\ntext\n" });
	is($st, '0', "posted to $to") or diag($err);
}

my $d = qr/delay=[\d.]+, delays=[\d.]+\/[\d.]+\/0\/0/;
for my $case (
    ['x@gone.example', 'dsn=5.1.1, status=bounced (gone)'],
    ['x@plain.example', 'dsn=5.0.0, status=bounced (no code here)'],
    ['x@bare.example', 'dsn=5.0.0, status=bounced (Address is undeliverable)'],
    ['x@later.example', 'dsn=4.3.9, status=deferred (not today)'],
    ['x@null.example', 'dsn=2.0.0, status=sent (thrown away)'],
    ['x@null2.example', 'dsn=2.0.0, status=sent (null2.example)'],
    ['x@coded.example', 'dsn=2.1.9, status=sent (with a code)'],
    ['x@slow.example', 'dsn=4.3.2, status=deferred (deferred transport)'],
    ['x@nosuch.example', 'dsn=4.3.5, status=deferred (mail transport unavailable'],
    ) {
	my ($to, $want) = @$case;
	post($to);
	ok($pi->wait_log(qr/to=<\Q$to\E>, relay=none, $d, \Q$want\E/),
	    "log line: $want");
}

# --- where the rest goes -----------------------------------------------------

sub goes
{
	my ($sink, $to, $why) = @_;
	my $n = () = $sink->messages;
	post($to);
	my @m = $sink->wait($n + 1, 10);
	is(@m > $n ? "@{ $m[-1]{to} }" : 'nothing', $to, $why);
	$sink->forget_messages;
}

goes($s2, 'user+ext@key.example', 'user+extension@domain is the first key');
goes($s2, 'x@nexthop.example', 'a next hop alone keeps the transport');
goes($s1, 'x@keep.example', 'a colon alone keeps both');
goes($s1, 'x@else.example', 'relayhost is the next hop of other domains');
goes($s1, 'x@relay.example', 'and of relay_domains');
goes($s2, 'x@inet.example', 'inet: before a host changes nothing');
ok($pi->wait_log(qr/x\@inet\.example.*relay=127\.0\.0\.1\[127\.0\.0\.1\]:$p2.*status=sent/),
    'by that host');

# --- a star, and the transports of the classes -------------------------------

sub again
{
	my ($table, %set) = @_;
	$pi->file('transport', $table);
	$pi->set(%set)->reload;
}

again("known.example smtp:[127.0.0.1]:$p1\n* smtp:[127.0.0.1]:$p2\n");
goes($s2, 'x@anything.example', 'the star is for whatever has no key');
goes($s1, 'x@known.example', 'and not for what has');
again('', default_transport => "smtp:[127.0.0.1]:$p2");
goes($s2, 'x@some.example', 'the next hop of default_transport is before relayhost');
goes($s1, 'x@relay.example', 'relay_transport has none');
again('', relay_transport => "smtp:[127.0.0.1]:$p2", default_transport => 'smtp');
goes($s2, 'x@relay.example', 'the next hop of relay_transport');
again('', default_transport => 'error:5.7.9 no mail leaves',
    relay_transport => 'discard:relayed to nowhere',
    local_transport => 'error:5.1.7 nobody lives here',
    mydestination => 'here.example', local_recipient_maps => '');
for my $case (
    ['x@out.example', 'dsn=5.7.9, status=bounced (no mail leaves)'],
    ['x@relay.example', 'dsn=2.0.0, status=sent (relayed to nowhere)'],
    ['x@here.example', 'dsn=5.1.7, status=bounced (nobody lives here)']) {
	my ($to, $want) = @$case;
	post($to);
	ok($pi->wait_log(qr/to=<\Q$to\E>, relay=none, $d, \Q$want\E/),
	    "log line: $want");
}
$c = $pi->smtp;
$c->cmd('HELO client.example');
$c->cmd('MAIL FROM:<>');
is($c->cmd('RCPT TO:<x@here.example>')->{text},
    '5.1.7 <x@here.example>: Recipient address rejected: nobody lives here',
    'local_transport = error refuses at RCPT');
$c->cmd('QUIT');

# --- deferred transports are flushed, soft_bounce keeps mail ------------------

again("slow.example slow:[127.0.0.1]:$p2\n");
my $n = () = $s2->messages;
$pi->cmd('postqueue', '-f');
my @m = $s2->wait($n + 1, 10);
is(@m > $n ? "@{ $m[-1]{to} }" : 'nothing', 'x@slow.example',
    'a flush delivers by deferred transports, too');
again("soft.example error:5.1.1 gone\n", soft_bounce => 'yes');
post('x@soft.example');
ok($pi->wait_log(qr/to=<x\@soft\.example>.*dsn=4\.1\.1, status=deferred \(gone\)/),
    'soft_bounce: error defers');

# A sender is told the reason.
$pi->set(soft_bounce => 'no')->reload;
again("gone.example error:5.1.1 gone\n", soft_bounce => 'no',
    default_transport => 'smtp');
$pi->cmd('sendmail', '-f', 'user@test.example', 'x@gone.example',
    { input => "Subject: notice me\n\n" });
my ($notice) = grep { /gone\.example/ } $pi->wait_mail('user', 1);
like($notice // '', qr/Status: 5\.1\.1/, 'the notice has the status');
like($notice // '', qr/Diagnostic-Code: X-Postfix; gone|gone/,
    'and the reason');
is($pi->stop, 0, 'all processes ended');
done_testing;
