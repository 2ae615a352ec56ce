#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# mailctl and its other names on a running system: its life, its queue as
# root, as an ordinary user and as a stranger sees it, what is planted and
# must be found, and the audit.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my $sink = Postern::Sink->start;
my $here = '[127.0.0.1]:' . $sink->port;
my $pi = Postern::Instance->new(main => {
    transport_maps => 'texthash:transport',
    smtp_connection_cache_on_demand => 'no',
    minimal_backoff_time => '600s', maximal_backoff_time => '600s',
    queue_run_delay => '600s' });
my @sites = qw(one.example two.example);
$pi->file('transport', map { "$_ smtp:$here\n" } @sites);

# Run a command as somebody who is nobody: as `nobody' when we are root.
sub as_nobody
{
	my ($name, @args) = @_;

	return run($^X, '-e', '$) = "65534 65534"; $( = 65534;' .
	    '$< = 65534; $> = 65534; exec @ARGV; exit 126',
	    build_dir() . "/bin/$name", @args,
	    { timeout => 60, env => { MAIL_CONFIG => $pi->etc } });
}

# The queue by JSON lines: id to object.
sub queue
{
	my ($status, $out) = $pi->cmd('postqueue', '-j');
	my $json = JSON::PP->new->utf8;

	die "postqueue -j: $status\n" if $status ne '0';
	return map { $_->{queue_id} => $_ } map { $json->decode($_) }
	    split /\n/, $out;
}

sub ids_in
{
	my ($state) = @_;
	my %q = queue();

	my @ids = sort grep { $q{$_}{queue_name} eq $state } keys %q;
	return @ids;
}

sub submit
{
	my ($to, %m) = @_;
	my $r = $pi->send(to => $to, %m);

	is($r->{code}, 250, "$to: taken") or diag $r->{text};
	return $r->{id};
}

# --- what is planted is found -----------------------------------------------

sub check_finds
{
	my ($what, $change, @want) = @_;
	my $bad = Postern::Instance->new(name => 'bad', services => 0);

	$change->($bad);
	my ($status, $out, $err) = $bad->mailctl('check');
	is($status, 1, "check: $what: status");
	like($err, $_, "check: $what: said") for @want;
	($status) = $bad->mailctl('start');
	return $status;
}

is(scalar $pi->mailctl('check'), 0, 'check: nothing wrong');
is(check_finds('three at once', sub {
	$_[0]->set(smtpd_recipient_restricitons => 'permit',
	    message_size_limit => 'huge', inet_protocols => 'ipv5');
}, qr/main\.cf.*line \d+.*smtpd_recipient_restricitons.*smtpd_recipient_restrictions/,
    qr/message_size_limit/, qr/inet_protocols/), 1,
    'and does not start');
check_finds('a table that is not there', sub {
	$_[0]->set(virtual_alias_maps => 'hash:nothere');
}, qr/virtual_alias_maps.*nothere\.db.*postmap/);
check_finds('no mailbox base', sub {
	$_[0]->set(virtual_mailbox_base => '/nonexistent/mail');
}, qr/virtual_mailbox_base/);
check_finds('no parent of the queue', sub {
	$_[0]->set(queue_directory => '/nonexistent/a/b');
}, qr/queue_directory/);
check_finds('a wall that is none', sub {
	$_[0]->set(sandbox_waive => 'drawbridge');
}, qr/drawbridge/);
SKIP: {
	skip 'needs root', 4 unless $> == 0;
	check_finds('files that anybody may write', sub {
		chmod 0666, $_[0]->etc . '/main.cf';
		chmod 0777, $_[0]->etc;
	}, qr{/main\.cf: anybody may write}, qr{/etc: anybody may write});
}

# --- life -------------------------------------------------------------------
my ($status, $out, $err) = $pi->cmd('postfix', 'stop');
is($status, 1, 'postfix stop: not running');
like($err, qr/the Postfix mail system is not running/, 'and says so');
is(scalar $pi->mailctl('stop'), 0, 'mailctl stop: not running is no failure');
is(scalar $pi->cmd('postfix', 'status'), 1, 'postfix status');
($status, $out, $err) = $pi->cmd('postqueue', '-p');
is($status, 0, 'postqueue -p while it is down');
like($err, qr/^postqueue: warning: Mail system is down -- accessing queue directly$/m,
    'says so');
