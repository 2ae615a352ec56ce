#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Commands that local has run: of aliases, .forward files, lists, and instead of
# mailboxes; as whom, with what in their environment, and what is not run.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Postern::Users qw(alice bob carol);
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
my $pi = Postern::Instance->new(main => {
    mydestination => 'local.example', myorigin => 'local.example',
    alias_maps => 'texthash:aliases, texthash:hers',
    recipient_delimiter => '+', local_recipient_maps => '',
    queue_run_delay => '1s', minimal_backoff_time => '1s',
    maximal_backoff_time => '1s', command_time_limit => '2s' });
my $dir = $pi->dir;
chmod 0755, $dir;
my $out = "$dir/out";
mkdir $out;
chmod 01777, $out;
my ($alice, $bob) = map { Postern::Users::id($_) } qw(alice bob);
my $nobody = (getpwnam 'nobody')[2];

# Writes down who and where it is, its environment, and what it read.
my $tell = "$dir/tell";
spew($tell, <<"EOT");
#!/bin/sh
{ id -u; id -G; pwd; } >$out/\$1.id
env >$out/\$1.env
cat >$out/\$1.mail
mv $out/\$1.mail $out/\$1.read
EOT
chmod 0755, $tell;
spew("$dir/list", "\"|$tell listed\"\n");
chmod 0644, "$dir/list";
$pi->file('aliases', map { "$_\n" }
    "plain \"|$tell plain\"",
    "shell \"|$tell shell >/dev/null; exit 0\"",
    'later "|exit 75"', 'never "|exit 77"', 'slow "|/bin/sleep 100"',
    "both \"|$tell both\", alice",
    "list :include:$dir/list");
chown $alice, $alice, $pi->file('hers', "hers \"|$tell hers\"\n");
$pi->start;

