#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Mail that goes on to other servers: by transport table, relayhost, MX
# records of a real name server, IPv4 and IPv6; to servers that refuse, stall
# and hang up; and what its sender is told.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time);

use Postern::DNS;
use Postern::Instance;
use Postern::Peers;
use Postern::Sink;
use Postern::Trial;
use Postern::Util qw(:all);

Postern::Instance->need;
Postern::Peers::need('nsd');

# One port for all servers that MX records lead to, Postern among them.
my ($near, $far, $dead, $home) = map { free_address() } 1 .. 4;
my $port = free_port($home);
my $v6 = have_ipv6();
my @bad = map { "bad$_" } 1 .. 40;
my %bad = map { $_ => free_address() } @bad;
my $sink = Postern::Sink->start(listen => ["$near:$port", "$far:$port",
    $v6 ? "[::1]:$port" : (), map { "$_:$port" } values %bad]);
my $store = Postern::Sink->start;
my $lmtp = Postern::Sink->start(lmtp => 1);
my $slow = Postern::Sink->start(rules => [
    { stage => 'data', action => 'delay 0.15' }]);
my $dns = Postern::DNS->start(broken => ['broken.test'], zones => {
    'zone.test' => [
	"near IN A $near", "far IN A $far", "dead IN A $dead",
	"home IN A $home", 'six IN AAAA ::1', "both IN A $dead",
	'both IN AAAA ::1', 'private IN A 10.255.255.1',
	'prefer IN MX 10 near', 'prefer IN MX 20 far',
	'reverse IN MX 20 near', 'reverse IN MX 10 far',
	'deadfirst IN MX 10 dead', 'deadfirst IN MX 20 far',
	'lost IN MX 10 gone', 'lost IN MX 20 near',
	'nomx IN A ' . $near, 'v6 IN MX 10 six', 'mixed IN MX 10 both',
	'null IN MX 0 .', 'noaddress IN MX 10 gone', 'txt IN TXT "x"',
	'alias IN CNAME prefer', 'tous IN MX 10 home',
	'backup IN MX 10 dead', 'backup IN MX 20 home',
	'backup IN MX 30 near', 'inside IN MX 10 private',
	'alldead IN MX 10 dead', 'expire IN MX 10 dead',
	map({ ("$_ IN MX 10 host.$_", "host.$_ IN A $bad{$_}") } @bad) ],
});
my $pi = Postern::Instance->new(address => $home, port => $port,
    ipv6 => 0, main => {
	dns_servers => $dns->server,
	smtp_tcp_port => $port,
	inet_interfaces => $home,
	smtpd_peername_lookup => 'no',
	transport_maps => 'texthash:transport',
	minimal_backoff_time => '1s', maximal_backoff_time => '2s',
	queue_run_delay => '1s',
	smtp_connect_timeout => '1s', smtp_helo_timeout => '1s',
	smtp_mail_timeout => '1s', smtp_rcpt_timeout => '1s',
	smtp_data_init_timeout => '1s', smtp_data_done_timeout => '1s',
	smtp_rset_timeout => '1s', smtp_quit_timeout => '1s',
	default_destination_concurrency_limit => 3,
    });
$pi->file('transport', "direct.test smtp:@{[ $sink->nexthop ]}\n",
    ".under.test smtp:@{[ $sink->nexthop(1) ]}\n",
    "one\@person.test smtp:@{[ $sink->nexthop(1) ]}\n",
    "byname.test smtp:prefer.zone.test\n",
    "portmx.test smtp:prefer.zone.test:$port\n",
    "bytes.test smtp:@{[ $store->nexthop ]}\n",
    "slow.test smtp:@{[ $slow->nexthop ]}\n",
    "lmtp.test lmtp:inet:@{[ $lmtp->nexthop ]}\n",
    "mixed.test smtp:@{[ $sink->nexthop ]}\n");
$pi->start;

my $number = 0;
my %sent;       # X-Trial => 1

