#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Local delivery with real users of the system (needs root): mailboxes in the
# mail spool, aliases, lists with owners, files, mail that goes out again.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless($> == 0, 'needs root: mail is delivered as its user');
my ($user, $other) = grep { defined getpwnam $_ } qw(games man daemon);
skip_unless(defined $other, 'no two users without mail of their own');

my $pi = Postern::Instance->new(main => {
    mydestination => 'local.example', myorigin => 'local.example',
    alias_maps => 'texthash:aliases', recipient_delimiter => '+',
    queue_run_delay => '1s', minimal_backoff_time => '1s',
    maximal_backoff_time => '2s',
    local_recipient_maps => '', transport_maps => 'texthash:transport',
    virtual_mailbox_domains => 'test.example, up.example',
    virtual_mailbox_maps => 'texthash:vmaps' });
my $dir = $pi->dir;
my $spool = "$dir/spoolmail";

# A spool like that of Debian: users cannot make files in it.
mkdir $spool;
chmod 0755, $dir, $spool;
mkdir "$dir/files";
chown((getpwnam 'nobody')[2, 3], "$dir/files");
$pi->set(mail_spool_directory => $spool);
$pi->file('vmaps', "user\@test.example user/\n", "a\@up.example a/\n",
    "b\@up.example b/\n");
$pi->file('transport', "down.example smtp:[127.0.0.1]:1\n");
spew("$dir/list", "# members\n$user\na\@up.example, b\@up.example\n");
chmod 0644, "$dir/list";
spew("$dir/secret", "a\@up.example\n");
chmod 0600, "$dir/secret";
$pi->file('aliases', map { "$_\n" }
    'chain1 chain2', 'chain2 chain3', "chain3 $user",
    "team $user, a\@up.example",
    'remote a@up.example, b@up.example, c@down.example',
    "list $user, a\@up.example", 'owner-list user@test.example',
    "file $dir/files/log", "nofile $dir/etc/log", 'null /dev/null',
    "incl :include:$dir/list", "secret :include:$dir/secret",
    "quoted \"$user\"", "env \"|env >$dir/files/env\"",
    'cmd "|/bin/cat"', 'ping pong', 'pong ping');
$pi->start;

# Send to a local name; the line of the log on it.
sub fate
{
	my ($name, %m) = @_;
	my $r = $pi->send(to => "$name\@local.example", %m);

	is($r->{code}, 250, "$name: taken");
	return $pi->wait_log(qr/local.*\Q$r->{id}\E: to=<(?:\Q$name\E\@|[^>]*>, orig_to=<\Q$name\E\@)/) // '';
}

