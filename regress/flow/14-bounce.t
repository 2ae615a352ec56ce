#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What a sender is told about mail that did not arrive: read by another
# maker's MIME parser, once, with all that RFC 3464 wants; and that notices
# about notices come to an end.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use JSON::PP ();
use Test::More;

use Postern::Instance;
use Postern::Peers;
use Postern::Sink;
use Postern::Trial;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless(scalar Postern::Peers::command('python3'), 'needs python3');

my $sink = Postern::Sink->start;
my $dead = free_address();
my $deadport = free_port($dead);
my $pi = Postern::Instance->new(ipv6 => 0, main => {
	mydestination => '$myhostname',
	myorigin => '$myhostname',
	alias_maps => 'texthash:aliases',
	local_recipient_maps => '',
	transport_maps => 'texthash:transport',
	smtpd_peername_lookup => 'no',
	minimal_backoff_time => '1s', maximal_backoff_time => '1s',
	queue_run_delay => '1s',
	notify_classes => 'resource, software, 2bounce',
	bounce_size_limit => 20000,
    });
$pi->file('aliases', "postmaster other\@test.example\n");
$pi->file('transport', ".far.example smtp:@{[ $sink->nexthop ]}\n",
    "far.example smtp:@{[ $sink->nexthop ]}\n",
    "dead.example smtp:[$dead]:$deadport\n");
$pi->start;
$sink->rule(rcpt => '550 5.1.1 <nobody@far.example>: no such user',
    match => '^nobody@');
$sink->rule(rcpt => '550-5.7.1 two lines' . "\r\n" . '550 5.7.1 of this',
    match => '^two@');
$sink->rule(rcpt => '550 no enhanced code', match => '^plain@');
$sink->rule(rcpt => '550 5.2.1 ' . 'x' x 900, match => '^long@');
$sink->rule(rcpt => "550 5.2.1 caf\xe9 \x01\x1b[31m\x7f", match => '^odd@');
$sink->rule(rcpt => '550 5.1.1 gone', match => '^gone');

# A notice, taken apart by Python.
my $parser = <<'END';
import email, email.policy, json
m = email.message_from_binary_file(sys.stdin.buffer,
    policy=email.policy.default)
def defects(p):
    d = [repr(x) for x in p.defects]
    if p.is_multipart():
        for q in p.iter_parts():
            d += defects(q)
    return d
out = dict(headers=[[k, str(v)] for k, v in m.items()],
    type=m.get_content_type(), report=m.get_param("report-type"),
    defects=defects(m), parts=[])
for p in m.iter_parts():
    d = dict(type=p.get_content_type(), description=p["content-description"])
    if d["type"] == "message/delivery-status":
        d["fields"] = [[[k, str(v)] for k, v in b.items()]
            for b in p.get_payload()]
    elif d["type"] == "message/rfc822":
        d["text"] = p.get_payload()[0].as_bytes().decode("latin1")
    else:
        d["text"] = p.get_payload()
    out["parts"].append(d)
print(json.dumps(out))
END
sub dsn
{
	my ($text) = @_;
	my ($status, $out, $err) = Postern::Peers::python($parser,
	    { input => $text });

	is($status, 0, 'Python can read it') or diag $err;
	return JSON::PP->new->utf8->decode($out || '{}');
}

# The value of a field in a list of [name, value].
sub field
{
	my ($name, @fields) = @_;
	my ($found) = grep { lc $_->[0] eq lc $name } @fields;

	return defined $found ? $found->[1] : undef;
}

my $told = 0;
my %seen;
# The next notice for the sender.
sub notice
{
	my ($name) = @_;
	my @m = $pi->wait_mail('user', ++$told);

	is(scalar @m, $told, "$name: the sender is told, once") or
	    diag join "\n", (reverse((reverse $pi->log)[0 .. 12]));
	my ($new) = grep { !$seen{$_}++ } $pi->mail_files('user');
	return defined $new ? slurp($new) : '';
}

