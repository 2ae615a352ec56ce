#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# LMTP to servers on this machine: over a socket in the file system and over
# TCP, to Dovecot and to a server that answers as it is told, recipient by
# recipient; from transport tables, virtual_transport and mailbox_transport.
# A socket is connected to with the rights of mail_owner, and only if the
# configuration names it.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Peers;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

# Whose rights sockets are connected to with.
my ($owner) = grep { defined getpwnam $_ } qw(mail daemon);
my $pi = Postern::Instance->new(ipv6 => 0, main => {
    $> == 0 ? (mail_owner => $owner) : (),
    transport_maps => 'texthash:transport',
    minimal_backoff_time => '1000s', maximal_backoff_time => '1000s',
    lmtp_connection_cache_on_demand => 'no',
});
my $dir = $pi->dir;
mkdir "$dir/Sock", 0755;
my $sink = Postern::Sink->start(lmtp => 1, listen => ["$dir/Sock/Lmtp"]);
my $tcp = Postern::Sink->start(lmtp => 1);
my $port = $tcp->port;
my $far = '/' . 'x' x 200;
$pi->file('transport', <<"END");
unix.example      lmtp:unix:$dir/Sock/Lmtp
relative.example  lmtp:unix:private/lmtp
none.example      lmtp:unix:private/none
file.example      lmtp:unix:$dir/etc/main.cf
closed.example    lmtp:unix:$dir/Sock/closed
long.example      lmtp:unix:$far
smtp.example      smtp:unix:$dir/Sock/Lmtp
tcp.example       lmtp:inet:127.0.0.1:$port
tcp2.example      lmtp:[127.0.0.1]:$port
tcp3.example      lmtp:127.0.0.1:$port
END
$pi->start;

sub post
{
	my ($from, @to) = @_;
	my ($st, $out, $err) = $pi->cmd('sendmail', '-f', $from, '--', @to,
	    { input => "Subject: x\n\ntext of the message\n" });
	is($st, '0', "posted to @to") or diag($err);
}

sub logged
{
	my ($to, $rest, $what) = @_;
	ok($pi->wait_log(qr/to=<\Q$to\E>, $rest/, 15), $what) or
	    diag(grep { /\Q$to\E/ } $pi->log);
}

my $delays = qr/delay=[\d.]+, delays=[\d.\/]+/;

# --- one message --------------------------------------------------------------

post('a@test.example', 'x@unix.example');
my @m = $sink->wait(1, 15);
is(scalar @m, 1, 'the server behind the socket has the message');
is($m[0]{from}, 'a@test.example', 'from its sender');
is("@{ $m[0]{to} }", 'x@unix.example', 'to its recipient');
is($m[0]{helo}, 'mx.test.example', 'we said LHLO');
like($m[0]{data}, qr/^text of the message\r$/m, 'with its text');
logged('x@unix.example',
    qr/relay=mx\.test\.example\[\Q$dir\E\/Sock\/Lmtp\], $delays, dsn=2\.\d\.\d, status=sent/,
    'relay=host[path] in the log');

# --- every recipient has an answer of its own ---------------------------------

$sink->rule(eod => '550 5.2.2 mailbox full', match => 'full@');
$sink->rule(eod => '450 4.2.1 busy', match => 'busy@');
$sink->rule(rcpt => '550 5.1.1 who is that', match => 'who@');
$sink->rule(rcpt => '451 4.3.0 ask later', match => 'later@');
$sink->forget_messages;
post('', map { "$_\@unix.example" } qw(ok full busy who later fine));
@m = $sink->wait(1, 15);
is(join(' ', sort map { @{ $_->{to} } } @m), 'fine@unix.example ok@unix.example',
    'two of six are taken');
for my $case (
    ['ok', 'dsn=2\.\d\.\d, status=sent'], ['fine', 'dsn=2\.\d\.\d, status=sent'],
    ['full', 'dsn=5\.2\.2, status=bounced \(host mx\.test\.example\[.*\] said: 550 5\.2\.2 mailbox full \(in reply to end of DATA command\)\)'],
    ['busy', 'dsn=4\.2\.1, status=deferred \(.*450 4\.2\.1 busy'],
    ['who', 'dsn=5\.1\.1, status=bounced \(.*550 5\.1\.1 who is that \(in reply to RCPT TO command\)\)'],
    ['later', 'dsn=4\.3\.0, status=deferred \(.*451 4\.3\.0 ask later']) {
	logged("$case->[0]\@unix.example", qr/relay=mx.*$case->[1]/,
	    "$case->[0]: its own answer");
}
$sink->clear;

# --- TCP ----------------------------------------------------------------------

for my $d (qw(tcp tcp2 tcp3)) {
	post('', "x\@$d.example");
	logged("x\@$d.example",
	    qr/relay=127\.0\.0\.1\[127\.0\.0\.1\]:$port, $delays, dsn=2\.\d\.\d, status=sent/,
	    "LMTP over TCP: $d");
}

