#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Mail that is posted on this machine, and notices: sendmail, pickup, cleanup
# and bounce in a running mail system, and sendmail without one.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(main => {
    command_directory => build_dir() . '/bin',
    default_transport => 'error:5.1.2 no such place',
    smtpd_reject_unlisted_recipient => 'no', # it would say so itself
    notify_classes => '2bounce',
    '2bounce_notice_recipient' => 'other@test.example',
    message_size_limit => 100000 });

# Post a message: (status, output, errors).
sub post
{
	my ($text, @args) = @_;

	return $pi->cmd('sendmail', @args, { input => $text });
}

sub dropped
{
	my @files;

	opendir my $dh, $pi->spool . '/maildrop' or return ();
	@files = grep { !/^\./ } readdir $dh;
	return @files;
}

# --- nobody is there --------------------------------------------------------

my ($st, $out, $err) = post("Subject: early\n\nbird\n",
    'user@test.example');
is($st, 75, 'no spool: try again later') or diag $err;
like($err, qr/maildrop/, 'which is said');
is((post("hi\n"))[0], 64, 'no recipient: usage');
is((post("Subject: x\n\nhi\n", '-t'))[0], 64, '-t without any, too');
is((post("hi\n", '-Z', 'x@y'))[0], 64, 'an unknown option');
is((post('x' x 200000, 'x@y'))[0], 69, 'a message that is too big');
is((post("hi\n", '-XV', 'x@y'))[0], 69, 'VERP is not there yet');
is((post("hi\n", ''))[0], 65, 'an empty recipient');

$pi->start;

# --- posting ----------------------------------------------------------------

($st, $out, $err) = post("To: User <user\@test.example>\n" .
    "Bcc: other\@test.example\nSubject: hello\n\n.\nline\n", '-t', '-i');
is($st, 0, 'sendmail -t') or diag $err;
is($out . $err, '', 'and not a word');
my @mail = $pi->wait_mail('user');
my $host = 'mx\.test\.example';
like($mail[0] // '',
    qr/^Received: by $host \(Postern, from userid $>\)\n\tid \w+; /m,
    'says where it comes from')
    or diag $mail[0] // 'no mail', $pi->log;
like($mail[0], qr/^To: User <user\@test\.example>\nSubject: hello\n/m,
    'its header is as it was, without Bcc');
unlike($mail[0], qr/^bcc/im, 'without Bcc');
like($mail[0], qr/^Message-Id: <\d{14}\.\w+\@mx\.test\.example>\n/m,
    'Message-Id');
like($mail[0], qr/^Date: \w{3}, [ \d]\d \w{3} \d{4} /m, 'Date');
like($mail[0], qr/^From: .*\@mx\.test\.example/m, 'From');
like($mail[0], qr/\n\n\.\nline\n\z/, '-i keeps the dot');
is(scalar $pi->wait_mail('other'), 1, 'who was in Bcc has it');
my $me = getpwuid($>) // "uid-$>";
ok($pi->wait_log(qr{postern/pickup\[\d+\]: \w+: uid=$> from=<\Q$me\E>}),
    'pickup says who');
ok($pi->wait_log(qr{postern/cleanup\[\d+\]: \w+: message-id=<\d{14}\.}),
    'cleanup says which');

is((post("Subject: two\n\none\n.\ntwo\n", '-F', 'Full "N" Name', '-f',
    'someone@far.example', 'user@test.example, other@test.example'))[0], 0,
    'one word with two recipients');
