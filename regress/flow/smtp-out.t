#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Mail on its way out: from a domain to its servers through a real name
# server, to servers that refuse, vanish and keep silent, and what the log
# says of each recipient.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::DNS;
use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless(Postern::DNS->available, 'nsd is not installed');

my $sink = Postern::Sink->start(listen => ['127.0.0.1:0']);
my $port = $sink->port;
my $lmtp = Postern::Sink->start(lmtp => 1);
my $silent = Postern::Sink->start;
my $v6 = have_ipv6() ? Postern::Sink->start(listen => ['[::1]:0']) : undef;
my $dns = Postern::DNS->start(zones => { 'example.' => [
    'live IN MX 10 a',
    'second IN MX 20 a', 'second IN MX 10 dead',
    'dead IN A 127.0.0.3', 'down IN MX 10 dead',
    'nomx IN A 127.0.0.1',
    'a IN A 127.0.0.1',
    'null IN MX 0 .',
    'inside IN MX 10 metadata', 'metadata IN A 169.254.169.254',
    'six IN MX 10 b', 'b IN AAAA ::1',
    'ours IN MX 10 self', 'self IN A 127.0.0.1',
    # Too much for a datagram: asked for again over TCP.
    'big IN MX 10 a', map("big IN MX 9$_ a-rather-long-name-number-$_.nowhere",
	10 .. 55),
] });
my $pi = Postern::Instance->new(main => {
    dns_servers => $dns->server,
    smtp_tcp_port => $port,
    inet_interfaces => 'all',
    smtp_host_lookup => 'dns',
    transport_maps => 'texthash:transport',
    minimal_backoff_time => '2s', queue_run_delay => '2s',
    maximal_backoff_time => '4s',
});
$pi->{master} = [
    'silent unix - - n - - smtp -o smtp_helo_timeout=2s' .
	' -o smtp_connect_timeout=1s',
    'six unix - - n - - smtp -o smtp_tcp_port=' . ($v6 ? $v6->port : 25),
    'back unix - - n - - smtp -o smtp_tcp_port=' . $pi->port,
];
$pi->write_master;
$pi->file('transport', 'by-lmtp.example lmtp:' . $lmtp->nexthop . "\n",
    'silent.example silent:' . $silent->nexthop . "\n",
    "six.example six:\n", "ours.example back:\n",
    "internal.example smtp:[127.0.0.1]:$port\n");
$pi->start;

# One message to an address; what the log says of it.
sub fate
{
	my ($to, %m) = @_;
	my $reply = $pi->send(from => 's@test.example', to => $to, %m);

	return 'not accepted' if $reply->{code} != 250;
	my $line = $pi->wait_log(qr/ to=<\Q$to\E>, .*status=/, 20);
	return $line // 'nothing in the log';
}

my $line = fate('one@live.example', data =>
    "Subject: dots\n\n.\n..two\n" . 'x' x 2500 . "\nend\n");