# --- what cannot be -----------------------------------------------------------

my $closed = Postern::Sink->start(lmtp => 1, listen => ["$dir/Sock/closed"]);
chmod 0600, "$dir/Sock/closed";
for my $case (
    ['none', 'No such file or directory'],
    ['file', 'Permission denied|Connection refused'],
    ['long', 'File name too long'],
    $> == 0 && Postern::Instance::waive() !~ /uid/ ?
	['closed', 'Permission denied'] : ()) {
	my ($d, $why) = @$case;
	post('', "x\@$d.example");
	logged("x\@$d.example",
	    qr/relay=none, $delays, dsn=4\.4\.1, status=deferred \(connect to mx\.test\.example\[.*\]: (?:$why)\)/,
	    "$d: $why");
}
post('', 'x@smtp.example');
logged('x@smtp.example', qr/relay=none.*dsn=4\.3\.5, status=deferred/,
    'the SMTP client has no sockets in the file system');
is(scalar(() = $closed->messages), 0, 'nothing reached the socket of others');

# --- a path from the queue directory on; flushed when the server is there -----

my $late = Postern::Sink->start(lmtp => 1,
    listen => [$pi->spool . '/private/none']);
$pi->cmd('postqueue', '-f');
@m = $late->wait(1, 15);
is(scalar @m, 1, 'private/none is below the queue directory');
logged('x@none.example', qr/relay=mx\.test\.example\[private\/none\].*status=sent/,
    'and is logged as it is written');
my @st = stat $pi->spool . '/private';
is(sprintf('%o', $st[2] & 07777), '700', 'private is private');
is(getpwuid($st[4]), $> == 0 ? $owner : scalar getpwuid($>), "and mail_owner's");

# --- a recipient's domain does not name a socket ------------------------------

my $c = $pi->smtp;
$c->cmd('EHLO client.example');
$c->cmd('MAIL FROM:<>');
my $r = $c->cmd("RCPT TO:<x\@unix:$dir/Sock/Lmtp>");
like($r->{code}, qr/^5/, 'not an address');
$c->cmd('QUIT');

# --- kept connections ---------------------------------------------------------

$pi->set(lmtp_connection_cache_on_demand => 'yes')->reload;
my $before = $sink->stats->{connections};
for my $n (1 .. 3) {
	post('', "keep$n\@unix.example");
	logged("keep$n\@unix.example", qr/relay=mx.*status=sent/, "message $n");
}
is($sink->stats->{connections} - $before, 1, 'one connection for three');
ok($pi->wait_log(qr/keep3\@unix.example.*conn_use=3/), 'and the log says so');

# --- the classes --------------------------------------------------------------

$pi->set(virtual_transport => "lmtp:unix:$dir/Sock/Lmtp")->reload;
$sink->forget_messages;
is($pi->send(to => 'user@test.example')->{code}, 250, 'a virtual mailbox user');
@m = $sink->wait(1, 15);
is("@{ ($m[0] // {})->{to} // [] }", 'user@test.example', 'virtual_transport');
# mailbox_transport: whoever has an account here.  An alias leads to him first.
my ($user, $other) = qw(daemon bin);
$sink->clear;
$sink->forget_messages;
$pi->file('aliases', "boss $user\ngone nosuchuser\nteam \\$user, x\@unix.example\n",
    "quiet $other\n");
$pi->file('mbt', "$other discard:said no more\n");
$pi->file('fbt', "nosuchuser error:5.1.1 really nobody\n");
$pi->set(mydestination => 'here.example, $myhostname', alias_maps => 'texthash:aliases',
    local_recipient_maps => '', recipient_delimiter => '+',
    mailbox_transport => "lmtp:unix:$dir/Sock/Lmtp",
    mailbox_transport_maps => 'texthash:mbt',
    fallback_transport => 'lmtp:unix:private/none',
    fallback_transport_maps => 'texthash:fbt')->reload;
sub arrives
{
	my ($at, $to, $from, $what) = @_;
	post('a@test.example', $from);
	my @m = $at->wait(1, 15);
	is(join(' ', sort map { @{ $_->{to} } } @m), $to, $what);
	$at->forget_messages;
}
arrives($sink, "$user\@here.example", "$user\@here.example", 'mailbox_transport');
logged("$user\@here.example", qr/relay=mx\.test\.example\[.*Lmtp\].*status=sent/,
    'logged by the client');
arrives($sink, "$user+ext\@here.example", "$user+ext\@here.example",
    'with its extension');
arrives($sink, "$user\@mx.test.example", 'boss@here.example', 'behind an alias');
logged("$user\@mx.test.example", qr/orig_to=<boss\@here\.example>, relay=mx/,
    'orig_to is the alias');