# One message; its X-Trial and queue id.
sub post
{
	my ($to, %m) = @_;
	my $tag = 'r' . ++$number;
	my $r = $pi->send(from => 'user@test.example', to => $to,
	    data => Postern::Trial::header($tag) . "A line.\r\n", %m);

	is($r->{code}, 250, 'taken for ' . (ref $to ? "@$to" : $to)) or
	    diag $r->{text};
	return ($tag, $r->{id} // 'none');
}

# The message with this tag, from a sink.
sub at_sink
{
	my ($tag, $from, $seconds) = @_;
	my @found;

	wait_until(sub {
		@found = grep { $_->{data} =~ /^X-Trial: \Q$tag\E\r$/m }
		    ($from // $sink)->messages;
		return scalar @found;
	}, $seconds // 10);
	return $found[0];
}

# What the log says became of a recipient.
sub fate
{
	my ($id, $rcpt, $pattern, $name, $seconds) = @_;

	ok($pi->wait_log(qr/: \Q$id\E: to=<\Q$rcpt\E>,.*$pattern/, $seconds //
	    15),
	    $name) or
	    diag join "\n", "no $pattern", $pi->grep_log(qr/\Q$id\E/);
}

# --- where it goes -----------------------------------------------------------
for my $case (
	[direct => 'a@direct.test', $near, 'transport table, [address]:port'],
	[parent => 'a@deep.under.test', $far, 'parent domain in the table'],
	[person => 'one@person.test', $far, 'one address in the table'],
	[byname => 'a@byname.test', $near, 'a next hop with MX records'],
	[portmx => 'a@portmx.test', $near, 'and a port'],
	[prefer => 'a@prefer.zone.test', $near, 'the better MX'],
	[order => 'a@reverse.zone.test', $far, 'whatever its order'],
	[fallback => 'a@deadfirst.zone.test', $far, 'MX 10 dead, MX 20 not'],
	[lost => 'a@lost.zone.test', $near, 'an MX without an address'],
	[nomx => 'a@nomx.zone.test', $near, 'no MX but an address'],
	[alias => 'a@alias.zone.test', $near, 'a CNAME'],
	[literal => "a\@[$far]", $far, 'an address literal'],
	$v6 ? ([v6 => 'a@v6.zone.test', '::1', 'an IPv6 server'],
	    [mixed => 'a@mixed.zone.test', '::1',
		'IPv4 dead, IPv6 not']) : ())
{
	my ($name, $to, $server, $why) = @$case;
	my ($tag, $id) = post($to);
	my $m = at_sink($tag);

	is($m && $m->{server}, $server, "$why: arrives at $server") or
	    diag join "\n", $pi->grep_log(qr/\Q$id\E/);
	is_deeply([$m->{from}, @{ $m->{to} // [] }],
	    ['user@test.example', $to], "$why: with its envelope");
	fate($id, $to, qr/relay=\S+\[\Q$server\E\]:$port, (?:conn_use=\d+, )?delay=[\d.]+, delays=[\d.\/]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 kept \d+\)/,
	    "$why: logged");
}
my ($hello) = $sink->messages;
is($hello->{helo}, 'mx.test.example', 'our name in EHLO');

# --- every byte ---------------------------------------------------------------
my @trials = Postern::Trial::messages('relay');
my $c = $pi->smtp;
$c->ehlo;
for my $t (@trials) {
	is($c->message(from => 'sender@client.example',
	    to => 'x@bytes.test', exact => 1, mail_args => 'BODY=8BITMIME',
	    data => Postern::Trial::dotted($t->[1]))->{code}, 250,
	    "taken: $t->[0]");
}
$c->quit;
my %kept = map { /^X-Trial: (\S+)\r$/m ? ($1 => $_) : () }
    map { $_->{data} } $store->wait(scalar @trials);
for my $t (@trials) {
	my ($name, $wire) = @$t;
	my ($trace, $got) = Postern::Trial::split_trace(
	    ($kept{"relay.$name"} // '') =~ s/\r\n/\n/gr);

	# Lines beyond 998 are folded with CRLF SPACE; a CR by itself becomes
	# a blank, or the next server might take it for a line end.
	is(scalar(grep { length > 998 } split /\n/, $got), 0,
	    "$name: no line too long");
	my $want = $wire =~ s/\r\r\n/\r\n/gr =~ s/\r(?!\n)/ /gr;
	1 while $want =~ s/^([^\r\n]{998})(?=[^\r\n])/$1\r\n /m;
	my $folded = $want =~ s/\r\n/\n/gr;
	# Where a line is folded is the client's business.
	my ($flat_got, $flat_want) = map { s/\n ?//gr } $got, $folded;
	ok($name =~ /^(?:edges|long|longcr|nolf)$/ ?
	    $flat_got eq $flat_want : $got eq $folded, "$name: whole") or
	    diag Postern::Trial::difference($got, $folded);
	like($trace, qr/\AReceived: from client\.example \(.*\n\tby mx\.test\.example \(Postern\) with ESMTP id \w+\n\tfor <x\@bytes\.test>; /,
	    'Received') if $name eq 'line';
}

# --- no such place ------------------------------------------------------------
for my $case (
	['a@null.zone.test', 'bounced', '5.1.0|5.1.10', 'does not accept mail',
	    'null MX'],
	['a@nowhere.zone.test', 'bounced', '5.4.4', 'not found', 'NXDOMAIN'],
	['a@txt.zone.test', 'bounced', '5.4.4', 'not found', 'no MX, no A'],
	['a@noaddress.zone.test', 'bounced', '5.4.4', 'not found',
	    'MX without any address'],
	['a@x.broken.test', 'deferred', '4.4.3', '[Tt]ry again', 'SERVFAIL'],
	['a@tous.zone.test', 'bounced', '5.4.6', 'loops back to myself',
	    'MX that points to us'],
	['a@backup.zone.test', 'deferred', '4.4.1', '[Rr]efused',
	    'a backup MX waits for the better one'],
	['a@alldead.zone.test', 'deferred', '4.4.1', '[Rr]efused',
	    'nobody listens'],
	['a@inside.zone.test', 'deferred|bounced', '[45].\d.\d', '.',
	    'a private address that nobody allowed'])
{
	my ($to, $status, $dsn, $text, $why) = @$case;
	my ($tag, $id) = post($to);
	fate($id, $to, qr/dsn=(?:$dsn), status=(?:$status) \(.*$text/, $why);
}
is(scalar(grep { $_->{to}[0] =~ /(?:tous|backup|alldead)/ } $sink->messages),
    0, 'none of them went astray');

# --- servers that behave badly ------------------------------------------------
# stage, action, what becomes of the mail at first, text in the log
my $refused = 'refused to talk to me';
my $lost = 'lost connection with \S+ while';
my $slept = 'timed out while';
my @badly = (
    [connect => '421 4.3.2 busy', 'deferred', '4.3.2', $refused],
    [connect => '554 5.3.2 no', 'deferred', '4.3.2', $refused],
    [connect => 'close', 'deferred', '4.4.2', "$lost receiving the initial"],
    [connect => 'reset', 'deferred', '4.4.\d', '.'],
    [connect => 'hang', 'deferred', '4.4.2', "$slept receiving the initial"],
    [connect => 'garbage', 'deferred', '4.\d.\d', '.'],
    [ehlo => 'close', 'deferred', '4.4.2', "$lost performing the EHLO"],
    [ehlo => '421 4.3.2 busy', 'deferred', '4.3.2', $refused],
    [ehlo => 'split', 'sent', '2.0.0', 'kept'],
    [ehlo => '500 5.5.1 what', 'sent', '2.0.0', 'kept'],
    [mail => '450 4.1.8 later', 'deferred', '4.1.8', 'said: 450 4.1.8 later'],
    [mail => '550 5.1.8 no', 'bounced', '5.1.8', 'in reply to MAIL FROM'],
    [mail => 'close', 'deferred', '4.4.2', "$lost sending MAIL FROM"],
    [mail => 'hang', 'deferred', '4.4.2', "$slept sending MAIL FROM"],
    [rcpt => '450 4.2.0 later', 'deferred', '4.2.0', 'in reply to RCPT TO'],
    [rcpt => '550 5.1.1 who', 'bounced', '5.1.1', 'in reply to RCPT TO'],
    [rcpt => '551 nobody', 'bounced', '5.0.0', 'said: 551 nobody'],
    [rcpt => '452 4.5.3 too many', 'deferred', '4.5.3', 'too many'],
    [rcpt => 'reset', 'deferred', '4.4.2', "$lost sending RCPT TO"],
    [data => '451 4.3.0 later', 'deferred', '4.3.0', 'in reply to DATA'],
    [data => '554 5.5.0 no', 'bounced', '5.5.0', 'in reply to DATA'],
    [data => 'close', 'deferred', '4.4.2', "$lost sending DATA command"],
    [eod => '452 4.3.1 full', 'deferred', '4.3.1', 'reply to end of DATA'],
    [eod => '554 5.6.0 bad', 'bounced', '5.6.0', 'reply to end of DATA'],
    [eod => 'close', 'deferred', '4.4.2', "$lost sending end of data"],
    [eod => 'hang', 'deferred', '4.4.2', "$slept sending end of data"],
    [eod => 'delay 0.5', 'sent', '2.0.0', 'kept'],
    [eod => 'split', 'sent', '2.0.0', 'kept'],
    [quit => 'close', 'sent', '2.0.0', 'kept'],
    [quit => 'hang', 'sent', '2.0.0', 'kept']);
my @after;
for my $i (0 .. $#badly) {
	my ($stage, $action, $status, $dsn, $text) = @{ $badly[$i] };
	my $to = "u\@$bad[$i].zone.test";

	$sink->rule($stage, $action, times => 1, server => $bad{$bad[$i]});
	push @after, [post($to), $to, $status, "$stage $action", $dsn, $text];
}
for my $a (@after) {
	my ($tag, $id, $to, $status, $what, $dsn, $text) = @$a;

	fate($id, $to, qr/dsn=$dsn, status=$status \(.*$text/,
	    "$what: $status");
}
for my $a (@after) {
	my ($tag, $id, $to, $status, $what) = @$a;
	if ($status eq 'bounced') {
		ok($pi->wait_log(qr/$id: sender non-delivery notification/),
		    "$what: the sender is told");
		next;
	}
	fate($id, $to, qr/status=sent/, "$what: delivered in the end", 15);
	is(scalar(grep { $_->{data} =~ /^X-Trial: $tag\r$/m }
	    $sink->messages), 1, "$what: once");
}

# The name server is silent for a while; what follows does not need it.
$dns->pause;
my @silent = post('a@bad40.zone.test');

# Each recipient has a fate of its own.
$sink->rule(rcpt => '550 5.1.1 who', match => '^never@');
$sink->rule(rcpt => '450 4.2.0 later', match => '^later@', times => 1);
my ($tag, $id) = post([map { "$_\@mixed.test" } qw(ok later never good)]);
fate($id, 'ok@mixed.test', qr/status=sent/, 'of four: one is taken');
fate($id, 'good@mixed.test', qr/status=sent/, 'of four: another');
fate($id, 'never@mixed.test', qr/dsn=5\.1\.1, status=bounced/,
    'of four: one is refused');
fate($id, 'later@mixed.test', qr/dsn=4\.2\.0, status=deferred/,
    'of four: one has to wait');
fate($id, 'later@mixed.test', qr/status=sent/, 'and gets it then');
is_deeply([map { [sort @{ $_->{to} }] } grep {
    $_->{data} =~ /^X-Trial: $tag\r$/m } $sink->messages],
    [['good@mixed.test', 'ok@mixed.test'], ['later@mixed.test']],
    'nobody gets it twice');

# LMTP: a reply for each recipient after the content.
$lmtp->rule(eod => '550 5.2.2 full', match => '^full@');
$lmtp->rule(eod => '450 4.2.1 busy', match => '^busy@', times => 1);
($tag, $id) = post([map { "$_\@lmtp.test" } qw(ok full busy)]);
fate($id, 'ok@lmtp.test', qr/dsn=2\.0\.0, status=sent/, 'LMTP: delivered');
fate($id, 'full@lmtp.test', qr/dsn=5\.2\.2, status=bounced/, 'LMTP: refused');
fate($id, 'busy@lmtp.test', qr/dsn=4\.2\.1, status=deferred/, 'LMTP: later');
fate($id, 'busy@lmtp.test', qr/status=sent/, 'LMTP: and then delivered');
is($lmtp->stats->{commands}{LHLO} // 0, $lmtp->stats->{connections},
    'LMTP says LHLO');

# --- how many at a time -------------------------------------------------------
my @ids = map { (post("n$_\@slow.test"))[1] } 1 .. 15;
$slow->wait(15, 20);
my $stats = $slow->stats;
is($stats->{messages}, 15, 'a slow server gets all');
cmp_ok($stats->{most_open}, '<=', 3, 'in no more sessions than allowed');
cmp_ok($stats->{most_open}, '>=', 2, 'and more than one');

fate($silent[1], 'a@bad40.zone.test', qr/dsn=4\.4\.3, status=deferred/,
    'no answer from the name server: it waits', 30);
$dns->resume;

# --- waiting ------------------------------------------------------------------
# Nobody listens: attempts are few (QUE-48).  Then somebody does.
($tag, $id) = post('w@expire.zone.test');
my $first = time;
$pi->wait_log(qr/$id: to=.*status=deferred/, 10, 3);
my $tries = () = $pi->grep_log(qr/$id: to=.*status=deferred/);
my $took = time() - $first;
cmp_ok($tries, '>=', 3, "tried again ($tries times in $took s)");
cmp_ok($tries, '<=', 2 + $took, 'not all the time');
my $late = Postern::Sink->start(listen => ["$dead:$port"]);
fate($id, 'w@expire.zone.test', qr/status=sent/, 'and delivered at last');
ok(at_sink($tag, $late), 'it is there');
is((at_sink((post('w@alldead.zone.test'))[0], $late) // {})->{server}, $dead,
    'a server that is back gets new mail');
$late->stop;

ok(at_sink($silent[0], undef, 20), 'the name server is back: delivered');

# A queue manager that is never idle does not forget those who wait.
$sink->rule(rcpt => '450 4.2.0 later', match => '^u@bad39', times => 1);
($tag, $id) = post('u@bad39.zone.test');
fate($id, 'u@bad39.zone.test', qr/status=deferred/, 'deferred');
my $until = time + 15;
my $other = 0;
while (time < $until && !$pi->grep_log(qr/$id: to=.*status=sent/)) {
	$other++ if $pi->send->{code} == 250;
}
ok($pi->wait_log(qr/$id: to=.*status=sent/),
    "tried again amid other mail ($other messages)");

# --- the end of life ----------------------------------------------------------
$pi->set(maximal_queue_lifetime => 0);
$pi->reload;
my $before = () = $pi->mail_files('user');
($tag, $id) = post('e@expire.zone.test');
fate($id, 'e@expire.zone.test', qr/dsn=4\.4\.1, status=deferred/,
    'lifetime 0: one attempt');
ok($pi->wait_log(qr/qmgr\[\d+\]: $id: from=<user\@test\.example>, status=expired, returned to sender/),
    'then it is too old');
ok($pi->wait_log(qr/$id: sender non-delivery notification: \w+/),
    'and the sender is told');
my @told = wait_until(sub {
	my @m = grep { /X-Trial: $tag$/m } $pi->mail('user');
	return @m ? $m[0] : '';
}, 15);
like($told[0], qr/^Status: 4\.4\.1$/m, 'with the last reason');

# --- one host for everything --------------------------------------------------
$pi->set(relayhost => $sink->nexthop(1), maximal_queue_lifetime => '1h');
$pi->reload;
($tag, $id) = post('a@anywhere.invalid');
is((at_sink($tag) // {})->{server}, $far, 'relayhost');
$pi->set(relayhost => 'prefer.zone.test');
$pi->reload;
($tag, $id) = post('a@anywhere.invalid');
is((at_sink($tag) // {})->{server}, $near, 'relayhost with MX records');

$c->close;
is($pi->stop, 0, 'stopped');
done_testing;
