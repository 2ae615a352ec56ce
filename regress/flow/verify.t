#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# sendmail -bv and -v: what would become of mail, and what became of it.  One
# recipient for each way that mail can take here; of a message that only asks
# nothing is delivered, put off or returned.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Users qw(alice bob carol);
use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my $sink = Postern::Sink->start;
my $slow = Postern::Sink->start(extensions => ['8BITMIME']);
my $pi = Postern::Instance->new(ipv6 => 0, main => {
	mydestination => '$myhostname', myorigin => '$myhostname',
	alias_maps => 'texthash:aliases', alias_database => '',
	recipient_delimiter => '+', transport_maps => 'texthash:transport',
	forward_path => '$home/.forward',
	smtp_connection_cache_destinations => 'far.example slow.example',
	queue_run_delay => '1s', minimal_backoff_time => '300s',
	initial_destination_concurrency => 1,
    }, master => [
	'echo unix - n n - - pipe flags=R user=bob argv=/bin/echo ${recipient}',
    ]);
my $dir = $pi->dir;

$pi->file('aliases', "team alice, bob\@far.example\nnull /dev/null\n");
$pi->file('transport', map { "$_->[0] $_->[1]\n" }
    ['far.example', 'smtp:[127.0.0.1]:' . $sink->port],
    ['slow.example', 'smtp:[127.0.0.1]:' . $slow->port],
    ['down.example', 'smtp:[127.0.0.1]:1'],
    ['no.example', 'error:5.7.2 nobody is there'],
    ['later.example', 'retry:4.7.3 come back'],
    ['hole.example', 'discard:thrown away'],
    ['none.example', 'nosuch:'],
    ['cmd.example', 'echo:']);
spew(Postern::Users::home('bob') . '/.forward', "\\bob, else\@far.example\n");
chown((Postern::Users::id('bob')) x 2, Postern::Users::home('bob') . '/.forward');
spew(Postern::Users::home('carol') . '/.forward', "|\"cat >\$HOME/ran\"\n");
chown((Postern::Users::id('carol')) x 2, Postern::Users::home('carol') . '/.forward');
$sink->rule(rcpt => '550 5.1.1 no such user here', match => 'gone@');
$sink->rule(rcpt => '450 4.2.1 too busy', match => 'busy@');
$slow->rule(rcpt => '550 5.1.1 no such user here', match => 'gone@');
$pi->start;

# The next messages to user@test.example, when there are as many.
my %seen;
sub fresh
{
	my ($count) = @_;
	my @new;

	wait_until(sub {
		@new = grep { !$seen{$_} } $pi->mail_files('user');
		return @new >= $count;
	}, 20);
	$seen{$_} = 1 for @new;
	return map { slurp($_) } @new;
}

# The report on a message of his; its parts by recipient.
sub report
{
	my @mail = fresh(1);
	my $text = $mail[-1] // '';
	my %about;

	is(scalar @mail, 1, 'one report') or diag join "\n", $pi->log;
	my ($status) = $text =~ m{^Content-Type: message/delivery-status\n\n(.*?)\n--}ms;
	for my $part (split /\n\n/, $status // '') {
		$about{lc $1} = $part if $part =~ /^Final-Recipient: rfc822; (\S+)$/m;
	}
	return ($text, \%about);
}

sub mails { my @files = $pi->mail_files($_[0]); return scalar @files; }

sub post
{
	my ($text, @args) = @_;

	return $pi->cmd('sendmail', @args, { input => $text });
}

# --- -bv ----------------------------------------------------------------------