post('', 'team@here.example');
@m = $sink->wait(2, 15);
is(join(' ', sort map { @{ $_->{to} } } @m), "$user\@mx.test.example x\@unix.example",
    'a user, and an address elsewhere');
$sink->forget_messages;
$late->forget_messages;
arrives($late, 'stranger@here.example', 'stranger@here.example',
    'fallback_transport');
post('', 'gone@here.example', 'quiet@here.example');
logged('nosuchuser@mx.test.example',
    qr/orig_to=<gone\@here\.example>, relay=none.*dsn=5\.1\.1, status=bounced \(really nobody\)/,
    'fallback_transport_maps');
logged("$other\@mx.test.example", qr/.*relay=none.*status=sent \(said no more\)/,
    'mailbox_transport_maps');
$sink->rule(rcpt => '450 4.2.0 not now', match => "$user\@");
post('', "$user\@here.example");
logged("$user\@here.example", qr/.*status=deferred.*450 4\.2\.0 not now/,
    'put off');
$sink->clear;
$pi->cmd('postqueue', '-f');
@m = $sink->wait(1, 15);
is("@{ ($m[0] // {})->{to} // [] }", "$user\@here.example", 'and tried again');
ok(wait_until(sub { ($pi->cmd('mailq'))[1] !~ /here\.example/ }, 10),
    'nothing of it is left') or diag(($pi->cmd('mailq'))[1]);
my ($audit, $said) = $> == 0 ? $pi->mailctl('sandbox', 'audit', 'smtp') : (0, '');
is($audit, '0', 'nobody holds more than he may') or diag($said);
$pi->set(mailbox_transport => 'local', mailbox_transport_maps => '')->reload;
post('', "$user\@here.example");
logged("$user\@here.example", qr/.*dsn=4\.3\.5, status=deferred \(.*itself\)/,
    'local does not pass mail on to itself');

# --- Dovecot ------------------------------------------------------------------

SKIP: {
	my ($dovecot) = Postern::Peers::command('dovecot');
	skip 'dovecot with its LMTP server is not installed', 7
	    if !defined $dovecot || !-x '/usr/lib/dovecot/lmtp' || $> != 0;
	my $run = "$dir/dovecot";
	mkdir $_, 0755 for $run, "$run/home";
	my ($uid, $gid) = @$pi{qw(uid gid)};
	chown $uid, $gid, "$run/home";
	spew("$run/users", map { join(':', $_, '{PLAIN}x', $uid, $gid, '',
	    "$run/home/$_", '', '') . "\n" } qw(anna bernd));
	spew("$run/dovecot.conf", <<"END");
base_dir = $run/run
state_dir = $run/state
log_path = $run/log
instance_name = postern-test
protocols = lmtp
ssl = no
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
auth_username_format = %n
passdb {
  driver = passwd-file
  args = $run/users
}
userdb {
  driver = passwd-file
  args = $run/users
}
service lmtp {
  unix_listener ${\$pi->spool}/private/dovecot-lmtp {
    mode = 0600
    user = $owner
  }
}
service stats {
  chroot =
}
service anvil {
  chroot =
}
protocol lmtp {
  postmaster_address = postmaster\@test.example
}
END
	my $pid = spawn($dovecot, '-F', '-c', "$run/dovecot.conf",
	    { stdout => "$run/out", stderr => "$run/err" });
	ok(wait_until(sub { -S $pi->spool . '/private/dovecot-lmtp' }, 20),
	    'Dovecot listens') or diag(slurp("$run/err"), slurp("$run/log", 1));
	$pi->set(virtual_mailbox_domains => 'dove.example',
	    virtual_mailbox_maps => 'static:all',
	    virtual_transport => 'lmtp:unix:private/dovecot-lmtp')->reload;
	post('a@dove.example', map { "$_\@dove.example" } qw(anna bernd carla));
	for my $user (qw(anna bernd)) {
		logged("$user\@dove.example",
		    qr/relay=mx\.test\.example\[private\/dovecot-lmtp\], $delays, dsn=2\.0\.0, status=sent \(250 2\.0\.0 <$user\@dove\.example> \S+ Saved\)/,
		    "Dovecot takes $user\'s");
		my @f = glob "$run/home/$user/Maildir/new/*";
		like(@f ? slurp($f[0]) : '', qr/^text of the message$/m,
		    "and $user has it");
	}
	logged('carla@dove.example',
	    qr/.*dsn=5\.1\.1, status=bounced \(host .* said: 550 5\.1\.1 <carla/,
	    'it does not know carla');
	ok($pi->wait_log(qr/sender non-delivery notification/), 'and we say so');
	kill_and_wait([$pid, descendants($pid)]);
}

is($pi->stop, 0, 'all processes ended');
is(scalar($pi->grep_log(qr/panic|fatal|violation/)), 0, 'nobody was hurt');
done_testing;