# --- one recipient that is refused --------------------------------------------
my $body = "Body text.\r\nFrom here.\r\n.\r\n\xe9\0\r\n";
my $c = $pi->smtp;
$c->ehlo;
my $r = $c->message(from => 'user@test.example', to => 'nobody@far.example',
    exact => 1, data => Postern::Trial::dotted(
    Postern::Trial::header('refused') . $body));
is($r->{code}, 250, 'taken');
my $text = notice('a refusal');
like($text, qr/\AReturn-Path: <>\n/, 'its sender is null (REC-09)');
my $d = dsn($text);
is_deeply($d->{defects}, [], 'and finds nothing wrong with it');
is("$d->{type} $d->{report}", 'multipart/report delivery-status',
    'multipart/report');
my %h = map { lc $_->[0] => $_->[1] } @{ $d->{headers} };
is($h{subject}, 'Undelivered Mail Returned to Sender', 'Subject');
is($h{to}, 'user@test.example', 'To');
like($h{from}, qr/MAILER-DAEMON\@mx\.test\.example/i, 'From');
is($h{'auto-submitted'}, 'auto-replied', 'Auto-Submitted');
ok($h{'message-id'} && $h{date}, 'Message-Id, Date');
is_deeply([map { $_->{type} } @{ $d->{parts} }],
    ['text/plain', 'message/delivery-status', 'message/rfc822'], 'the parts');
like($d->{parts}[0]{text}, qr/mx\.test\.example/, 'who says it');
like($d->{parts}[0]{text} =~ s/\s+/ /gr, qr/<nobody\@far\.example>: host \S+ said: 550 5\.1\.1 <nobody\@far\.example>: no such user \(in reply to RCPT TO command\)/,
    'and what, for people');
my ($message, @rcpts) = @{ $d->{parts}[1]{fields} };
is(field('Reporting-MTA', @$message), 'dns; mx.test.example', 'Reporting-MTA');
ok(field('Arrival-Date', @$message), 'Arrival-Date');
is(scalar @rcpts, 1, 'one recipient');
is(field('Final-Recipient', @{ $rcpts[0] }), 'rfc822; nobody@far.example',
    'Final-Recipient');