is($out, "Mail queue is empty\n", 'and lists the queue');
SKIP: {
	skip 'needs root', 2 unless $> == 0;
	($status, $out, $err) = as_nobody('postqueue', '-p');
	is($status, 69, 'postqueue -p while it is down, as nobody');
	like($err, qr/Queue report unavailable - mail system is down/, 'why');
}
($status) = $pi->cmd('postfix', 'start');
is($status, 0, 'postfix start');
guard_pid($pi->main_pid);
is(scalar $pi->cmd('postfix', 'start'), 1, 'a second start is refused');
is(scalar $pi->cmd('postfix', 'status'), 0, 'postfix status');
my $st = $pi->json('status');
is($st->{running}, JSON::PP::true, 'status --json');
my %state = map { $_->{component} => $_->{state} }
    @{ $st->{status}{processes} };
is($state{$_}, 'ready', "$_ is ready") for qw(qmgr control smtpd);
is($state{smtp}, 'on-demand', 'smtp is not wanted yet');
($status, $out) = $pi->cmd('postqueue', '-p');
is($out, "Mail queue is empty\n", 'an empty queue');
is(scalar $pi->cmd('postqueue', '-j'), 0, 'by JSON lines');

# A session survives a reload; a broken configuration changes nothing.
my $session = $pi->smtp;
is($session->ehlo->{code}, 250, 'a session');
$pi->set(smtpd_banner => '$myhostname ESMTP anew');
$pi->reload;
is($session->message(to => 'user@test.example')->{code}, 250,
    'a session survives a reload');
like($pi->smtp->banner->{text}, qr/anew/, 'the next one has the new settings');
$pi->set(smtpd_banner => '$myhostname ESMTP never',
    smtpd_recipient_limit => 'many');
($status, $out, $err) = $pi->mailctl('reload');
is($status, 1, 'reload: a wrong value');
like($err, qr/main\.cf.*smtpd_recipient_limit/, 'is named');
like($pi->smtp->banner->{text}, qr/anew/, 'and nothing has changed');
$pi->set(smtpd_recipient_limit => 1000,
    smtpd_banner => '$myhostname ESMTP anew');
$pi->reload;
ok($pi->wait_empty, 'nothing waits');

# --- the queue --------------------------------------------------------------
$sink->rule(rcpt => '450 4.2.0 come back later');
my @one = map { submit("u$_\@one.example", from => 'a@client.example') } 1 .. 2;
my $two = submit('v@two.example', from => '');
ok(wait_until(sub { ids_in('deferred') == 3 }, 15), 'three are deferred');
my %q = queue();
my $e = $q{$one[0]};
is($e->{sender}, 'a@client.example', 'JSON: sender');
is($q{$two}{sender}, 'MAILER-DAEMON', 'JSON: the null sender');
cmp_ok(abs($e->{arrival_time} - time()), '<', 60, 'JSON: arrival');
is($e->{message_size}, length(($pi->cmd('postcat', '-qbh', $one[0]))[1]),
    'JSON: size, of what goes out');
ok($pi->wait_log(qr/\Q$one[0]\E: from=<a\@client\.example>, size=$e->{message_size}, nrcpt=1 /),
    'which the log has, too');
is($e->{recipients}[0]{address}, 'u1@one.example', 'JSON: recipient');
like($e->{recipients}[0]{delay_reason}, qr/450 4\.2\.0 come back later/,
    'JSON: reason');

