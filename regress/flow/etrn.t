#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Mail that waits for a site is delivered when somebody asks for it: a client
# by ETRN, a user by postqueue -s, sendmail -qR, and one message by its id.
# Sites are those of fast_flush_domains; clients those that
# smtpd_etrn_restrictions lets in.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my $addr = free_address();
my $port = free_port($addr);
my $pi = Postern::Instance->new(ipv6 => 0, main => {
    relay_domains => 'relay.example, other.example, texthash:sites',
    transport_maps => 'texthash:transport',
    minimal_backoff_time => '1000s', maximal_backoff_time => '2000s',
    smtpd_error_sleep_time => 0,
    # A dead destination is tried for those who ask, and for nobody else.
});
$pi->file('sites', "table.example x\n");
$pi->file('transport', map { "$_.example smtp:[$addr]:$port\n" }
    qw(relay other table strange sub.relay));
$pi->start;

my @to = map { "x\@$_.example" } qw(relay other table strange sub.relay);
sub queued
{
	return join ' ', sort map { map { $_->{address} =~ s/^x@(.*)\.example$/$1/r }
	    @{ $_->{recipients} } } queue();
}

sub queue
{
	my ($st, $out) = $pi->cmd('postqueue', '-j');
	return map { JSON::PP->new->decode($_) } split /\n/, $out;
}

for my $to (@to) {
	my ($st) = $pi->cmd('sendmail', '-f', '', $to, { input => "Subject: x\n\n" });
	is($st, '0', "posted to $to");
}
ok($pi->wait_log(qr/to=<\Q$_\E>.*status=deferred/), "$_ is deferred") for @to;
is(queued(), 'other relay strange sub.relay table', 'all of it waits');

# --- what is answered --------------------------------------------------------

my $c = $pi->smtp;
like(join(' ', @{ $c->cmd('EHLO client.example')->{lines} }), qr/ ETRN /,
    'EHLO lists ETRN');