my @cases = (
	# recipient, transport's status, DSN, what is said
	['there@far.example', 1, '2.1.5', qr/^250 2\.1\.5 /],
	['gone@far.example', 0, '5.1.1', qr/said: 550 5\.1\.1 no such user here \(in reply to RCPT TO command\)/],
	['busy@far.example', 0, '4.2.1', qr/said: 450 4\.2\.1 too busy/],
	['there@slow.example', 1, '2.1.5', qr/^250 2\.1\.5 /],
	['gone@slow.example', 0, '5.1.1', qr/no such user here/],
	['x@down.example', 0, '4.4.1', qr/refused/],
	['x@no.example', 0, '5.7.2', qr/^nobody is there$/],
	['x@later.example', 0, '4.7.3', qr/^come back$/],
	['x@hole.example', 1, '2.0.0', qr/^thrown away$/],
	['x@none.example', 0, '4.3.5', qr/no such service/],
	['x@cmd.example', 1, '2.0.0', qr{^delivers to command: /bin/echo$}],
	['other@test.example', 1, '2.0.0', qr/^delivers to maildir$/],
	['nobody@test.example', 0, '5.1.1', qr/unknown user: "nobody\@test\.example"/],
	['alice@mx.test.example', 1, '2.0.0', qr/^delivers to mailbox$/],
	['alice+x@mx.test.example', 1, '2.0.0', qr/^delivers to mailbox$/],
	['bob@mx.test.example', 1, '2.0.0', qr/^(?:delivers to mailbox|forwards to else\@far\.example)$/],
	['carol@mx.test.example', 1, '2.0.0', qr/^delivers to command: cat >\$HOME\/ran$/],
	['team@mx.test.example', 1, '2.0.0', qr/^aliased to alice, bob\@far\.example$/],
	['null@mx.test.example', 1, '2.0.0', qr{^aliased to /dev/null$}],
	['stranger@mx.test.example', 0, '5.1.1', qr/unknown user: "stranger"/],
);
my @asked = map { $_->[0] } @cases;
my ($st, $out, $err) = post("Subject: not looked at\n\nnothing\n",
    '-bv', '-f', 'user@test.example', @asked);
is($st, 0, 'sendmail -bv') or diag $err;
is($out, "Mail Delivery Status Report will be mailed to <user\@test.example>.\n",
    'says who will hear');