my $day = qr/(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;
($status, $out) = $pi->cmd('mailq');
like($out, qr/\A-Queue ID-  --Size-- ----Arrival Time---- -Sender\/Recipient-------\n/,
    'mailq: headings');
like($out, qr/^\Q$one[0]\E +\d+ $day \w{3} [ \d]\d \d\d:\d\d:\d\d  a\@client\.example\n *\(host .*450 4\.2\.0.*\)\n {41}u1\@one\.example$/m,
    'mailq: a message');
like($out, qr/^\Q$two\E +\d+ .*  MAILER-DAEMON$/m, 'mailq: the null sender');
like($out, qr/\n\n-- \d+ Kbytes in 3 Requests\.\n\z/, 'mailq: the sum');
my $list = $pi->json('queue', 'list');
is(scalar @$list, 3, 'mailctl queue list --json');
is(scalar(grep { $_->{state} eq 'deferred' } @$list), 3, 'states');

# Hold and release.
($status, $out, $err) = $pi->cmd('postsuper', '-h', $one[0]);
is("$status $err", "0 postsuper: $one[0]: placed on hold\npostsuper: Placed on hold: 1 message\n",
    'postsuper -h');
($status, $out) = $pi->cmd('mailq');
like($out, qr/^\Q$one[0]\E!/m, 'it has its mark');
is_deeply([ids_in('hold')], [$one[0]], 'and is on hold');
$sink->clear;
is(scalar $pi->cmd('postqueue', '-i', $one[0]), 0, 'a flush of it');
sleep 0.3;
is_deeply([ids_in('hold')], [$one[0]], 'does not release it');
($status, $out, $err) = $pi->cmd('postsuper', '-H', 'ALL');
like($err, qr/Released from hold: 1 message$/, 'postsuper -H ALL');
my ($m) = $sink->wait(1, 10);
is_deeply($m->{to}, ['u1@one.example'], 'it is tried at once');

# Flush one site, one message.
is(scalar $pi->cmd('postqueue', '-s', 'two.example'), 0, 'postqueue -s');
($m) = ($sink->wait(2, 10))[1];
is_deeply($m->{to}, ['v@two.example'], 'only that of the site is tried');
is_deeply([ids_in('deferred')], [$one[1]], 'and the other waits');
is(scalar $pi->cmd('postqueue', '-i', $one[1]), 0, 'postqueue -i');
($m) = ($sink->wait(3, 10))[2];
is_deeply($m->{to}, ['u2@one.example'], 'is tried');
ok($pi->wait_empty, 'all is delivered');
is(scalar $pi->cmd('postqueue', '-i', 'nothing'), 64, 'no queue id');
is(scalar $pi->cmd('postqueue', '-s', 'a@b'), 64, 'no site');
is(scalar $pi->cmd('postqueue'), 64, 'no order');

# A backlog: a dead destination comes back; all are delivered by a flush.
$sink->rule(connect => '421 4.3.2 not now');
my %backlog = map { submit("w$_\@one.example") => 1 } 1 .. 20;
ok(wait_until(sub { ids_in('deferred') == 20 }, 20), 'a backlog');
$sink->clear;
is(scalar $pi->cmd('postfix', 'flush'), 0, 'postfix flush');
is(scalar(() = $sink->wait(23, 15)), 23, 'all arrive');
ok($pi->wait_empty, 'and none is left');

# Delete, requeue, expire.
$sink->rule(rcpt => '450 4.2.0 come back later', match => 'one\.example');
my @four = map { submit("x$_\@one.example",
    $_ == 4 ? (from => 'user@test.example') : ()) } 1 .. 4;
ok(wait_until(sub { ids_in('deferred') == 4 }, 15), 'four more');
($status, $out, $err) = $pi->cmd('postsuper', '-d', '-',
    { input => "$four[0]\nnonsense\n" });
like($err, qr/Deleted: 1 message$/m, 'postsuper -d, by standard input');
like($err, qr/invalid mail queue id: nonsense/, 'what is no id is said');
is_deeply([ids_in('deferred')], [sort @four[1 .. 3]], 'it is gone');
ok(defined $pi->wait_log(qr/qmgr.*\Q$four[0]\E: removed/), 'and logged');
$pi->file('transport', "one.example smtp:[127.0.0.1]:1\n",
    "two.example smtp:$here\n");
$pi->reload;
($status, $out, $err) = $pi->cmd('postsuper', '-r', $four[1]);
like($err, qr/Requeued: 1 message$/, 'postsuper -r');
my ($anew) = ($pi->wait_log(qr/orig_id=\Q$four[1]\E$/) // '') =~
    /: (\S+): uid=0/;
ok(defined $anew, 'under a new id');
ok(defined $pi->wait_log(qr/\Q$anew\E: to=.*:1\b.*refused/),
    'takes the way of the new configuration');
($status, $out, $err) = $pi->cmd('postsuper', '-e', $four[3]);
like($err, qr/Force-expired: 1 message$/, 'postsuper -e');
my ($bounce) = $pi->wait_mail('user', 2, 15);
ok(wait_until(sub { !grep { $_ eq $four[3] } ids_in('deferred') }, 10),
    'an expired one goes');
ok((grep { /x4\@one\.example/ } $pi->mail('user')),
    'its sender has it back');
($status, $out, $err) = $pi->cmd('postsuper', '-h', 'ALL', 'deferred');
like($err, qr/Placed on hold: 2 messages/, 'all of one queue');
($status, $out, $err) = $pi->cmd('postsuper', '-d', 'ALL', 'deferred');
is($err, "postsuper: Deleted: 0 messages\n", 'which then is empty');
($status, $out) = $pi->mailctl('queue', 'delete', 'ALL');
is($out, "deleted: 2 messages\n", 'mailctl queue delete ALL');
($status, $out) = $pi->cmd('postqueue', '-p');
is($out, "Mail queue is empty\n", 'nothing is left');
isnt(scalar $pi->mailctl('queue', 'hold', $four[0]), 0,
    'mailctl: a message that is not there');

# --- one message, shown -----------------------------------------------------
my $text = "Subject: shown\nX-Long: a\n b\n\nline one\n\nline two\n";
my $shown = submit('y@one.example', from => 'a@client.example', data => $text);
ok(wait_until(sub { ids_in('deferred') == 1 }, 15), 'one waits');
($status, $out) = $pi->cmd('postcat', '-q', $shown);
is($status, 0, 'postcat -q');
my $at = -1;
for my $want ('*** ENVELOPE RECORDS ', "\nsender: a\@client.example\n",
    "\nrecipient: y\@one.example\n", "\n*** MESSAGE CONTENTS ",
    "\nSubject: shown\n", "\nline two\n", "\n*** MESSAGE FILE END ") {
	my $next = index $out, $want, $at < 0 ? 0 : $at;
	cmp_ok($next, '>', $at, $want =~ s/\n//gr) or diag $out;
	$at = $next;
}
($status, $out) = $pi->cmd('postcat', '-qb', $shown);
is($out, "\nline one\n\nline two\n", 'its body');
($status, $out) = $pi->cmd('postcat', '-qh', $shown);
like($out, qr/^X-Long: a\n b\n/m, 'its header');
unlike($out, qr/line|^$/m, 'and only that');
my ($file) = glob $pi->spool . "/deferred/*/$shown";
($file) = glob $pi->spool . "/deferred/$shown" unless defined $file;
($file) = glob $pi->spool . "/deferred/*/*/$shown" unless defined $file;
($status, $out) = $pi->cmd('postcat', '-b', $file);
is($out, "\nline one\n\nline two\n", 'the file');
is(scalar $pi->cmd('postcat', $pi->etc . '/main.cf'), 1, 'no queue file');
is(scalar $pi->cmd('postcat', '-q', '../../etc/passwd'), 1, 'no queue id');

# --- what is being delivered ------------------------------------------------

# Of two recipients, one is done: only the other is shown.
$sink->clear;
$pi->file('transport', map { "$_ smtp:$here\n" } @sites);
$pi->reload;
$sink->rule(rcpt => '450 4.2.0 come back later', match => 'late@');
my $half = submit(['soon@two.example', 'late@two.example']);
ok(wait_until(sub { grep { $_ eq $half } ids_in('deferred') }, 15), 'half of one');
%q = queue();
is_deeply([map { $_->{address} } @{ $q{$half}{recipients} }],
    ['late@two.example'], 'only the recipient that is left');
$pi->cmd('postsuper', '-d', $half);

# In the hands of an agent, without a file: listed, shown, deleted at the end.
$sink->rule(eod => 'delay 2, 450 4.2.0 no');
my $busy = submit('z@two.example', data => $text);
sleep 0.5;
($status, $out) = $pi->cmd('mailq');
like($out, qr/^\Q$busy\E\* /m, 'one that is being delivered has its mark');
($status, $out) = $pi->cmd('postcat', '-qb', $busy);
is($out, "\nline one\n\nline two\n", 'its content');
($status, $out) = $pi->cmd('postcat', '-qe', $busy);
like($out, qr/^recipient: z\@two\.example$/m, 'its envelope');
($status, $out, $err) = $pi->cmd('postsuper', '-d', $busy);
like($err, qr/Deleted: 1 message/, 'it is deleted');
ok(wait_until(sub { !grep { $_ eq $busy } ids_in('active') }, 10),
    'when the delivery is over');
is(scalar(grep { $_ eq $busy } ids_in('deferred')), 0, 'and does not come back');
$sink->clear;

# control dies: another answers.
my ($old) = $pi->component('control');
kill 'KILL', $old;
ok(wait_until(sub { ($pi->cmd('postqueue', '-p'))[0] eq '0' }, 10),
    'control is killed, another answers');

# --- other users ------------------------------------------------------------
SKIP: {
	skip 'needs root to be somebody else', 14 unless $> == 0;
	skip 'the programs are not for everybody', 14
	    if (as_nobody('postqueue', '-p'))[0] == 126;
	($status, $out) = as_nobody('postqueue', '-p');
	is($status, 0, 'nobody: lists the queue');
	like($out, qr/in 1 Request\.$/, 'and sees it');
	is((as_nobody('postqueue', '-f'))[0], 0, 'nobody: flushes');
	is((as_nobody('mailctl', 'status'))[0], 0, 'nobody: status');
	($status, $out, $err) = as_nobody('postsuper', '-d', 'ALL');
	is($status, 1, 'nobody: deletes nothing');
	like($err, qr/reserved for the superuser/, 'and hears why');
	isnt((as_nobody('postcat', '-q', $shown))[0], 0, 'nobody: reads nothing');
	isnt((as_nobody('mailctl', 'reload'))[0], 0, 'nobody: no reload');
	isnt((as_nobody('mailctl', 'sandbox', 'graph'))[0], 0,
	    'nobody: no graph');
	is((as_nobody('mailctl', 'sandbox', 'audit'))[0], 2,
	    'nobody: cannot measure');
	$pi->set(authorized_mailq_users => 'root',
	    authorized_flush_users => '!nobody, static:anyone');
	$pi->reload;
	is((as_nobody('postqueue', '-p'))[0], 77, 'not one of mailq users');
	is((as_nobody('postqueue', '-f'))[0], 77, 'not one of flush users');
	is((as_nobody('mailctl', 'status'))[0], 1, 'no status either');
	is(scalar $pi->cmd('postqueue', '-p'), 0, 'root may in any case');
	$pi->set(authorized_mailq_users => 'static:anyone');
	$pi->reload;
}

# Whoever does not read a listing keeps nobody else waiting; nor does garbage.
$pi->cmd('postsuper', '-d', 'ALL');
$sink->rule(rcpt => '450 4.2.0 come back later');
$pi->file('transport', map { "$_ smtp:$here\n" } @sites);
$pi->reload;
my $c = $pi->smtp;
$c->ehlo;
my $many = 300;
my @rcpts = map { "r$_\@two.example" } 1 .. 20;
$c->message(to => [@rcpts], data => "Subject: m\n\nx\n") for 1 .. $many;
ok(wait_until(sub { ids_in('deferred') == $many }, 60), 'many wait');
my @stuck;
for (1 .. 10) {
	my $s = IO::Socket::UNIX->new(Peer => $pi->spool . '/public/control');
	# CONTROL_LIST with recipients.
	syswrite $s, pack 'VvvVV C V', 21, 3, 0, 7, 0, 1, 0 if $s;
	push @stuck, $s;
}
my $junk = IO::Socket::UNIX->new(Peer => $pi->spool . '/public/control');
syswrite $junk, "GET / HTTP/1.0\r\n\r\n";
my $start = time();
my %seen = queue();
is(scalar keys %seen, $many, 'a whole listing');
is(scalar(grep { @{ $_->{recipients} } == 20 } values %seen), $many,
    'with all recipients');
cmp_ok(time() - $start, '<', 10, 'beside clients that do not read');
is(sysread($junk, my $byte, 1), 0, 'garbage is cut off');
close $_ for @stuck;
($status, $out, $err) = $pi->cmd('postsuper', '-d', 'ALL');
like($err, qr/Deleted: $many messages/, 'all are deleted');

# --- the small ones ---------------------------------------------------------
is(scalar $pi->cmd('postlog', '-p', 'warn', '-t', 'mine', 'a', 'word'), 0,
    'postlog');
ok(defined $pi->wait_log(qr/ mine\[\d+\]: warning: a word$/), 'is in the log');
$pi->cmd('postlog', { input => "in\e[31mput\n" });
ok(defined $pi->wait_log(qr{/postlog\[\d+\]: in\?\[31mput$}), 'defused');
is(scalar $pi->cmd('postlog', '-p', 'loud', 'x'), 1, 'no such priority');
my $box = $pi->dir . '/box';
is(scalar $pi->cmd('postlock', $box, 'sh', '-c',
    "test -e '$box.lock' && exit 7"), 7, 'postlock');
ok(!-e "$box.lock", 'leaves no lock');
spew("$box.lock", '');
$pi->set(deliver_lock_attempts => 2, deliver_lock_delay => '1s');
is(scalar $pi->cmd('postlock', $box, 'true'), 75, 'a lock that is held');
unlink "$box.lock";
is(scalar $pi->cmd('postkick', 'public', 'qmgr', 'D'), 0, 'postkick');
isnt(scalar $pi->cmd('postkick', 'public', 'nothing', 'W'), 0,
    'postkick: no such service');
($status, $out) = $pi->mailctl('log', 'tail');
is(scalar(() = $out =~ /\n/g), 10, 'ten lines of the log');

# --- the sandbox ------------------------------------------------------------
my $audit = JSON::PP->new->utf8->decode(
    ($pi->mailctl('sandbox', 'audit', '--json'))[1]);
my %audited = map { $_->{component} => $_ } @{ $audit->{processes} };
is(scalar(grep { !exists $audited{$_} } qw(launcher broker qmgr smtpd gate
    control logd)), 0, 'every component is audited');
ok(exists $audited{smtp} || $audit->{on_demand} =~ /\bsmtp\b/,
    'or said not to be there');
SKIP: {
	skip 'only root can measure all', 3 unless $> == 0;
	($status, $out) = $pi->mailctl('sandbox', 'audit');
	is($status, 0, 'no difference') or diag $out;
	is(scalar(grep { $_->{points} > 1000 } values %audited),
	    keys(%audited) - 1, 'filters are run, but for the launcher');
	# A process that nobody declared is found.
	my $launcher = $pi->main_pid;
	ok($audited{launcher}{pid} == $launcher, 'the launcher is it');
}
($status, $out) = $pi->mailctl('sandbox', 'graph');
like($out, qr/^smtpd 0, process \d+\n.*^    channel /ms, 'the graph');
is(scalar $pi->mailctl('sandbox', 'prove'), 0, 'no never line is broken');
($status, $out) = $pi->mailctl('sandbox', 'show', 'gate');
like($out, qr{^component gate\n(?:.*\n)*accept +accept4 }m, 'a policy and its calls');

# --- the end ----------------------------------------------------------------
is(scalar $pi->cmd('postfix', 'stop'), 0, 'postfix stop');
is(scalar $pi->pids, 0, 'leaves no process');

# For a supervisor: in the foreground, saying when it is ready.
my $note = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
    Local => $pi->dir . '/notify');
my $pid = spawn(build_dir() . '/bin/mailctl', '-c', $pi->etc, 'start',
    '--foreground', { env => { NOTIFY_SOCKET => $pi->dir . '/notify' } });
my $said = '';
eval {
	local $SIG{ALRM} = sub { die };
	alarm 20;
	recv $note, $said, 1000, 0;
	alarm 0;
};
like($said, qr/^READY=1/m, 'start --foreground: says it is ready');
is($pi->main_pid, $pid, 'and is the process that was started');
is($pi->send->{code}, 250, 'and works');
kill 'TERM', $pid;
ok(wait_until(sub { waitpid($pid, POSIX::WNOHANG()) == $pid }, 20),
    'ends when it is told');
is($? >> 8, 0, 'with status 0');
is(scalar $pi->pids, 0, 'and leaves nothing');

# What hangs is killed.
$pi->start;
kill 'STOP', $pi->component('qmgr');
$start = time();
is(scalar $pi->mailctl('stop', '--timeout', '2'), 0, 'stop with a component that hangs');
cmp_ok(time() - $start, '<', 12, 'does not take for ever');
is(scalar $pi->pids, 0, 'and leaves nothing');
$pi->start;
is(scalar $pi->cmd('postfix', 'abort'), 0, 'postfix abort');
is(scalar $pi->pids, 0, 'leaves nothing');

done_testing;
