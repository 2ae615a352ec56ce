#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Users of this machine: what they post with sendmail, and what is delivered
# to them through aliases, lists, .forward files, into mboxes and Maildirs.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Users qw(alice bob carol);
use Postern::Instance;
use Postern::Sink;
use Postern::Trial;
use Postern::Util qw(:all);

Postern::Instance->need;

my $sink = Postern::Sink->start;
my $pi = Postern::Instance->new(ipv6 => 0, main => {
	mydestination => '$myhostname localhost',
	myorigin => '$myhostname',
	alias_maps => 'hash:aliases', alias_database => 'hash:aliases',
	relayhost => $sink->nexthop,
	smtpd_peername_lookup => 'no', smtpd_error_sleep_time => '0s',
	biff => 'no',
	recipient_delimiter => '+',
	local_recipient_maps => 'unix:passwd.byname $alias_maps',
	minimal_backoff_time => '1s', maximal_backoff_time => '1s',
	queue_run_delay => '1s',
    });
my $dir = $pi->dir;
my ($alice, $bob, $carol) = map { Postern::Users::id($_) } qw(alice bob carol);

# A file to append to, and lists, for aliases.
mkdir "$dir/lists";
spew("$dir/lists/three", "# a list\nalice\n bob\nAnother <carol>\n\n");
spew("$dir/lists/open", "alice\n");
chmod 0644, glob "$dir/lists/*";
spew("$dir/reports", '');
chown 65534, 65534, "$dir/reports";
chmod 0644, "$dir/reports";
$pi->file('aliases', <<"END");
postmaster: alice
MAILER-DAEMON: postmaster
one: two
two: Three
three: alice
# three of them, one elsewhere
mixed: alice, user\@test.example,
	far\@far.example
list: :include:$dir/lists/three
owner-list: carol
reports: $dir/reports
nothing: /dev/null
ring: ring2
ring2: ring
"quoted name": alice
missing: :include:$dir/lists/gone
piped: "|/bin/touch $dir/touched"
END
my @made = $pi->cmd('newaliases');
is($made[0], 0, 'newaliases') or BAIL_OUT($made[2]);
$pi->start;