is(field('Action', @{ $rcpts[0] }), 'failed', 'Action');
is(field('Status', @{ $rcpts[0] }), '5.1.1', 'Status');
like(field('Remote-MTA', @{ $rcpts[0] }) // '', qr/^dns; /, 'Remote-MTA');
like(field('Diagnostic-Code', @{ $rcpts[0] }),
    qr/^smtp; 550 5\.1\.1 <nobody\@far\.example>: no such user/,
    'Diagnostic-Code');
my ($trace, $rest) = Postern::Trial::split_trace($d->{parts}[2]{text});
like($trace, qr/^Received: from client\.example /, 'the original, with trace');
ok(index($text, "Body text.\nFrom here.\n.\n\xe9\0\n") > 0,
    'every byte of its body');
ok($pi->wait_log(qr/$r->{id}: sender non-delivery notification: \w+/),
    'the log says so');
ok($pi->wait_log(qr/$r->{id}: removed/), 'the message is removed');

# --- several recipients, one notice -------------------------------------------
$r = $c->message(from => 'user@test.example', to => ['ok@far.example',
    map { "$_\@far.example" } qw(nobody two plain long odd)]);
$text = notice('several');
$d = dsn($text);
is_deeply($d->{defects}, [], 'well formed');
($message, @rcpts) = @{ $d->{parts}[1]{fields} };
is_deeply([sort map { field('Final-Recipient', @$_) =~ s/^rfc822; //r }
    @rcpts], [sort map { "$_\@far.example" } qw(nobody two plain long odd)],
    'the five that failed, not the one that did not');
my %status = map { field('Final-Recipient', @$_) =~ /; (\w+)@/ ?
    ($1 => field('Status', @$_)) : () } @rcpts;
is_deeply(\%status, { nobody => '5.1.1', two => '5.7.1', plain => '5.0.0',
    long => '5.2.1', odd => '5.2.1' }, 'their codes');
unlike($d->{parts}[0]{text}, qr/[^\t\n -~]/, 'text for people is text');
ok(!grep({ length > 998 } split /\n/, $text), 'no line is too long');
unlike(join("\n", $pi->log), qr/[^\t\n -~]/, 'nothing odd in the log');

# --- large originals are cut --------------------------------------------------
$r = $c->message(from => 'user@test.example', to => 'nobody@far.example',
    data => "Subject: large\nX-Keep: this\n\n" . ('y' x 70 . "\n") x 2000);
$text = notice('a large message');
cmp_ok(length $text, '<', 40000, 'bounce_size_limit');
like($text, qr/^X-Keep: this$/m, 'the header is there');
is_deeply(dsn($text)->{defects}, [], 'well formed');
$r = $c->message(from => 'user@test.example', to => 'nobody@far.example',
    mail_args => 'RET=HDRS ENVID=abc+2B1', data =>
    "Subject: headers\n\nsecret body\n", rcpt_args => 'NOTIFY=FAILURE ' .
    'ORCPT=rfc822;orig+2Bx@far.example');
$text = notice('RET=HDRS');
$d = dsn($text);
is($d->{parts}[2]{type}, 'text/rfc822-headers', 'the header alone');
unlike($text, qr/secret body/, 'not the body');
($message, @rcpts) = @{ $d->{parts}[1]{fields} };
like(field('Original-Envelope-Id', @$message), qr/^abc\+(?:2B)?1$/, 'ENVID');
like(field('Original-Recipient', @{ $rcpts[0] }),
    qr/^rfc822; ?orig\+x\@far\.example$/, 'ORCPT');
$r = $c->message(from => 'user@test.example', to => 'nobody@far.example',
    rcpt_args => 'NOTIFY=NEVER');
ok($pi->wait_log(qr/$r->{id}: removed/), 'NOTIFY=NEVER');
is(scalar $pi->mail_files('user'), $told, 'nobody is told');

# A crash between the failure and the notice makes one or two, not none.
$r = $c->message(from => 'user@test.example', to => 'nobody@far.example',
    data => "Subject: crash\n\nx\n");
kill 'KILL', $pi->component('bounce');
$text = notice('bounce is killed');
like($text, qr/^Subject: crash$/m, 'about this message');
ok($pi->wait_empty, 'and it goes');
$told = () = $pi->mail_files('user');   # it may make two

# --- notices about notices ----------------------------------------------------
# The sender does not exist either: one notice to the postmaster, and the end.
$r = $c->message(from => 'gone@far.example', to => 'nobody@far.example',
    data => "Subject: double\n\nprivate body\n");
my ($two) = $pi->wait_mail('other', 1);
ok(defined $two, 'a bounce that bounces: the postmaster is told (NOT-14)') or
    diag join "\n", $pi->log;
$two //= '';
is_deeply(dsn($two)->{defects}, [], 'well formed');
like($two, qr/^Return-Path: <double-bounce\@mx\.test\.example>$/m,
    'from the double-bounce address');
like($two, qr/^Subject: Postmaster Copy|^Subject: Undelivered/m, 'Subject');
unlike($two, qr/private body/, 'without the body (NOT-15)');
ok($pi->wait_empty, 'and that is all');
# Mail to that address itself is taken and thrown away.
$pi->set(notify_classes => '2bounce');
$pi->file('aliases', "postmaster gone2\@far.example\n");
$pi->reload;
$r = $c->message(from => 'gone@far.example', to => 'nobody@far.example');
ok($pi->wait_log(qr/to=<gone2\@far\.example>.*status=bounced/),
    'when even the postmaster is not there');
ok($pi->wait_empty, 'it ends there, too') or diag join "\n", $pi->log;
is(scalar $pi->wait_mail('other', 2, 0.5), 1, 'without more notices');
$r = $c->message(from => '', to => 'nobody@far.example');
ok($pi->wait_log(qr/$r->{id}: removed/), 'mail from the null sender');
is(scalar $pi->mail_files('user'), $told, 'is returned to nobody');
ok(!grep({ $_->{from} eq '' && "@{ $_->{to} }" !~ /^gone/ }
    $sink->messages), 'no notice went astray');
$c->quit;

ok($pi->wait_empty, 'the queue is empty');
is($pi->stop, 0, 'stopped');
done_testing;
