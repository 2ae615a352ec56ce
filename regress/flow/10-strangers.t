#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Mail clients of other makers hand mail in over IPv4 and IPv6, and every
# byte of it lies in a Maildir in the end.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use MIME::Base64 qw(encode_base64);
use Net::SMTP;
use Test::More;

use Postern::Instance;
use Postern::Peers;
use Postern::Trial;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(main => {
	smtpd_peername_lookup => 'no', smtpd_error_sleep_time => '0s' });
my @users = map { "u$_" } 0 .. 9;
$pi->mailboxes('user', 'other', @users);
$pi->start;

my @where = ([$pi->address, $pi->port, 'IPv4']);
push @where, ['::1', $pi->{port6}, 'IPv6'] if defined $pi->{port6};

# Wait for the trials, and compare each with what was sent.
my $expected = 0;
sub arrived
{
	my ($who, @trials) = @_;

	subtest "$who: every byte arrives" => sub {
		$expected += @trials;
		my %by = Postern::Trial::by_tag(
		    $pi->wait_mail('user', $expected));
		for my $t (@trials) {
			my ($name, $wire, $stored) = @$t;
			my ($trace, $rest) = Postern::Trial::split_trace(
			    $by{"$who.$name"} // '');
			ok($rest eq $stored, $name) or
			    diag Postern::Trial::difference($rest, $stored);
			like($trace, qr/^Return-Path:\ <sender\@client\.example>\n
			    X-Original-To:\ user\@test\.example\n
			    Delivered-To:\ user\@test\.example\n
			    Received:\ from\ /x, "$name: trace") if
			    $name eq 'line';
			ok(!exists $by{"$who.$name again"}, "$name: once");
		}
	};
}

for my $where (@where) {
	my ($addr, $port, $family) = @$where;

	# Our own client: exact bytes, all in one session.
	my $who = "raw.$family";
	my @trials = Postern::Trial::messages($who);
	my $c = Postern::SMTP->new($addr, $port);
	is($c->ehlo->{code}, 250, "$who: EHLO");
	for my $t (@trials) {
		my $r = $c->message(to => 'user@test.example', exact => 1,
		    data => Postern::Trial::dotted($t->[1]));
		like($r->{text}, qr/^2\.0\.0 Ok: queued as \w+$/,
		    "$who: $t->[0]");
	}
	is($c->quit->{code}, 221, "$who: QUIT");
	arrived($who, @trials);

	# A byte at a time, and with everything in one write.
	$who = "trickle.$family";
	my $t = (Postern::Trial::messages($who))[2];
	$c = Postern::SMTP->new($addr, $port);
	$c->ehlo;
	$c->cmd($_) for 'MAIL FROM:<sender@client.example>',
	    'RCPT TO:<user@test.example>', 'DATA';
	$c->raw($_) for split //, Postern::Trial::dotted($t->[1]);
	is($c->reply->{code}, 250, "$who: taken");
	$c->quit;
	arrived($who, $t);

	# Python.
	$who = "python.$family";
	@trials = Postern::Trial::messages($who);
	my ($status, $out, $err) = Postern::Peers::python(<<'END', $addr,
import base64
s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), local_hostname="py.example")
for line in sys.stdin:
    r = s.sendmail("sender@client.example", ["user@test.example"],
        base64.b64decode(line), mail_options=["BODY=8BITMIME"])
    assert r == {}, r
print(s.quit()[0], sorted(s.esmtp_features))
END
	    $port, { input => join '',
		map { encode_base64($_->[1], '') . "\n" } @trials });
	is($status, 0, "$who: all taken") or diag $err;
	like($out, qr/^221 /, "$who: and an orderly end");
	arrived($who, @trials);

	# Net::SMTP, which wants lines.
	$who = "netsmtp.$family";
	@trials = Postern::Trial::plain($who);
	my $n = Net::SMTP->new($addr, Port => $port, Timeout => 10,
	    Hello => 'perl.example');
	ok($n, "$who: connected") or next;
	for my $t (@trials) {
		ok($n->mail('sender@client.example') &&
		    $n->to('user@test.example') && $n->data &&
		    $n->datasend($t->[2]) && $n->dataend, "$who: $t->[0]") or
		    diag $n->message;
	}
	ok($n->quit, "$who: quit");
	arrived($who, @trials);
}