sub texts
{
	my ($user) = @_;

	return split /(?<=\n)\n(?=From )/,
	    (slurp(Postern::Users::mbox($user), 1) // '') =~ s/\n\n\z/\n/r;
}

# All messages in a user's mbox, once there are so many.
sub mbox
{
	my ($user, $count, $seconds) = @_;
	my @m;

	# It is locked for as long as a message is being written.
	wait_until(sub {
		@m = texts($user);
		@m >= $count && !-e Postern::Users::mbox($user) . '.lock';
	    }, $seconds // 10);
	@m = texts($user);
	return @m;
}

# sendmail, as a user.
sub sendmail
{
	my ($user, $input, @args) = @_;
	my ($k, $v) = split /=/, $pi->{token}, 2;

	return run(Postern::Users::as($user, build_dir() . '/bin/sendmail',
	    @args), { input => $input, env => { $k => $v,
		MAIL_CONFIG => $pi->etc, USER => $user, LOGNAME => $user } });
}

my %got = (alice => 0, bob => 0, carol => 0);
# The next message of a user: its text.
sub next_mail
{
	my ($user, $name, $seconds) = @_;
	my @m = mbox($user, ++$got{$user}, $seconds);

	ok(@m >= $got{$user}, "$name: $user has it") or
	    diag join "\n", reverse((reverse $pi->log)[0 .. 9]);
	return $m[$got{$user} - 1] // '';
}

# --- posting ------------------------------------------------------------------
my ($status, $out, $err) = sendmail('alice', "Subject: x\n\nhi", 'bob');
is($status, 0, 'sendmail') or diag $err;
my $m = next_mail('bob', 'a bare message');
like($m, qr/\AFrom alice\@mx\.test\.example  [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\n/,
    'From_ line');
like($m, qr/^Return-Path: <alice\@mx\.test\.example>$/m, 'Return-Path');
like($m, qr/^X-Original-To: bob$/m, 'X-Original-To');
like($m, qr/^Delivered-To: bob\@mx\.test\.example$/m, 'Delivered-To');
like($m, qr/^Received: by mx\.test\.example \(Postern, from userid $alice\)\n\tid \w+; /m,
    'Received names the user');
like($m, qr/^From: Alice Example <alice\@mx\.test\.example>$/m,
    'From is added');
like($m, qr/^Date: \w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4}/m,
    'Date is added');
like($m, qr/^Message-Id: <\w+\.\w+\@mx\.test\.example>$/mi,
    'Message-Id is added');
unlike($m, qr/^To:/m, 'To is not');
like($m, qr/\n\nhi\n\z/, 'the body, and a line end');
ok($pi->wait_log(qr/pickup\[\d+\]: \w+: uid=$alice from=<alice>/),
    'logged with the user id');
my @stat = stat Postern::Users::mbox('bob');
is($stat[4], $bob, 'the mbox is the user\'s');
is(sprintf('%o', $stat[2] & 0777), '600', 'and private');

($status) = sendmail('alice', <<'END', '-t', '-oi');
To: bob, user@test.example
Cc: Carol <carol@localhost>
Bcc: alice
Subject: -t

.
From here.
END
is($status, 0, 'sendmail -t');
for my $user (qw(alice bob carol)) {
	my $m = next_mail($user, '-t');
	unlike($m, qr/^Bcc:/mi, 'without Bcc');
	like($m, qr/^Cc: Carol <carol\@localhost>$/m, 'with Cc');
	like($m, qr/\n\n\.\n>From here\.\n\z/, 'the body, From quoted');
}
is(scalar $pi->wait_mail('user', 1), 1, '-t: and the virtual mailbox');
($status) = sendmail('alice', "Subject: none\n\n", '-t');
isnt($status, 0, '-t without recipients fails');
($status) = sendmail('alice', "Subject: dot\n\nabove\n.\nbelow\n", 'bob');
like(next_mail('bob', 'a dot'), qr/\n\nabove\n\z/, 'ends a message');
($status) = sendmail('alice', "Subject: f\n\n", '-f',
    'other@elsewhere.example', '-F', 'O. Ther', 'bob');
$m = next_mail('bob', '-f');
like($m, qr/^Return-Path: <other\@elsewhere\.example>$/m, '-f');
like($m, qr/^From: "?O\. Ther"? <other\@elsewhere\.example>$/m, '-F');
($status) = sendmail('alice', "Subject: null\n\n", '-f', '<>', 'bob');
like(next_mail('bob', '-f <>'), qr/^Return-Path: <>$/m, '-f <>');
($status) = sendmail('alice', "From bob Thu Jan  1 00:00:00 2026\n" .
    "Subject: uucp\n\nx\n", 'bob');
like(next_mail('bob', 'a From_ line'), qr/^Subject: uucp$/m, 'goes on');
($status) = sendmail('alice', "Subject: out\r\n\r\nCRLF\r\n",
    'far@far.example');
my ($far) = $sink->wait(1);
is($far->{from}, 'alice@mx.test.example', 'mail that goes out');
like($far->{data}, qr/\r\n\r\nCRLF\r\n\z/, 'CRLF is a line end');
my $big = "Subject: big\n\n" . ('0123456789' x 10000 . "\n") x 20;
($status) = sendmail('alice', $big, 'bob');
like(next_mail('bob', 'two megabytes in long lines'),
    qr/\n\n(?:(?:0123456789){10000}\n){20}\z/, 'are whole');
($status, $out, $err) = sendmail('alice', "EHLO x\nMAIL FROM:<alice>\n" .
    "RCPT TO:<bob>\nDATA\nSubject: bs\n\nx\n.\nQUIT\n", '-bs');
is($status, 0, 'sendmail -bs');
like($out, qr/^220 .*\n(?:250[- ].*\n)+250 .*\n250 .*\n354 .*\n250 .*\n221 /,
    '-bs: replies');
next_mail('bob', '-bs');
($status) = sendmail('alice', "Subject: x\n\n" . 'x' x 11_000_000, 'bob');
isnt($status, 0, 'more than message_size_limit is refused');

# The environment and open descriptors of a user come to nothing (SEC-11).
($status) = run('env', '-i', 'LD_PRELOAD=/nonexistent.so', 'IFS=x',
    'PATH=/nonexistent', 'TZ=../../etc/passwd', 'MAIL_CONFIG=' . $pi->etc,
    '/bin/sh', '-c', 'exec 7</dev/null; echo "Subject: env" | exec ' .
    join(' ', map { /^setpriv$/ ? which($_) : $_ }
    Postern::Users::as('alice', build_dir() . '/bin/sendmail', 'bob')));
is($status, 0, 'a hostile environment');
like(next_mail('bob', 'a hostile environment'), qr/^Subject: env$/m,
    'the message is the same');

# --- who is there -------------------------------------------------------------
my $c = $pi->smtp;
$c->ehlo;
for my $case (['alice', 252], ['postmaster', 252], ['two@localhost', 252],
    ['nobody-here', 550], ['alice+box@mx.test.example', 252],
    ['nobody-here@mx.test.example', 550]) {
	is($c->cmd("VRFY $case->[0]")->{code}, $case->[1], "VRFY $case->[0]");
}
$c->quit;
$c = $pi->smtp;
$c->ehlo;
my $r = $c->cmd('MAIL FROM:<s@client.example>');
is($r->{code}, 250, 'MAIL') or diag $r->{text};
for my $case (['alice', 250], ['postmaster', 250], ['Postmaster', 250],
    ['MAILER-DAEMON@mx.test.example', 250], ['"quoted name"', 250],
    ['nobody-here@mx.test.example', 550], ['root2', 550],
    ['three@localhost', 250]) {
	is($c->cmd("RCPT TO:<$case->[0]>")->{code}, $case->[1],
	    "RCPT $case->[0]");
}
$c->quit;

# --- aliases ------------------------------------------------------------------
sub mail_to
{
	my ($to, $text) = @_;
	my $r = $pi->send(from => 'sender@client.example', to => $to,
	    data => $text // "Subject: to $to\n\nx\n");

	is($r->{code}, 250, "to $to: taken") or diag $r->{text};
	return $r->{id} // 'none';
}

mail_to('postmaster');
like(next_mail('alice', 'postmaster'), qr/^X-Original-To: postmaster$/m,
    'the original recipient is kept');
mail_to('one@mx.test.example');
next_mail('alice', 'a chain of three');
mail_to('mixed@localhost');
next_mail('alice', 'several targets');
is(scalar $pi->wait_mail('user', 2), 2, 'one of them is virtual');
is(scalar $sink->wait(2), 2, 'one is far away');
mail_to('list@mx.test.example');
for my $user (qw(alice bob carol)) {
	my $m = next_mail($user, ':include:');
	like($m, qr/^Return-Path: <owner-list\@mx\.test\.example>$/m,
	    'its sender is the owner of the list');
}
mail_to('reports');
ok(wait_until(sub { slurp("$dir/reports") =~ /^Subject: to reports$/m }, 10),
    'a file is appended to');
is((stat "$dir/reports")[4], 65534, 'and stays its owner\'s');
my $id = mail_to('nothing');
ok($pi->wait_log(qr/$id: to=<nothing\@mx\.test\.example>.*status=sent/),
    '/dev/null');
$id = mail_to('ring');
ok($pi->wait_log(qr/$id: to=<ring\@mx\.test\.example>.*status=(?:bounced|deferred|sent)/),
    'aliases in a ring come to an end');
$id = mail_to('missing');
ok($pi->wait_log(qr/$id: to=<missing\@mx\.test\.example>.*dsn=4\..*status=deferred/),
    'a list that is not there: it waits');
spew("$dir/lists/gone", "bob\n");
chmod 0644, "$dir/lists/gone";
next_mail('bob', 'until it is', 20);
$id = mail_to('piped');
ok($pi->wait_log(qr/$id: to=<piped\@mx\.test\.example>.*status=(?:bounced|deferred)/),
    'a command is not run');
ok(!-e "$dir/touched", 'at all');
is(scalar $pi->cmd('postsuper', '-d', $id), 0, 'and its mail is deleted');

# What the queue says is an address is one, whatever it looks like (SEC-12).
for my $evil ("\"|/bin/touch $dir/touched\"", "\"$dir/evil\"",
    "\":include:$dir/lists/open\"") {
	my $r = $pi->send(to => "$evil\@mx.test.example");
	ok($r->{code} >= 500 && !-e "$dir/touched" && !-e "$dir/evil",
	    "$evil is no recipient") or diag $r->{text};
	sendmail('alice', "Subject: evil\n\n", $evil);
}
ok($pi->wait_log(qr/touched.*status=bounced/), 'nor when posted');
next_mail('alice', 'which its sender is told') for 1 .. 3;
ok(!-e "$dir/touched" && !-e "$dir/evil", 'nothing has happened');
is(scalar grep({ /to=.*reports.*status=sent/ } $pi->log), 1,
    'no file was written otherwise');

# --- .forward -----------------------------------------------------------------
Postern::Users::write_file('bob', '.forward', "\\bob, alice\n");
mail_to('bob');
next_mail('bob', '.forward with \\user');
like(next_mail('alice', '.forward'),
    qr/^Delivered-To: alice\@.*^Delivered-To: bob\@/ms, 'by way of bob');
Postern::Users::write_file('bob', '.forward', "carol\n");
Postern::Users::write_file('carol', '.forward', "bob\n");
$id = mail_to('bob');
ok($pi->wait_log(qr/status=bounced \(mail forwarding loop for (?:bob|carol)\@/),
    'users who forward to each other: a loop (DEL-24)');
unlink Postern::Users::home('carol') . '/.forward';
Postern::Users::write_file('bob', '.forward', "carol\n");
chmod 0666, Postern::Users::home('bob') . '/.forward';
mail_to('bob');
next_mail('bob', 'a .forward that anybody can write is not used');
unlink Postern::Users::home('bob') . '/.forward';
Postern::Users::write_file('alice', '.forward', "carol\n");
rename Postern::Users::home('alice') . '/.forward',
    Postern::Users::home('bob') . '/.forward';
mail_to('bob');
next_mail('bob', 'nor one of somebody else\'s');
unlink Postern::Users::home('bob') . '/.forward';

# --- Maildirs -----------------------------------------------------------------
$pi->set(home_mailbox => 'Maildir/');
$pi->reload;
my $maildir = Postern::Users::home('carol') . '/Maildir';
my $before = time;
mail_to('carol') for 1 .. 10;
ok(wait_until(sub { my @f = glob "$maildir/new/*"; @f == 10 }, 10),
    'home_mailbox: ten messages in new/');
for my $sub ('', '/tmp', '/new', '/cur') {
	my @stat = stat "$maildir$sub";
	is(sprintf('%o %d', ($stat[2] // 0) & 0777, $stat[4] // -1),
	    "700 $carol", "Maildir$sub is the user's alone");
}
my @files = glob "$maildir/new/*";
is((stat $files[0])[4], $carol, 'so are the files');
cmp_ok((stat $files[0])[9], '>=', $before - 1, 'of the time of delivery');
is(() = glob("$maildir/tmp/*"), 0, 'nothing is left in tmp/');
ok(!-e Postern::Users::mbox('carol') ||
    !grep({ /to carol/ } texts('carol')), 'and nothing in the mbox');
my @trials = Postern::Trial::messages('local');
$c = $pi->smtp;
$c->ehlo;
is($c->message(to => 'carol@mx.test.example', exact => 1, data =>
    Postern::Trial::dotted($_->[1]))->{code}, 250, "taken: $_->[0]")
    for @trials;
$c->quit;
wait_until(sub { my @f = glob "$maildir/new/*"; @f == 10 + @trials }, 10);
my %by = Postern::Trial::by_tag(map { slurp($_) } glob "$maildir/new/*");
for my $t (@trials) {
	my (undef, $rest) = Postern::Trial::split_trace(
	    $by{"local.$t->[0]"} // '');
	ok($rest eq $t->[2], "$t->[0]: every byte") or
	    diag Postern::Trial::difference($rest, $t->[2]);
}

# --- while nobody is there ----------------------------------------------------
is($pi->stop, 0, 'stopped');
($status, $out, $err) = sendmail('alice', "Subject: later\n\nx\n", 'carol');
is($status, 0, 'posted while the mail system is down') or diag $err;
my $drop = $pi->spool . '/maildrop';
my @drop = glob "$drop/*";
is(scalar @drop, 1, 'a file waits in maildrop');
is((stat $drop[0])[4], $alice, 'the user\'s own');
is((stat _)[2] & 07, 0, 'which others cannot read');
is((stat _)[5], (stat $drop)[5], 'but the queue manager');
isnt(scalar run(Postern::Users::as('bob', 'cat', $drop[0])), 0,
    'another user cannot');
isnt(scalar run(Postern::Users::as('bob', 'ls', $drop)), 0,
    'nor list the folder');
isnt(scalar run(Postern::Users::as('bob', 'rm', '-f', $drop[0])), 0,
    'nor remove it');

# What anybody can put there, and nobody wants.
my $whole = slurp($drop[0]);
my $n = 0;
my $junk = sub {
	my ($user, $bytes, $mode) = @_;
	my $name = "$drop/" . sprintf 'JUNK%06d', $n++;
	spew($name, $bytes);
	chown $user, -1, $name;
	chmod $mode // 0740, $name;
};
$junk->($bob, $_) for '', 'x', "\0" x 100, 'garbage' x 10000,
    substr($whole, 0, length($whole) / 2), substr($whole, 0, -1),
    "$whole$whole", $whole =~ s/carol/bobby/r, 'Subject: no', $whole . 'x',
    join('', map { chr int rand 256 } 1 .. 5000);
$junk->($bob, $whole, 0640);                    # not complete, it says
# Somebody else's file by another name (SEC-06, SEC-08).
spew("$dir/secret", "Subject: secret\n\nsecret\n");
chmod 0600, "$dir/secret";
link "$dir/secret", "$drop/LINK1" or diag "link: $!";
symlink '/etc/passwd', "$drop/SYMLINK";
run('mkfifo', '-m', '0777', "$drop/FIFO");
mkdir "$drop/FOLDER";
$pi->start;
ok(wait_until(sub { grep { slurp($_) =~ /^Subject: later$/m }
    glob "$maildir/new/*" }, 15), 'it is delivered after the start') or
    diag join "\n", (reverse((reverse $pi->log)[0 .. 9]));
($status) = sendmail('alice', "Subject: among junk\n\n", 'carol');
ok(wait_until(sub { grep { slurp($_) =~ /^Subject: among junk$/m }
    glob "$maildir/new/*" }, 10), 'other mail keeps flowing');
ok($pi->wait_log(qr/warning: maildrop\/JUNK/), 'junk is reported');
is(scalar grep({ slurp($_) =~ /secret|no$|bobby/m } glob("$maildir/new/*"),
    glob('/var/mail/*')), 0, 'none of it is mail');
is(scalar grep({ slurp($_) =~ /^Subject: later$/m }
    glob("$maildir/new/*")), 1, 'nothing arrives twice');
ok(-e "$dir/secret", 'the file that was linked is still there');

# Many at once (QUE-37), with other programs that lock.
$pi->set(home_mailbox => '');
$pi->reload;
my $have = () = texts('bob');
mail_to('bob', "Subject: many $_\n\n" . "line $_\n" x 200) for 1 .. 20;
my @many = mbox('bob', $have + 20, 20);
is(scalar(grep { /^Subject: many (\d+)$/m && do { my $n = $1;
    /\n\n(?:line $n\n){200}\z/ } } @many), 20,
    'twenty messages to one mbox, none torn');

ok($pi->wait_empty(20), 'the queue is empty') or
    diag scalar(($pi->cmd('mailq'))[1]);
is($pi->stop, 0, 'stopped');
done_testing;