sub mbox { return slurp("$spool/$_[0]", 1) // ''; }
sub count { return scalar(() = $_[0] =~ /$_[1]/g); }

# --- mailboxes --------------------------------------------------------------
like(fate($user), qr/relay=local, .* status=sent \(delivered to mailbox\)/,
    'a user');
my @st = stat "$spool/$user";
is($st[4], (getpwnam $user)[2], 'his mailbox is his');
is($st[2] & 07777, 0600, 'and nobody else\'s');
like(mbox($user), qr/\AFrom sender\@client\.example  \w.*\nReturn-Path: .*\n.*^Delivered-To: \Q$user\E\@local\.example$/ms,
    'as an mbox has it');
like(fate("$user+ext"), qr/status=sent/, 'with an extension');
like(fate('nosuchuser'),
    qr/dsn=5\.1\.1, status=bounced \(unknown user: "nosuchuser"\)/,
    'nobody');
like(fate('root'), qr/status=deferred/, 'root has no mailbox');
ok(defined $pi->wait_log(qr/warning: .*mail for user root/), 'with a warning');
ok(!-e "$spool/root", 'indeed');

# Somebody removes his mailbox while his process is there.
ok(unlink("$spool/$user"), 'a mailbox is removed');
like(fate($user, data => "Subject: anew\n\nx\n"), qr/status=sent/,
    'the next message makes it anew');
is(count(mbox($user), 'Subject: anew'), 1, 'and is in it');
@st = stat "$spool/$user";
is($st[4], (getpwnam $user)[2], 'which is his again');

# --- aliases ----------------------------------------------------------------
like(fate('chain1'), qr/to=<\Q$user\E\@local\.example>, orig_to=<chain1\@local\.example>, relay=local, /,
    'the log says where an alias led');
like(fate('quoted'), qr/to=<\Q$user\E\@local\.example>.* status=sent/,
    'and quotes do not matter');
like(fate('chain1', data => "Subject: chain\n\nx\n"), qr/status=sent/,
    'an alias of an alias of an alias');
is(count(mbox($user), 'Subject: chain'), 1, 'is delivered once');
like(fate('team', data => "Subject: team\n\nx\n"),
    qr/status=sent \(forwarded as \w+\)/, 'one here, one elsewhere');
is(scalar $pi->wait_mail('a', 1), 1, 'the one elsewhere');
ok(wait_until(sub { count(mbox($user), 'Subject: team') == 1 }, 10),
    'the one here');
like(($pi->mail('a'))[0], qr/^Delivered-To: team\@local\.example$/m,
    'which says how it came');
like(fate('ping'), qr/dsn=5\.4\.6, status=bounced/, 'a ring of aliases');
like(fate('cmd'), qr/dsn=2\.0\.0, status=sent \(delivered to command: \/bin\/cat\)/,
    'a command');

like(fate('Env+Ext'), qr/status=sent/, 'another');
my %env = map { /^(\w+)=(.*)/ ? ($1 => $2) : () } lines_of("$dir/files/env");
is("@env{qw(USER LOGNAME LOCAL EXTENSION DOMAIN)}",
    'env env env+ext ext local.example', 'knows its user in lower case');
is($env{RECIPIENT}, 'Env+Ext@local.example', 'and the recipient as it came');

# --- three elsewhere, one of them unreachable -------------------------------
my $line = fate('remote', data => "Subject: remote\n\nx\n");
my ($id) = $line =~ /forwarded as (\w+)/;
ok(defined $id, 'three addresses are a new message');
ok(defined $pi->wait_log(qr/\Q$id\E: to=<c\@down\.example>.*status=deferred/),
    'one of which waits');
sub remotes
{
	return grep { /Subject: remote/ } map { $pi->mail($_) } 'a', 'b';
}
ok(wait_until(sub { remotes() == 2 }, 10), 'the others are delivered');
ok(defined $pi->wait_log(
    qr/\Q$id\E: to=<c\@down\.example>.*status=deferred/, 20, 2),
    'and is tried again');
is(scalar remotes(), 2, 'once, whatever is tried again');

# --- lists ------------------------------------------------------------------
$line = fate('list', data => "Subject: list\n\nx\n");
($id) = $line =~ /forwarded as (\w+)/;
ok(defined $pi->wait_log(qr/\Q$id\E: from=<owner-list\@local\.example>/),
    'a list\'s errors go to its owner');
$line = fate('incl', data => "Subject: incl\n\nx\n");
ok(wait_until(sub {
	(grep { /Subject: incl/ } map { $pi->mail($_) } 'a', 'b') == 2 &&
	    count(mbox($user), 'Subject: incl') == 1;
}, 10), 'a list in a file: all three');
like(fate('secret'), qr/status=deferred \(cannot read an :include: file\)/,
    'a list that only root may read is not read');

# --- files ------------------------------------------------------------------
like(fate('file'), qr/status=sent \(delivered to file: \Q$dir\E\/files\/log\)/,
    'a file');
@st = stat "$dir/files/log";
is($st[4], (getpwnam 'nobody')[2], 'written as default_privs');
like(fate('nofile'), qr/status=deferred/,
    'where nobody may not write, nothing is written');
ok(!-e "$dir/etc/log", 'indeed');
like(fate('null'), qr/status=sent \(delivered to file: \/dev\/null\)/,
    'nowhere');

# --- destinations that the queue does not have ------------------------------
for my $rcpt ('"|touch /tmp/never"', '"/tmp/never"', '":include:/etc/passwd"') {
	my $r = $pi->send(to => "$rcpt\@local.example");
	$pi->wait_log(qr/\Q$r->{id}\E: to=.*status=bounced/)
	    if $r->{code} == 250;
}
ok(!-e '/tmp/never', 'an address is never a file or a command');

# --- the mailbox of a user has one writer at a time -------------------------
my $before = count(mbox($other), '(?m)^From sender');
$pi->send(to => "$other\@local.example", data => "Subject: p$_\n\nbody\n")
    for 1 .. 20;
ok(wait_until(sub { count(mbox($other), '(?m)^From sender') == $before + 20 },
    15), 'twenty messages to one user');
ok(!grep({ !/\A\S+  .*\nReturn-Path: .*\n\nbody\n\n\z/s }
    grep { $_ ne '' } split /^From (?=sender)/m, mbox($other)),
    'none of them torn');

is($pi->stop, 0, 'stopped, nothing left');
ok(!$pi->grep_log(qr/security:/), 'nothing was killed by its sandbox');
done_testing;