my ($text, $about) = report();
like($text, qr/^Subject: Mail Delivery Status Report\n/m, 'Subject');
like($text, qr/^Subject: probe\n/m, 'the message that was made up');
unlike($text, qr/not looked at/, 'not what was on standard input');
my ($id) = $text =~ /^X-Postern-Queue-ID: (\S+)$/m;
for my $c (@cases) {
	my ($addr, $good, $dsn, $says) = @$c;
	my $word = $good ? 'deliverable' : 'undeliverable';
	my $part = $about->{$addr} // '';
	my $line = $pi->wait_log(qr/\Q$id\E: to=<\Q$addr\E>,.*status=$word \(/);
	my ($why) = ($line // '') =~ /status=\S+ \((.*)\)$/;

	like($part, qr/^Action: $word$/m, "$addr: $word");
	like($part, qr/^Status: \Q$dsn\E$/m, "$addr: $dsn");
	like($line // 'no line', qr/dsn=\Q$dsn\E, status=/, "$addr: its line in the log")
	    or diag join "\n", $pi->grep_log(qr/\Q$id\E: to=<\Q$addr\E>/);
	like($why // '', $says, "$addr: why");
}
ok($pi->wait_log(qr/\Q$id\E: sender delivery status notification: \S+$/),
    'the report is in the log');
ok($pi->wait_log(qr/\Q$id\E: removed$/), 'and the message is gone');
ok($pi->wait_empty, 'nothing is left in the queue');
is(scalar $sink->messages + $slow->messages, 0, 'no server was given content');
for ($sink, $slow) {
	my $c = $_->stats->{commands};

	cmp_ok($c->{RCPT} // 0, '>', 0, 'it was asked of recipients');
	is($c->{DATA} // 0, 0, 'and nothing was begun');
}
is(mails('other'), 0, 'no mailbox was written');
ok(!-s Postern::Users::home('alice') . '/../../mail/alice', 'of a user, neither');
ok(!-e Postern::Users::home('carol') . '/ran', 'no command was run');
is(scalar $pi->grep_log(qr/\Q$id\E: .*status=(?:sent|bounced|deferred)/), 0,
    'no word of sent, bounced or deferred');
is(scalar $pi->grep_log(qr/\Q$id\E: sender non-delivery/), 0, 'and no bounce');

# A destination that is known to be dead is not even asked.
($st) = post('', '-bv', '-f', 'user@test.example', 'x@down.example',
    'other@test.example');
($text, $about) = report();
like($about->{'x@down.example'} // '', qr/^Action: undeliverable\nStatus: 4\./m,
    'a dead destination: undeliverable');
($id) = $text =~ /^X-Postern-Queue-ID: (\S+)$/m;
ok($pi->wait_log(qr/qmgr\[\d+\]: \Q$id\E: to=<x\@down\.example>, relay=none, .*status=undeliverable/),
    'in the log, too');
ok($pi->wait_empty, 'and nothing waits for it');

# Nobody to tell: it is asked for nothing.
($st) = post('', '-bv', '-f', '', 'other@test.example');
is($st, 0, 'by the null sender');
ok($pi->wait_log(qr/to=<other\@test\.example>.*status=deliverable/, 10, 3),
    'it is found out');
ok($pi->wait_empty, 'and ends there');

# --- -v -----------------------------------------------------------------------

($st, $out) = post("Subject: really\n\nbody\n", '-v', '-f',
    'user@test.example', 'there@far.example', 'other@test.example',
    'gone@far.example', 'busy@far.example');
is($st, 0, 'sendmail -v');
like($out, qr/^Mail Delivery Status Report will be mailed to <user\@test\.example>\.$/m,
    'says so');
my @two = fresh(2);
my ($bounce) = grep { /^Subject: Undelivered Mail/m } @two;
($text) = grep { /^Subject: Mail Delivery Status Report$/m && /really/ }
    @two;
ok(defined $bounce, 'what is refused is returned as ever');
ok(defined $text, 'and there is a report') or diag join "\n", $pi->log;
for my $c (['there@far.example', 'relayed'], ['other@test.example', 'delivered'],
    ['gone@far.example', 'failed'], ['busy@far.example', 'delayed']) {
	like($text // '', qr/^Final-Recipient: rfc822; \Q$c->[0]\E\n(?:.+\n)*?Action: $c->[1]$/m,
	    "$c->[0] $c->[1]");
}
is_deeply([map { $_->{to} } $sink->messages], [['there@far.example']],
    'it is delivered, to nobody who was only asked for');
is(mails('other'), 1, 'everywhere');
my ($left) = map { $_->{queue_id} // $_->{id} } @{ $pi->queue };
ok(defined $left, 'one recipient waits');
is(scalar $pi->cmd('postsuper', '-r', 'ALL'), 0, 'it is requeued');
ok($pi->wait_log(qr/(?!\Q$left\E)\b[0-9A-F]{8,}: to=<busy\@far\.example>.*status=deferred/, 10),
    'and tried again');
$sink->clear;
$pi->cmd('postqueue', '-f');
ok($pi->wait_empty, 'and is delivered later');
is(mails('user'), scalar keys %seen, 'without another report');

# --- orders while the report is being made ------------------------------------

my ($bounce_pid) = $pi->component('bounce');
my ($qmgr_pid) = $pi->component('qmgr');
SKIP: {
	skip 'bounce has left already', 6 if !defined $bounce_pid;
	kill 'STOP', $bounce_pid;
	($st, $out, $err) = post('', '-bv', '-vv', '-f', 'user@test.example',
	    'other@test.example');
	($id) = $err =~ /queued as (\S+)/;
	ok($pi->wait_log(qr/\Q$id\E: to=<other\@test\.example>.*status=deliverable/),
	    'it waits for its report alone');
	$pi->cmd(@$_, $id) for ['postqueue', '-i'], ['postsuper', '-h'],
	    ['postsuper', '-r'], ['postsuper', '-d'];
	is(($pi->component('qmgr'))[0], $qmgr_pid, 'orders do no harm');
	kill 'CONT', $bounce_pid;
	report();
	ok($pi->wait_log(qr/\Q$id\E: removed/), 'and it goes its way');
	ok($pi->wait_empty, 'to the end');
}

# --- a crash between report and end -------------------------------------------

$sink->rule(rcpt => 'delay 2, 250 2.1.5 well', match => 'slow@');
($st) = post('', '-bv', '-f', 'user@test.example', 'slow@far.example',
    'other@test.example');
ok($pi->wait_log(qr/to=<other\@test\.example>.*status=deliverable/, 10, 5),
    'half of it is known');
kill 'KILL', $pi->component('qmgr');
($text, $about) = report();
is(join(' ', sort keys %$about), 'other@test.example slow@far.example',
    'a new queue manager goes on: the report is whole');
ok($pi->wait_empty, 'and that is all');
is(mails('other'), 1, 'still nothing was delivered');

is($pi->stop, 0, 'stopped');
done_testing;