SKIP: {
	skip 'swaks is not installed', 1 unless Postern::Peers::command('swaks');
	for my $where (@where) {
		my ($addr, $port, $family) = @$where;
		my $who = "swaks.$family";
		# swaks adds a line end, and takes a last dot for the end.
		my @trials = grep { $_->[0] =~ /^(?:line|stuffed|edges)$/ }
		    Postern::Trial::plain($who);

		for my $t (@trials) {
			my $file = $pi->dir . '/swaks';
			spew($file, $t->[2] =~ s/\n\z//r);
			my ($status, $out) = Postern::Peers::swaks(
			    '--server', $addr, '--port', $port,
			    '--helo', 'swaks.example', '--from',
			    'sender@client.example', '--to',
			    'user@test.example', '--data', "\@$file");
			is($status, 0, "$who: $t->[0]") or diag $out;
		}
		arrived($who, @trials);
	}
	my ($status, $out) = Postern::Peers::swaks('--server', $pi->address,
	    '--port', $pi->port, '--from', 'a@b.example', '--to',
	    'nobody@test.example,other@test.example,none@test.example');
	is($status, 0, 'swaks: one good recipient of three is enough');
	is(() = $out =~ /^<\*\* 550 5\.1\.1 /mg, 2, 'swaks: two are refused');
	is(scalar $pi->wait_mail('other'), 1, 'swaks: the third gets it');
}

SKIP: {
	skip 'smtp-source is not there', 1
	    unless Postern::Peers::command('smtp-source');
	my $sent = 0;
	my $run = sub {
		my ($name, $count, $to, @options) = @_;
		my ($status, $out, $err) = Postern::Peers::source(to => $to,
		    options => ['-f', 'sender@client.example', '-t',
			'u0@test.example', '-m', $count, @options]);

		is($status, 0, "smtp-source: $name") or diag "$out$err";
		$sent += $count;
		my @mail = $pi->wait_mail('u0', $sent);
		is(scalar @mail, $sent, "smtp-source: $name: all arrive");
		# The size that -l says, after the header.
		my ($l) = "@options" =~ /-l (\d+)/ or return;
		# (In no order; those of earlier runs are no larger.)
		cmp_ok(scalar(grep { length((split /\n\n/, $_, 2)[1]) >=
		    0.9 * $l } @mail), '>=', $count,
		    "smtp-source: $name: whole");
	};
	$run->('a connection each', 40, $pi->where, '-s', 5, '-l', 5000);
	$run->('connections kept', 60, $pi->where, '-d', '-s', 5, '-l', 5000);
	$run->('a large message', 2, $pi->where, '-l', 3_000_000);
	$run->('IPv6', 20, "[::1]:$pi->{port6}", '-s', 4)
	    if defined $pi->{port6};
	my ($status, $out, $err) = Postern::Peers::source(to => $pi->where,
	    options => ['-m', 5, '-r', 8, '-t', 'u0@test.example']);
	isnt($status, 0,
	    'smtp-source: recipients that do not exist are refused');
}

# --- EHLO, line by line -----------------------------------------------------
my $size = ($pi->cmd('postconf', '-h', 'message_size_limit'))[1] + 0;
my $c = $pi->smtp;
is($c->banner->{raw}, "220 mx.test.example ESMTP Postern\r\n", 'banner');
is($c->cmd('EHLO client.example')->{raw}, join("\r\n",
    '250-mx.test.example', '250-PIPELINING', "250-SIZE $size", '250-VRFY', '250-ETRN',
    '250-ENHANCEDSTATUSCODES', '250-8BITMIME', '250-DSN',
    '250 CHUNKING', ''),
    'EHLO, line by line');
is($c->cmd('HELO client.example')->{raw}, "250 mx.test.example\r\n", 'HELO');
like($c->cmd('HELO')->{raw}, qr/^501 Syntax: HELO hostname\r\n/, 'HELO alone');
like($c->cmd('EHLO')->{raw}, qr/^501 Syntax: EHLO hostname\r\n/, 'EHLO alone');

# --- the order of things (REC-15), reply codes (REC-16) ---------------------
sub dialogue
{
	my ($c, $name, @steps) = @_;

	subtest $name => sub {
		while (my ($cmd, $want) = splice @steps, 0, 2) {
			my $r = $c->cmd($cmd);
			my $shown = length $cmd > 60 ? substr($cmd, 0, 60) .
			    '...' : $cmd;
			like("$r->{code} $r->{text}", qr/^\Q$want\E/, $shown);
			next if $r->{code} < 400;
			next if $want =~ /^\d+ [A-Z]/; # HELO has none
			is(substr($r->{enhanced}, 0, 1),
			    substr($r->{code}, 0, 1), '  classes agree');
		}
	};
}

my $me = 'RCPT TO:<user@test.example>';
dialogue($c, 'order', 'EHLO x' => '250', $me => '503 5.5.1',
    'DATA' => '503 5.5.1', 'MAIL FROM:<a@b.example>' => '250 2.1.0',
    'MAIL FROM:<a@b.example>' => '503 5.5.1', 'DATA' => '554 5.5.1');
dialogue($c, 'RSET', 'RSET' => '250 2.0.0', $me => '503 5.5.1',
    'MAIL FROM:<a@b.example>' => '250', $me => '250 2.1.5',
    'RSET' => '250 2.0.0', 'DATA' => '503 5.5.1', 'RSET now' => '501 5.5.4');
dialogue($c, 'EHLO ends a transaction', 'MAIL FROM:<a@b.example>' => '250',
    $me => '250', 'EHLO again' => '250', 'DATA' => '503 5.5.1');
dialogue($c, 'words', 'NOOP' => '250 2.0.0', 'NOOP with words' => '250 2.0.0',
    'noop' => '250 2.0.0', 'VRFY user@test.example' => '252 2.0.0',
    'VRFY nobody@test.example' => '550 5.1.1', 'VRFY' => '501 5.5.4',
    'EXPN user' => '502 5.5.1', 'BOGUS' => '500 5.5.2', '' => '50',
    'AUTH PLAIN' => '503 5.5.1 Error: authentication not enabled',
    'STARTTLS' => '502 5.5');
$c->quit;
$c = $pi->smtp;
$c->ehlo;
dialogue($c, 'MAIL', 'MAIL' => '501 5.5.4', 'MAIL FROM' => '501 5.5.4',
    'MAIL FROM:' => '501 5.1.7', 'MAIL FROM:<a@b.example' => '501 5.1.7',
    'MAIL FROM:<a@b..example>' => '501 5.1.7',
    'MAIL FROM:<a@b.example> BOGUS=1' => '555 5.5.4',
    'MAIL FROM:<a@b.example> SIZE=x' => '501 5.5.4',
    'MAIL FROM:<a@b.example> SIZE=99999999999999999999' => '552 5.3.4',
    "MAIL FROM:<a\@b.example> SIZE=@{[ $size + 1 ]}" => '552 5.3.4',
    'MAIL FROM:<a@b.example> BODY=9BIT' => '555 5.5.4');
$c->quit;
$c = $pi->smtp;
$c->ehlo;
dialogue($c, 'MAIL that is fine', map { ($_ => '250 2.1.0', 'RSET' => '250') }
    'MAIL FROM:<>', 'MAIL FROM: <a@b.example>', 'mail from:<a@b.example>',
    'MAIL FROM:<@x.example,@y.example:a@b.example>',
    'MAIL FROM:<"a b"@c.example>', 'MAIL FROM:<a@[192.0.2.1]>',
    "MAIL FROM:<a\@b.example> SIZE=$size", 'MAIL FROM:<a@b.example> ' .
    'BODY=8BITMIME SIZE=1', 'MAIL FROM:<a@b.example> BODY=7BIT');
dialogue($c, 'RCPT', 'MAIL FROM:<>' => '250', 'RCPT' => '501 5.5.4',
    'RCPT TO' => '501 5.5.4', 'RCPT TO:<>' => '501 5.1.3',
    'RCPT TO:<nobody@test.example>' => '550 5.1.1',
    'RCPT TO:<user@test.example> BOGUS' => '555 5.5.4',
    'RCPT TO:<user@test.example' => '501 5.1.3', $me => '250 2.1.5',
    'RCPT TO:<USER@TEST.example>' => '250 2.1.5', 'RSET' => '250');
$c->quit;

# --- several recipients -----------------------------------------------------
my $r = $pi->send(to => [map { "$_\@test.example" } @users[1 .. 9]],
    data => "Subject: to nine\n\nx\n");
is($r->{code}, 250, 'nine recipients');
for my $user (@users[1 .. 9]) {
	my @mail = $pi->wait_mail($user);
	is(scalar @mail, 1, "$user has it once");
	like($mail[0] // '', qr/^Delivered-To: $user\@test\.example$/m,
	    'addressed to them alone');
	unlike($mail[0] // '', qr/^Delivered-To: (?!$user)/m, 'to no other');
}

# A transaction is forgotten after its end, however it ended (REC-15).
$c = $pi->smtp;
$c->ehlo;
is($c->message(to => 'u1@test.example')->{code}, 250, 'one message');
dialogue($c, 'and nothing is left of it', 'DATA' => '503 5.5.1',
    'RCPT TO:<u1@test.example>' => '503 5.5.1');
$c->quit;

# --- pipelining: a session in one write -------------------------------------
$c = $pi->smtp;
$c->ehlo;
$c->raw(join "\r\n", map({ ("MAIL FROM:<p$_\@client.example>",
    'RCPT TO:<u2@test.example>', 'RSET') } 1 .. 30),
    'MAIL FROM:<p@client.example>', 'RCPT TO:<u2@test.example>',
    'RCPT TO:<nobody@test.example>', 'RCPT TO:<u3@test.example>', 'DATA', '');
is(join(' ', map { $c->reply->{code} } 1 .. 95),
    join(' ', (250) x 92, 550, 250, 354), 'pipelined: replies in order');
$c->raw("Subject: p\r\n\r\np\r\n.\r\nMAIL FROM:<q\@client.example>\r\n" .
    "RCPT TO:<u2\@test.example>\r\nDATA\r\n");
is(join(' ', map { $c->reply->{code} } 1 .. 4), '250 250 250 354',
    'the next transaction with the end of this one');
$c->raw(".\r\nQUIT\r\n");
is(join(' ', map { $c->reply->{code} } 1 .. 2), '250 221', 'and the end');
is(scalar $pi->wait_mail('u2', 3), 3, 'all of it arrives');

# --- limits -----------------------------------------------------------------
$pi->set(smtpd_recipient_limit => 3, message_size_limit => 30000,
    smtpd_hard_error_limit => 5, smtpd_soft_error_limit => 50,
    smtpd_junk_command_limit => 4,
    line_length_limit => 2048, smtpd_timeout => '2s');
$pi->reload;
$c = $pi->smtp;
$c->ehlo;
is($c->ext->{SIZE}, 30000, 'the limit is in EHLO');
dialogue($c, 'recipient limit (REC-23)', 'MAIL FROM:<>' => '250',
    map({ ("RCPT TO:<u$_\@test.example>" => '250') } 4 .. 6),
    'RCPT TO:<u7@test.example>' => '452 4.5.3',
    'RCPT TO:<u8@test.example>' => '452 4.5.3', 'DATA' => '354');
$c->raw("Subject: three of five\r\n\r\n.\r\n");
is($c->reply->{code}, 250, 'the message is taken');
for my $u (4 .. 8) {
	my $want = $u <= 6 ? 2 : 1;
	is(scalar $pi->wait_mail("u$u", $want, $u <= 6 ? 10 : 0), $want,
	    "u$u has @{[ $u <= 6 ? 'it' : 'it not' ]}");
}
for my $bytes (29_000, 31_000, 400_000) {
	$r = $c->message(to => 'u9@test.example',
	    data => "Subject: size\n\n" . ('x' x 98 . "\n") x ($bytes / 100));
	is("$r->{code} $r->{enhanced}", $bytes < 30000 ? '250 2.0.0' :
	    '552 5.3.4', "$bytes bytes of data");
}
is($c->message(to => 'u9@test.example')->{code}, 250,
    'the session goes on after that');
$c->quit;
is(scalar $pi->wait_mail('u9', 3), 3, 'what was refused does not arrive');

$c = $pi->smtp;
is(join(' ', map { $c->cmd("WHAT $_")->{code} } 1 .. 5), '500 500 500 500 500',
    'errors are counted');
my $last = $c->cmd('NOOP');
is($last->{code}, 421, 'too many end the session') or diag $last->{text};
ok($c->closed(5), 'it closes');
$c = $pi->smtp;
$c->ehlo;
my @codes = map { $c->cmd('NOOP')->{code} } 1 .. 12;
like("@codes", qr/^250 250 250 250 .*421/, 'junk commands too');
$c = $pi->smtp;
$r = $c->cmd('NOOP ' . 'x' x 1000);
is($r->{code}, 250, 'a long command');
$r = $c->cmd('NOOP ' . 'x' x 20000);
like($r->{text}, qr/^(?:5|4)\.\d\.\d .*|^Error: line too long|/,
    'a command that is too long');
ok($r->{code} >= 500 || $r->{code} == 421, "is refused ($r->{code})");
$c = $pi->smtp;
$r = $c->reply(8);
is("$r->{code} $r->{enhanced}", '421 4.4.2', 'an idle session is ended');
$c = $pi->smtp;
$c->ehlo;
$c->cmd($_) for 'MAIL FROM:<>', 'RCPT TO:<u9@test.example>', 'DATA';
$c->raw("Subject: half\r\n\r\nhalf a ");
$r = $c->reply(8);
is("$r->{code} $r->{enhanced}", '421 4.4.2', 'also in the midst of data');
$c = $pi->smtp;
$c->ehlo;
$c->cmd($_) for 'MAIL FROM:<>', 'RCPT TO:<u9@test.example>', 'DATA';
$c->raw("Subject: cut\r\n\r\nhalf a ");
$c->reset;
ok($pi->wait_log(qr/lost connection after DATA/), 'a client that goes away');
is(scalar $pi->wait_mail('u9', 4, 0.5), 3, 'half a message is none');

ok($pi->wait_empty, 'the queue is empty') or diag join "\n", $pi->log;
is($pi->stop, 0, 'stopped');
done_testing;