sub etrn
{
	my ($arg, $want, $what) = @_;
	my $r = $c->cmd("ETRN$arg");
	is("$r->{code} $r->{text}", $want, $what // "ETRN$arg");
}
etrn('', '500 5.5.4 Syntax: ETRN domain');
etrn(' a b', '500 5.5.4 Syntax: ETRN domain');
etrn(' -bad.example', '501 5.5.4 Error: invalid parameter syntax');
etrn(' a@b.example', '501 5.5.4 Error: invalid parameter syntax');
etrn(' strange.example', '459 4.7.0 <strange.example>: service unavailable',
    'a site that is not in fast_flush_domains');
ok($pi->wait_log(qr/reject: ETRN strange\.example\.\.\. from /), 'is logged');
etrn(' test.example', '459 4.7.0 <test.example>: service unavailable',
    'nor is our own');
$c->cmd('MAIL FROM:<>');
etrn(' relay.example', '503 5.5.1 Error: MAIL transaction in progress',
    'not within a transaction');
$c->cmd('RSET');

# --- what is delivered -------------------------------------------------------

my $sink = Postern::Sink->start(listen => ["$addr:$port"]);
sub got { return join ' ', sort map { @{ $_->{to} } } $sink->messages; }
sub gets
{
	my ($want, $what) = @_;
	my $n = () = split ' ', $want;
	$sink->wait($n, 15);
	is(got(), $want, $what);
	$sink->forget_messages;
}

etrn(' relay.example', '250 2.0.0 Queuing started');
gets('x@relay.example', 'ETRN: only mail of that site is tried');
ok(wait_until(sub { queued() eq 'other strange sub.relay table' }, 10),
    'the rest waits') or diag(queued());
etrn(' @SUB.relay.Example', '250 2.0.0 Queuing started',
    'a subdomain of a listed one, with the sign of RFC 1985');
gets('x@sub.relay.example', 'is delivered');
etrn(' table.example', '250 2.0.0 Queuing started', 'a site of a table');
gets('x@table.example', 'is delivered');
etrn(' relay.example', '250 2.0.0 Queuing started', 'nothing waits: no error');
like($c->cmd('QUIT')->{code}, qr/221/, 'QUIT');
like($pi->wait_log(qr/disconnect from .* etrn=/) // '',
    qr/etrn=4\/11 /, 'ETRN is counted');

# --- commands ----------------------------------------------------------------

# The same as somebody who is nobody here.
sub user
{
	my ($name, @args) = @_;
	return run('setpriv', '--reuid=64321', '--regid=64321',
	    '--clear-groups', '--', build_dir() . "/bin/$name", @args,
	    { env => { MAIL_CONFIG => $pi->etc } });
}

my ($st, $out, $err) = $pi->cmd('postqueue', '-s', 'nonsense@x');
isnt($st, '0', 'postqueue -s: no site');
SKIP: {
	skip 'root alone can be another user', 6
	    if $> != 0 || !which('setpriv');
	($st, $out, $err) = user('postqueue', '-s', 'strange.example');
	is($st, '69', 'postqueue -s strange site, by a user: EX_UNAVAILABLE');
	like($err, qr/Flush service is not configured for destination "strange\.example"/,
	    'it says why');
	($st, $out, $err) = user('postqueue', '-s', 'other.example');
	is($st, '0', 'postqueue -s site, by a user') or diag($err);
	gets('x@other.example', 'is delivered');
	$pi->set(authorized_flush_users => 'root')->reload;
	($st, $out, $err) = user('postqueue', '-s', 'other.example');
	is($st, '77', 'not one of authorized_flush_users: EX_NOPERM');
	($st) = user('sendmail', '-qRother.example');
	is($st, '77', 'nor with sendmail -qR');
}
my ($m) = grep { $_->{recipients}[0]{address} eq 'x@strange.example' } queue();
is(scalar $pi->cmd('postqueue', '-i', $m->{queue_id}), '0', 'postqueue -i id');
gets('x@strange.example', 'tries that message');
$sink->stop;
$pi->cmd('sendmail', '-f', '', 'x@relay.example', { input => "\n\n" });
ok(wait_until(sub { queued() =~ /^(?:other )?relay$/ &&
    $pi->grep_log(qr/x\@relay\.example.*status=deferred/) > 1 }, 10), 'one more');
$sink = Postern::Sink->start(listen => ["$addr:$port"]);
is(scalar $pi->cmd('sendmail', '-qRrelay.example'), '0', 'sendmail -qRsite');
gets('x@relay.example', 'delivers it');

# --- who may -----------------------------------------------------------------

$pi->file('access', "relay.example 550 5.7.1 not for you\n");
$pi->set(smtpd_etrn_restrictions =>
    'check_etrn_access texthash:access, permit_mynetworks, reject')->reload;
$c = $pi->smtp;
$c->cmd('EHLO client.example');
etrn(' relay.example', '550 5.7.1 <relay.example>: Etrn command rejected: not for you',
    'check_etrn_access');
etrn(' other.example', '250 2.0.0 Queuing started', 'permit_mynetworks');
$c->cmd('QUIT');
$pi->set(mynetworks => '192.0.2.0/24')->reload;
$c = $pi->smtp;
$c->cmd('EHLO client.example');
etrn(' other.example', '554 5.7.1 <other.example>: Etrn command rejected: Access denied',
    'an outsider');
ok($pi->wait_log(qr/NOQUEUE: reject: ETRN from \S+: 554 5\.7\.1 <other\.example>: Etrn command rejected: Access denied; proto=ESMTP helo=<client\.example>/),
    'is logged');
$c->cmd('QUIT');
$pi->set(fast_flush_domains => 'strange.example',
    smtpd_etrn_restrictions => '', smtpd_discard_ehlo_keywords => 'etrn')->reload;
$c = $pi->smtp;
unlike(join(' ', @{ $c->cmd('EHLO client.example')->{lines} }), qr/ETRN/,
    'smtpd_discard_ehlo_keywords takes it away');
etrn(' strange.example', '250 2.0.0 Queuing started', 'fast_flush_domains');
etrn(' relay.example', '459 4.7.0 <relay.example>: service unavailable',
    'and nothing else');

# --- too many, and nobody there ----------------------------------------------

my $late = 0;
for (1 .. 60) {
	last if ($late = $c->cmd('ETRN strange.example')->{code}) != 250;
}
is($late, 458, 'more than the queue manager takes: later');
$c = $pi->smtp;
$c->cmd('HELO client.example');
my ($qmgr) = $pi->component('qmgr');
kill 'STOP', $qmgr;
$c->raw("ETRN strange.example\r\n");
kill 'KILL', $qmgr;
my $r = $c->reply;
is("$r->{code} $r->{text}", '458 4.3.0 Unable to queue messages',
    'the queue manager ends: service down');
is($pi->stop, 0, 'all processes ended');
done_testing;