sub got { return slurp("$out/$_[0]", 1) // ''; }
sub env { return { map { /^(\w+)=(.*)$/ ? ($1, $2) : () }
    split /\n/, got("$_[0].env") }; }
sub read_it
{
	my ($name) = @_;
	return wait_until(sub { -e "$out/$name.read" }, 15);
}
sub uid { return (split /\n/, got("$_[0].id"))[0] // ''; }

sub fate
{
	my ($to, %m) = @_;
	my $r = $pi->send(to => "$to\@local.example", %m);

	return "not taken: $r->{text}" if $r->{code} != 250;
	return $pi->wait_log(qr/local\[.*\Q$r->{id}\E: to=/, 15) // 'no line';
}

# --- aliases -----------------------------------------------------------------
like(fate('plain', from => 'x`y$z@client.example'),
    qr/relay=local, .*dsn=2\.0\.0, status=sent \(delivered to command: \Q$tell\E plain\)/,
    'an alias that is a command');
is(uid('plain'), $nobody, 'run as default_privs');
like(got('plain.read'), qr/\AFrom \S+  \w{3} .*\nReturn-Path: .*\n.*Delivered-To: plain\@local\.example\n/s,
    'with the message as an mbox has it');
my $env = env('plain');
is($env->{SENDER}, 'x_y_z@client.example',
    'what shells mind is an underscore in the environment');
is_deeply([@$env{qw(RECIPIENT LOCAL DOMAIN USER LOGNAME ORIGINAL_RECIPIENT)}],
    ['plain@local.example', 'plain', 'local.example', 'plain', 'plain',
    'plain@local.example'], 'the message in the environment');
delete @$env{qw(SENDER RECIPIENT LOCAL DOMAIN USER LOGNAME HOME SHELL PATH TZ
    ORIGINAL_RECIPIENT MAIL_CONFIG LANG _ SHLVL PWD OLDPWD)};
is_deeply($env, {}, 'and nothing that is not known');
like(fate('shell'), qr/status=sent/, 'one that needs a shell');
ok(read_it('shell'), 'was run');
like(fate('later'),
    qr/dsn=4\.3\.0, status=deferred \(temporary failure\)/, 'exit 75');
like(fate('never'),
    qr/dsn=5\.7\.0, status=bounced \(permission denied\)/, 'exit 77');
like(fate('slow'),
    qr/dsn=5\.3\.0, status=bounced \(Command time limit exceeded: "\/bin\/sleep 100"\)/,
    'command_time_limit');
like(fate('hers'), qr/status=sent/, 'an alias file of a user');
is(uid('hers'), $alice, 'its commands are run as that user');
like(fate('both'), qr/status=sent/, 'a command and a user');
ok(read_it('both'), 'the command has it');
ok(wait_until(sub { -s Postern::Users::mbox('alice') }, 10),
    'so has the user');
like(fate('list'),
    qr/dsn=5\.7\.1, status=bounced \(mail to commands is restricted\)/,
    'a list has no commands');
ok(!-e "$out/listed.id", 'indeed');

# --- .forward ----------------------------------------------------------------
Postern::Users::write_file('bob', '.forward', "\\bob, \"|$tell forward\"\n");
fate('bob+ext');
ok(read_it('forward'), 'a command of a .forward');
is_deeply([(split /\n/, got('forward.id'))[0, 1]], [$bob, $bob],
    'run as the user, in his group alone');
$env = env('forward');
is_deeply([@$env{qw(USER EXTENSION HOME SHELL)}], ['bob', 'ext',
    Postern::Users::home('bob'), '/bin/sh'], 'with his environment');
ok(-s Postern::Users::mbox('bob'), 'and his mailbox has it, too');
Postern::Users::write_file('bob', '.forward',
    ':include:' . Postern::Users::home('bob') . "/more\n");
Postern::Users::write_file('bob', 'more', "\"|$tell more\"\n");
like(fate('bob'), qr/mail to commands is restricted/,
    'what it includes has no commands');
unlink Postern::Users::home('bob') . '/.forward';

# --- an address is no command ------------------------------------------------
for my $to ("\"|$tell address\"", "|$tell+address") {
	my $r = $pi->send(to => "$to\@local.example");
	$pi->wait_log(qr/\Q$r->{id}\E: to=.*status=bounced/) if
	    $r->{code} == 250;
}
# A file as a stranger might make one, put where the queue's files are.
my ($st, $o, $e) = $pi->cmd('sendmail', '-f', 'x@y.example', "|$tell address",
    { in => "Subject: forged\n\nx\n" });
sleep 2;
ok(!-e "$out/address.id", 'an address is never run');

# --- instead of mailboxes ----------------------------------------------------
$pi->file('commands', "carol $tell maps \$USER\n");
$pi->set(mailbox_command => "$tell mailbox",
    mailbox_command_maps => 'texthash:commands',
    command_execution_directory => '$home',
    allow_mail_to_commands => 'alias, include');
$pi->reload;
like(fate('bob+more'), qr/status=sent \(delivered to command: \Q$tell\E mailbox\)/,
    'mailbox_command');
is_deeply([(split /\n/, got('mailbox.id'))[0, 2]],
    [$bob, Postern::Users::home('bob')],
    'as the user, in command_execution_directory');
is(env('mailbox')->{EXTENSION}, 'more', 'with the extension');
like(fate('carol'), qr/status=sent \(delivered to command: \Q$tell\E maps /,
    'mailbox_command_maps');
is(uid('maps'), Postern::Users::id('carol'), 'as its user');
$pi->set(command_execution_directory => '');
$pi->reload;
like(fate('list'), qr/status=sent/, 'commands in lists, when allowed');
is(uid('listed'), $nobody, 'root\'s list is nobody\'s');
Postern::Users::write_file('bob', '.forward', "|$tell denied\n");
like(fate('bob'),
    qr/dsn=5\.7\.1, status=bounced \(mail to commands is restricted\)/,
    'allow_mail_to_commands without forward');
unlink Postern::Users::home('bob') . '/.forward';
my ($procmail) = grep { -x } map { "$_/procmail" } split /:/, $ENV{PATH};
ok(defined $procmail, 'there is a procmail') or BAIL_OUT('./setup packages test');
Postern::Users::write_file('bob', '.procmailrc',
    "DEFAULT=\$HOME/filed\n:0\n* ^Subject: for the file\n\$HOME/file\n");
$pi->set(mailbox_command => "$procmail -a \"\$EXTENSION\"",
    allow_mail_to_commands => 'alias, forward');
$pi->reload;
like(fate('bob', data => "Subject: for the file\n\nx\n"),
    qr/status=sent \(delivered to command: \Q$procmail\E/, 'procmail');
like(slurp(Postern::Users::home('bob') . '/file', 1) // '',
    qr/^Subject: for the file$/m, 'files mail by a recipe');

is($pi->stop, 0, 'stopped, nothing left');
is(join("\n", $pi->grep_log(qr/security:|panic/)), '',
    'nothing was killed by its sandbox');
done_testing;
