#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Aliases with real users (needs root): files written and lists read with the
# rights of whoever owns the alias file, lists in lists, owners of lists.
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
my ($uid, $gid) = (getpwnam $user)[2, 3];
my ($nuid, $ngid) = (getpwnam 'nobody')[2, 3];

my %lists = (
    mydestination => 'local.example', myorigin => 'local.example',
    alias_maps => 'texthash:aliases, texthash:theirs, regexp:pattern',
    queue_run_delay => '1s', minimal_backoff_time => '1s',
    maximal_backoff_time => '2s', local_recipient_maps => '',
    virtual_mailbox_domains => 'test.example, up.example',
    virtual_mailbox_maps => 'texthash:vmaps');
my $pi = Postern::Instance->new(main => { %lists });
my $dir = $pi->dir;

sub make_dir
{
	my ($name, @who) = @_;

	mkdir "$dir/$name" or die "$name: $!";
	chown @who, "$dir/$name";
	return "$dir/$name";
}

chmod 0755, $dir;
my $files = make_dir('files', $nuid, $ngid);
my $own = make_dir('own', $uid, $gid);
spew("$files/kept", '');
chown $nuid, $gid, "$files/kept";
chmod 0620, "$files/kept";

sub list
{
	my ($name, $who, $mode, @lines) = @_;

	spew("$dir/$name", map { "$_\n" } @lines);
	chown $who, 0, "$dir/$name";
	chmod $mode, "$dir/$name";
	return ":include:$dir/$name";
}

$pi->file('vmaps', map { "$_\n" } 'user@test.example user/',
    map { "$_\@up.example $_/" } 'a' .. 'f');
$pi->file('aliases', map { "$_\n" }
    "report $files/report", "kept $files/kept", 'null /dev/null',
    "notours $own/theirs",
    'outer ' . list('outer', 0, 0644, 'a@up.example', "# :include:$dir/no",
	":include:$dir/middle"),
    'loop ' . list('loop', 0, 0644, ":include:$dir/loop"),
    'closed ' . list('closed', $uid, 0600, 'a@up.example'),
    'list b@up.example, ' . list('list', 0, 0644, 'c@up.example'),
    'owner-list user@test.example');
list('middle', 0, 0644, ":include:$dir/inner, d\@up.example");
list('inner', 0, 0644, 'e@up.example');
$pi->file('theirs', map { "$_\n" }
    "mine $own/mine", "notmine $files/notmine",
    'private ' . list('private', $uid, 0600, 'f@up.example',
	"$own/fromlist"),
    'rootlist ' . list('rootlist', 0, 0600, 'f@up.example'));
chown $uid, $gid, $pi->etc . '/theirs';
$pi->file('pattern', "/^pattern\$/ user\@test.example\n", "/^(.*)-any\$/ \$1\n");
$pi->start;
guard_pid($pi->main_pid);

# Send to a local name; the line of the log on it.
sub fate
{
	my ($name, %m) = @_;
	my $r = $pi->send(to => "$name\@local.example", %m);

	is($r->{code}, 250, "$name: taken");
	return $pi->wait_log(qr/local.*\Q$r->{id}\E: to=<\Q$name\E\@/) // '';
}

sub forwarded
{
	my ($line) = @_;
	my ($id) = $line =~ /forwarded as (\w+)/;

	return defined $id ? $pi->wait_log(qr/\Q$id\E: from=</) // '' : '';
}

sub owner { my @st = stat $_[0]; return @st ? $st[4] : 'none'; }
sub got { return $pi->wait_mail(@_) + 0; }

# --- files ------------------------------------------------------------------
like(scalar(fate('report')), qr/status=sent \(delivered to file: \Q$files\E\/report\)/,
    'a file of root\'s alias');
is(owner("$files/report"), $nuid, 'made with the rights of default_privs');
is(((stat "$files/report")[2] & 07777), 0600, 'for nobody else to read');
like(scalar(fate('kept')), qr/status=sent/, 'a file that is there') for 1 .. 2;
my @st = stat "$files/kept";
is("$st[4] $st[5] " . ($st[2] & 07777), "$nuid $gid " . 0620,
    'stays whose it is');
is(scalar(() = slurp("$files/kept") =~ /^From /gm), 2, 'and grows');
like(scalar(fate('null')), qr{status=sent \(delivered to file: /dev/null\)},
    '/dev/null');
ok(-c '/dev/null', 'which stays what it is');
like(scalar(fate('notours')), qr/status=(deferred|bounced)/,
    'default_privs may not write what is a user\'s');
ok(!-e "$own/theirs", 'so there is nothing');
like(scalar(fate('mine')), qr/status=sent \(delivered to file: \Q$own\E\/mine\)/,
    'a file of an alias file that is a user\'s');
is(owner("$own/mine"), $uid, 'is made with his rights');
like(scalar(fate('notmine')), qr/status=(deferred|bounced)/,
    'he cannot write elsewhere');
ok(!-e "$files/notmine", 'so there is nothing');

# What a stranger writes into an address is no file, command or list.
like(scalar(fate('pattern')), qr/status=sent/, 'a pattern is an alias');
like(scalar(fate("$files/any-any")),
    qr/status=bounced \(unknown user: "\Q${\lc $files}\E\/any-any"\)/,
    'a dollar and a number in its result are not allowed');
ok(!-e "$files/any", 'and no file is made');
ok($pi->wait_log(qr/pattern, line 2: a \$number, which this parameter does not allow: rule ignored/),
    'the log says so');

# --- lists ------------------------------------------------------------------
like(scalar(fate('outer')), qr/status=sent/, 'a list in a list in a list');
is(got($_), 1, "$_ has it once") for qw(a d e);
like(scalar(fate('loop')), qr/status=bounced \(possible alias database loop\)/,
    'a list that includes itself');
like(scalar(fate('closed')), qr/status=deferred \(cannot read an :include: file\)/,
    'default_privs cannot read a user\'s list');
like(scalar(fate('rootlist')), qr/status=deferred \(cannot read an :include: file\)/,
    'a user\'s alias cannot read root\'s');
my ($line) = fate('private');
like($line, qr/status=bounced \(mail to files is restricted\)/,
    'a file in a list is refused');
is(got('f'), 1, 'but he reads his own');
ok(!-e "$own/fromlist", 'nothing is written');

# --- owners of lists --------------------------------------------------------
($line) = fate('list');
like(forwarded($line), qr/from=<owner-list\@local\.example>/,
    'a list\'s mail is its owner\'s');
is(got($_), 1, "$_ has it") for qw(b c);
is(scalar(() = join("\n", $pi->grep_log(qr/local.*forwarded as/)) =~
    /to=<list\@/g), 1, 'in one message');
$pi->set(expand_owner_alias => 'yes', allow_mail_to_files =>
    'alias, forward, include');
$pi->reload;
($line) = fate('list');
like(forwarded($line), qr/from=<user\@test\.example>/,
    'expand_owner_alias: of who that is');
like(scalar(fate('private')), qr/status=sent/, 'allow_mail_to_files');
ok(wait_until(sub { -e "$own/fromlist" }, 10), 'a file in a list');
is(owner("$own/fromlist"), $uid, 'with the rights of the list\'s owner');
$pi->set(owner_request_special => 'no', expand_owner_alias => 'no',
    allow_mail_to_files => '');
$pi->reload;
($line) = fate('list', from => 'me@test.example');
like(forwarded($line), qr/from=<me\@test\.example>/,
    'owner_request_special = no: no owner');
like(scalar(fate('report')), qr/status=bounced \(mail to files is restricted\)/,
    'no mail to files at all');

done_testing();