like($line, qr{smtp\[\d+\]: \S+: to=<one\@live\.example>, relay=a\.example\[127\.0\.0\.1\]:$port, delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.\d\.\d, status=sent \(250 },
    'delivered to the MX host');
my ($m) = $sink->wait(1, 10);
is($m->{from}, 's@test.example', 'the sender');
like($m->{data}, qr/\r\n\r\n\.\r\n\.\.two\r\n/, 'dots arrive as they were');
is(scalar(grep { length > 998 } split /\r\n/, $m->{data}), 0,
    'long lines are folded');
like($m->{data} =~ s/\r\n //gr, qr/\r\nx{2500}\r\nend/,
    'nothing of them is lost');

like(fate('x@second.example'),
    qr/relay=a\.example\[127\.0\.0\.1\]:$port,.*status=sent/,
    'the better server is down: the next one');
ok($pi->wait_log(qr/connect to dead\.example\[127\.0\.0\.3\]:$port: Connection refused/),
    'and the log says so');
like(fate('x@nomx.example'), qr/relay=nomx\.example.*status=sent/,
    'no MX record: the address itself');
like(fate('x@big.example'), qr/relay=a\.example.*status=sent/,
    'more MX records than fit in a datagram');
like(fate('x@down.example'),
    qr/relay=none,.*dsn=4\.4\.1, status=deferred \(connect to dead\.example\[127\.0\.0\.3\]:$port: Connection refused\)/,
    'all are down');
like(fate('x@null.example'),
    qr/relay=none,.*dsn=5\.1\.0, status=bounced \(Domain null\.example does not accept mail \(nullMX\)\)/,
    'null MX');
like(fate('x@nowhere.example'),
    qr/dsn=5\.4\.4, status=bounced \(Host or domain name not found\. Name service error for name=nowhere\.example type=MX: Host not found\)/,
    'no such domain');
like(fate('x@inside.example'), qr/dsn=5\.4\.4, status=bounced/,
    'a DNS record leads us to no metadata service');
like(fate('x@ours.example'),
    qr/dsn=5\.4\.6, status=bounced \(mail for ours\.example loops back to myself\)/,
    'we are the MX host');
like(fate('x@internal.example'), qr/relay=127\.0\.0\.1\[127\.0\.0\.1\]:$port,.*status=sent/,
    'a configured next hop may be on loopback');

SKIP: {
	skip 'no IPv6 here', 1 unless $v6;
	my $p = $v6->port;
	like(fate('x@six.example'),
	    qr/relay=b\.example\[::1\]:$p,.*status=sent/, 'IPv6');
}

$sink->rule(rcpt => '550 5.1.1 no such user', match => 'nobody@');
like(fate('nobody@live.example'),
    qr/relay=a\.example\[127\.0\.0\.1\]:$port,.*dsn=5\.1\.1, status=bounced \(host a\.example\[127\.0\.0\.1\] said: 550 5\.1\.1 no such user \(in reply to RCPT TO command\)\)/,
    'refused for good');
$sink->rule(rcpt => '450 4.2.0 later', match => 'grey@', times => 1);
like(fate('grey@live.example'),
    qr/dsn=4\.2\.0, status=deferred \(host a\.example\[127\.0\.0\.1\] said: 450 4\.2\.0 later/,
    'refused for now');
ok($pi->wait_log(qr/to=<grey\@live\.example>,.*status=sent/, 20),
    'and delivered at the next try');

$silent->rule(ehlo => 'hang');
like(fate('x@silent.example'),
    qr/dsn=4\.4\.2, status=deferred \(conversation with 127\.0\.0\.1\[127\.0\.0\.1\] timed out while performing the EHLO handshake\)/,
    'a server that says nothing');

$silent->clear->rule(connect => 'hang');
like(fate('y@silent.example'),
    qr/dsn=4\.4\.2, status=deferred \(conversation with 127\.0\.0\.1\[127\.0\.0\.1\] timed out while receiving the initial server greeting\)/,
    'not even a greeting');

$lmtp->rule(eod => '452 4.2.2 full', match => 'full@', times => 1);
$pi->send(from => 's@test.example',
    to => ['ok@by-lmtp.example', 'full@by-lmtp.example']);
ok($pi->wait_log(qr/to=<ok\@by-lmtp\.example>,.*status=sent/), 'LMTP');
ok($pi->wait_log(qr/to=<full\@by-lmtp\.example>,.*dsn=4\.2\.2, status=deferred.*in reply to end of DATA command/),
    'each recipient has an answer of its own');

# A burst goes over few connections.
my $before = $sink->stats->{connections};
my $c = $pi->smtp;
$c->ehlo;
for my $i (1 .. 20) {
	$c->cmd("MAIL FROM:<s\@test.example>");
	$c->cmd("RCPT TO:<burst$i\@live.example>");
	$c->cmd('DATA');
	$c->cmd("Subject: $i\r\n\r\nx\r\n.");
}
$c->quit;
ok($pi->wait_log(qr/to=<burst20\@live\.example>,.*status=sent/, 20),
    'a burst is delivered');
my $used = $sink->stats->{connections} - $before;
cmp_ok($used, '<', 20, "over few connections ($used)");
ok($pi->wait_log(qr/to=<burst\d+\@live\.example>, relay=\S+, conn_use=\d+, /),
    'which shows');

# The client dies with mail in its hands: another takes it up.
$sink->rule(data => 'delay 3', times => 1);
$pi->send(from => 's@test.example', to => 'crash@live.example');
wait_until(sub { $sink->stats->{open} > 0 }, 5);
sleep 1;
kill 'KILL', $pi->component('smtp');
ok($pi->wait_log(qr/to=<crash\@live\.example>,.*status=sent/, 30),
    'killed in the middle, and delivered');

# No name server: mail waits.
$dns->stop;
like(fate('x@other.example'), qr/dsn=4\.4\.3, status=deferred/,
    'without name servers mail waits');
$pi->stop;
done_testing;
