#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Virtual mailboxes: Maildirs and mboxes of a configured user id, what cannot
# be delivered, and what becomes of mail when the writers die.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(main => {
    virtual_mailbox_maps => 'texthash:vmaps',
    virtual_mailbox_limit => 20000, queue_run_delay => '1s',
    minimal_backoff_time => '1s', maximal_backoff_time => '2s' });
my $mail = $pi->dir . '/mail';

# user: a Maildir; box: an mbox in a folder; others go astray.
$pi->file('vmaps', map { "$_\n" }
    'user@test.example user/',
    'deep@test.example a/b/c/',
    'box@test.example boxes/box',
    'up@test.example ../up/',
    'link@test.example link/x/',
    'evil@test.example evil');
symlink '/tmp', "$mail/link";
symlink "$mail/target", "$mail/evil";
$pi->start;

# --- a Maildir --------------------------------------------------------------
my $r = $pi->send(data => "Subject: one\n\nFrom here\n.\n");
is($r->{code}, 250, 'taken');
my @mail = $pi->wait_mail('user');
is(scalar @mail, 1, 'delivered');
like($mail[0], qr/\AReturn-Path:\ <sender\@client\.example>\n
    X-Original-To:\ user\@test\.example\n
    Delivered-To:\ user\@test\.example\n
    Received:\ from\ /x, 'the headers of a delivery');
like($mail[0], qr/\n\nFrom here\n\.\n\z/, 'and the body as it was');
my ($file) = $pi->mail_files('user');
my @st = stat $file;
is($st[2] & 07777, 0600, 'nobody else reads it');
is($st[4], $pi->{uid}, 'it belongs to the configured user');
ok(abs(time - $st[9]) < 60, 'its time is that of delivery');
for my $sub (qw(tmp new cur)) {
	@st = stat "$mail/user/$sub";
	is($st[2] & 07777, 0700, "$sub has mode 0700");
}
ok(!glob("$mail/user/tmp/*"), 'nothing is left in tmp');
like($pi->wait_log(qr/\Q$r->{id}\E: to=<user\@/) // '',
    qr/relay=virtual, delay=[\d.]+, delays=[\d.]+\/[\d.]+\/[\d.]+\/[\d.]+, dsn=2\.0\.0, status=sent \(delivered to maildir\)$/,
    'the log has it in the usual form');

is($pi->send(to => 'deep@test.example')->{code}, 250, 'a deep Maildir');
ok(wait_until(sub { my @f = glob "$mail/a/b/c/new/*"; @f == 1 }, 10),
    'is made with all above it');

# --- an mbox ----------------------------------------------------------------
$pi->send(to => 'box@test.example', from => '',
    data => "Subject: s$_\n\nFrom here\n") for 1 .. 3;
ok(wait_until(sub {
	(() = (slurp("$mail/boxes/box", 1) // '') =~ /^From MAILER-DAEMON  /mg)
	    == 3;
}, 10), 'three messages in an mbox');
is(() = slurp("$mail/boxes/box") =~ /^>From here\n\n/mg, 3,
    'with their From lines quoted');
ok(wait_until(sub { !-e "$mail/boxes/box.lock" }, 5), 'no lock is left');

# --- what goes astray -------------------------------------------------------
$r = $pi->send(to => 'up@test.example');
like($pi->wait_log(qr/\Q$r->{id}\E: to=<up\@/) // '', qr/status=bounced/,
    'a path that leads up is refused');
ok(!-e $pi->dir . '/up', 'and nothing is there');
$r = $pi->send(to => 'link@test.example');
like($pi->wait_log(qr/\Q$r->{id}\E: to=<link\@/) // '', qr/status=deferred/,
    'a link that leads out is not followed');
ok(!-e '/tmp/x', 'and nothing is there, either');
$r = $pi->send(to => 'evil@test.example');
like($pi->wait_log(qr/\Q$r->{id}\E: to=<evil\@/) // '', qr/status=deferred/,
    'an mbox that is a link is not written to');
ok(!-e "$mail/target", 'nor made');
$r = $pi->send(data => "Subject: big\n\n" . ("x" x 70 . "\n") x 400);
like($pi->wait_log(qr/\Q$r->{id}\E: to=<user\@/) // '',
    qr/dsn=5\.2\.2, status=bounced \(.*File too large\)/,
    'a message over virtual_mailbox_limit');
$r = $pi->send(data => "Delivered-To: user\@test.example\nSubject: l\n\nx\n");
like($pi->wait_log(qr/\Q$r->{id}\E: to=<user\@/) // '',
    qr/dsn=5\.4\.6, status=bounced \(mail forwarding loop for/, 'a loop');
is(scalar $pi->mail_files('user'), 1, 'still one message');

# --- writers that die -------------------------------------------------------
my ($killed, %sent) = 0;
for my $i (1 .. 60) {
	my $r = $pi->send(data => "Subject: k$i\n\nbody\n");

	$sent{"k$i"} = 1 if $r->{code} == 250;
	if ($i % 10 == 0) {
		my $who = ('mailbox', 'virtual')[$i / 10 % 2];
		$killed += kill 'KILL', $pi->component($who);
	}
}
cmp_ok($killed, '>=', 4, 'processes killed meanwhile');
is(scalar keys %sent, 60, 'which no client noticed');
sub missing
{
	my %seen = map { /^Subject: (k\d+)$/m ? ($1 => 1) : () }
	    $pi->mail('user');

	return grep { !$seen{$_} } keys %sent;
}
ok(wait_until(sub { !missing() }, 40),
    'every message is there at least once') or diag join "\n", missing(),
    grep { /warning|error|deferred/ } $pi->log;
ok((!grep { !/\n\nbody\n\z/ } grep { /^Subject: k/m } $pi->mail('user')),
    'and whole');

is($pi->stop, 0, 'stopped, nothing left');
ok(!$pi->grep_log(qr/security:/), 'nothing was killed by its sandbox');
done_testing;