@mail = $pi->wait_mail('user', 2);
my ($two) = grep { /^Subject: two/m } @mail;
like($two // '', qr/\n\none\n\z/, 'a dot ends it');
like($two, qr/^From: "Full \\"N\\" Name" <someone\@far\.example>\n/m,
    '-F and -f');
like($two, qr/^Return-Path: <someone\@far\.example>\n/m, 'envelope');

($st, $out) = $pi->cmd('sendmail', '-bs', { input => join "\r\n",
    'EHLO here', 'RCPT TO:<user@test.example>',
    'MAIL FROM:<x@far.example> RET=HDRS ENVID=a+2Bb',
    'RCPT TO:<user@test.example> NOTIFY=NEVER', 'DATA', 'Subject: three', '',
    '..dot', '.', 'FOO', 'QUIT', '' });
is($st, 0, '-bs');
is(join(' ', $out =~ /^(\d{3}) /mg), '220 250 503 250 250 354 250 500 221',
    'speaks SMTP') or diag $out;
like($out, qr/^250 2\.0\.0 Ok: queued as \w+\r$/m, 'with queue ids');
@mail = $pi->wait_mail('user', 3);
ok(scalar(grep { /^Subject: three\n.*\n\n\.dot\n\z/ms } @mail),
    'and delivers');

# A message that cleanup refuses: the user hears at once.
$pi->set(hopcount_limit => 3)->reload;
($st, $out, $err) = post("Received: a\nReceived: b\nReceived: c\n\n",
    'user@test.example');
is($st, 69, 'too many hops');
like($err, qr/too many hops/, 'which is said');
$pi->set(hopcount_limit => 50)->reload;

# A hostile start: closed descriptors, blocked signals, an odd environment.
my $bin = build_dir() . '/bin/sendmail';
($st, $out, $err) = run('/bin/sh', '-c',
    'trap "" HUP INT TERM; umask 777; ' .
    'printf "Subject: odd\n\nx\n" | exec "$0" -C "$1" user@test.example ' .
    '>&- 2>&- 7</etc/passwd', $bin, $pi->etc, { env => { IFS => 'x',
    LD_BIND_NOW => 1, MAIL_CONFIG => '/nonexistent', NAME => "a\nBcc: b",
    TZ => '../../etc/passwd' } });
is($st, 0, 'started badly it works well') or diag $err;
ok($pi->wait_log(qr/message-id/, 10, 4), 'and posts');
@mail = $pi->wait_mail('user', 4);
unlike(join('', grep { /^Subject: odd/m } @mail), qr/^Bcc/m,
    'a name is a name');

# -G: a message that came from elsewhere keeps the addresses it has.
for my $how (['of ours', '@mx\.test\.example'], ['from elsewhere', '', '-G']) {
	my ($name, $domain, @args) = @$how;

	($st) = post("From: joe\nTo: ann\nSubject: $name\n\nx\n", @args,
	    'other@test.example');
	is($st, 0, "$name: posted");
	ok(wait_until(sub { grep { /^Subject: $name$/m } $pi->mail('other') }, 10),
	    'and delivered');
	my ($file) = grep { slurp($_) =~ /^Subject: $name$/m }
	    $pi->mail_files('other');
	like(defined $file ? slurp($file) : '',
	    qr/^From: joe$domain\nTo: ann$domain\n/m, 'its header');
	unlink $file if defined $file;
}

# More recipients than fit in a record, and more content than in memory here.
$pi->set(default_transport => 'discard:gone',
    message_size_limit => 10_000_000)->reload;
($st, $out, $err) = post("Subject: many\n\nx\n",
    map { "user$_\@far.example" } 1 .. 3000);
is($st, 0, '3000 recipients') or diag $err;
ok($pi->wait_log(qr/nrcpt=3000 /), 'all of them') or
    diag join "\n", $pi->grep_log(qr/nrcpt|warning|reject/);
ok($pi->wait_log(qr/to=<user3000\@far\.example>.*status=sent/, 30),
    'to the last');
my $line = ('0123456789' x 7) . "\n";
($st, $out, $err) = post("Subject: long\n\n" . $line x 50_000,
    'user@test.example');
is($st, 0, '3.5 MB') or diag $err;
@mail = $pi->wait_mail('user', 5);
my ($long) = grep { /^Subject: long\n/m } @mail;
is(substr($long // '', -71 * 50_000), $line x 50_000, 'arrives as it was');
$pi->set(default_transport => 'error:5.1.2 no such place',
    message_size_limit => 100000)->reload;

# --- maildrop ---------------------------------------------------------------

is($pi->stop, 0, 'stopped');
is((post("Subject: waits\n\nx\n", 'user@test.example'))[0], 0,
    'posted while nobody is there');
my @files = dropped();
is(scalar @files, 1, 'it waits in maildrop');
my $mode = (stat $pi->spool . "/maildrop/$files[0]")[2];
is($mode & 0100, 0100, 'complete');
spew($pi->spool . '/maildrop/garbage', "root:x:0:0:root:/root:/bin/sh\n");
chmod 0744, $pi->spool . '/maildrop/garbage';
my $good = slurp($pi->spool . "/maildrop/$files[0]");
spew($pi->spool . '/maildrop/cut', substr $good, 0, length($good) - 1);
chmod 0744, $pi->spool . '/maildrop/cut';
$pi->start;
@mail = $pi->wait_mail('user', 6);
is(scalar(grep { /^Subject: waits/m } @mail), 1, 'delivered after start')
    or diag join "\n", $pi->grep_log(qr/maildrop/);
ok(wait_until(sub { !dropped() }, 10), 'maildrop is empty')
    or diag join ' ', dropped();
ok($pi->wait_log(qr/warning: maildrop\/garbage:/), 'garbage is logged');
ok(-e $pi->spool . '/corrupt/garbage', 'and set aside');
ok(-e $pi->spool . '/corrupt/cut', 'what was cut off, too');
is(scalar $pi->mail('user'), 6, 'neither was delivered');

# --- the other things that name stands for --------------------------------

SKIP: {
	skip 'build/bin/postqueue is not built', 3
	    if !-x build_dir() . '/bin/postqueue';
	($st, $out) = $pi->cmd('mailq');
	is("$st $out", "0 Mail queue is empty\n", 'mailq');
	is(($pi->cmd('sendmail', '-bp'))[1], "Mail queue is empty\n", '-bp');
	is(($pi->cmd('sendmail', '-q'))[0], 0, '-q');
}
($st, $out, $err) = $pi->cmd('sendmail', '-q30m');
is($st, 0, '-q30m alone');
like($err, qr/queue_run_delay/, 'is a setting');

# --- notices ----------------------------------------------------------------

my $r = $pi->send(from => 'user@test.example', to => 'x@far.example',
    data => "Subject: lost\n\nthe secret body\n");
is($r->{code}, 250, 'a message to nowhere is taken');
@mail = $pi->wait_mail('user', 7);
my ($bounce) = grep { /^Subject: Undelivered Mail Returned/m } @mail;
ok(defined $bounce, 'and comes back') or diag join "\n", $pi->log;
$bounce //= '';
like($bounce, qr/^Return-Path: <>\n/m, 'from nobody');
like($bounce, qr/^Auto-Submitted: auto-replied\n/m, 'as an automatic reply');
my ($mark) = $bounce =~ /^Content-Type:\ multipart\/report;
    \ report-type=delivery-status;\n\tboundary="([^"]+)"\n/mx;
my @parts = split /^--\Q$mark\E(?:--)?\n/m, $bounce if defined $mark;
is(scalar @parts, 4, 'three parts (and an end)');
like($parts[1] // '', qr/no such place/, 'the reason for people');
like($parts[2] // '', qr/^Reporting-MTA: dns; mx\.test\.example\n/m,
    'Reporting-MTA');
like($parts[2] // '', qr/^\n?Final-Recipient:\ rfc822;\ x\@far\.example\n
    .*Action:\ failed\nStatus:\ 5\.1\.2\n/msx, 'the fate for programs');
like($parts[3] // '', qr/^Content-Type: message\/rfc822\n.*secret body/ms,
    'the message');
my $said = "$r->{id}: sender non-delivery notification";
ok($pi->wait_log(qr{postern/bounce\[\d+\]: $said: \w+}), 'logged as usual');

# The sender does not exist either: the postmaster hears, once.
$r = $pi->send(from => 'nobody@far.example', to => 'x@far.example',
    data => "Subject: lost\n\nthe secret body\n");
my @other = $pi->wait_mail('other', 3);
my ($copy) = grep { /^Subject: Postmaster Copy/m } @other;
ok(defined $copy, 'a bounce that bounces: the postmaster')
    or diag join "\n", $pi->log;
unlike($copy // '', qr/secret body/, 'without the body');
like($copy // '', qr/^Return-Path: <double-bounce\@/m, 'from double-bounce');

# And when the postmaster cannot be reached there is an end.
$pi->set('2bounce_notice_recipient' => 'pm@far.example')->reload;
$pi->send(from => 'nobody@far.example', to => 'x@far.example');
ok($pi->wait_log(qr/undeliverable postmaster notification discarded/),
    'a lost notice is the end of it') or diag join "\n", $pi->log;
is($pi->stop, 0, 'stopped');
unlike(join("\n", $pi->log), qr/security:|panic|fatal/, 'no complaints')
    or diag join "\n", $pi->grep_log(qr/security:|panic|fatal/);

done_testing();
