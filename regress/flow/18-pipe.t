#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Commands: pipe lines of master.cf, and the commands of aliases, .forward and
# mailbox_command.  Each writes down how it was called.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
my $root = $> == 0;
my ($user) = $root ? grep({ defined getpwnam $_ } qw(games man daemon)) :
    (getpwuid $>)[0];
my ($uid, $gid) = (getpwnam $user)[2, 3];

my $pi = Postern::Instance->new(
    main => { transport_maps => 'texthash:transport',
	local_recipient_maps => '', recipient_delimiter => '+',
	mydestination => 'local.example', myorigin => 'local.example',
	alias_maps => 'texthash:aliases',
	queue_run_delay => '1s', minimal_backoff_time => '1s',
	maximal_backoff_time => '1s',
	slow_time_limit => '1s', endless_time_limit => '1s', stopper_time_limit => '1s', export_environment => 'TZ HIDDEN=seen',
	relay_domains => 'pipe.example' });
my $dir = $pi->dir;
my $out = "$dir/out";
mkdir $out;
chmod 01777, $out;
chmod 0755, $dir;

# What each command leaves: its arguments, its environment, what it read.
my $tell = "$dir/tell";
spew($tell, <<"EOT");
#!/bin/sh
name=\$1
{ for a in "\$@"; do printf '%s\\n' "\$a"; done; } >$out/\$name.args
env >$out/\$name.env
{ id -u; id -g; id -G; pwd; } >$out/\$name.id
cat /proc/self/status >$out/\$name.status 2>/dev/null
ls /proc/self/fd >$out/\$name.fds 2>/dev/null
cat >$out/\$name.mail
echo done >$out/\$name.done
EOT
chmod 0755, $tell;
spew("$dir/end", "#!/bin/sh\necho \"\$2\"\nexit \$1\n");
spew("$dir/hold", "#!/bin/sh\necho \$\$ >$out/hold.pid\n" .
    "while ! test -e $out/go; do sleep 0.1; done\n");
spew("$dir/sleeper", "#!/bin/sh\nsleep 300 &\necho \$! >$out/sleeper.pid\n" .
    "echo waiting\nsleep 300\n");
chmod 0755, "$dir/hold", "$dir/end", "$dir/sleeper";

sub line
{
	my ($name, $rest) = @_;
	return "$name unix - n n - - pipe $rest";
}
$pi->{master} = [
    # The four lines of old master.cf files, with programs of our own.
    line('cyrus', "flags=R user=$user argv=$tell cyrus -e -m " .
	'${extension} ${user}'),
    line('uucp', "flags=F user=$user argv=$tell uucp -r -n -z -a\$sender - " .
	'$nexthop!rmail ($recipient)'),
    line('ifmail', "flags=F user=$user argv=$tell ifmail -r \$nexthop " .
	'($recipient)'),
    line('bsmtp', "flags=F. user=$user argv=$tell bsmtp -f \$sender " .
	'$nexthop $recipient'),
    line('all', "flags=DORhuqB> user=$user null_sender=nobody " .
	"argv=$tell all \$recipient \$original_recipient \$sender \$mailbox " .
	'$domain $size $queue_id x${extension?+$extension}y $$ {a b}'),
    line('crlf', "flags=R eol=\\r\\n user=$user argv=$tell crlf"),
    line('end', "user=$user argv=$dir/end \${user} \${extension}"),
    line('says', "user=$user argv=$dir/end 1 {4.2.2 full}"),
    line('slow', "user=$user argv=$dir/sleeper"),
    line('hold', "user=$user argv=$dir/hold"),
    line('small', "size=300 user=$user argv=$tell small"),
    line('gone', "user=$user argv=$dir/nosuch"),
    line('early', "user=$user argv=/bin/true"),
    line('killed', "user=$user argv=/bin/sh -c {kill -TERM \$\$\$\$}"),
    line('endless', "user=$user argv=/bin/sh -c {yes & yes & exec yes}"),
    line('stopper', "user=$user argv=/bin/sh -c {kill -STOP \$\$PPID; sleep 300}"),
    line('asroot', 'user=root argv=/usr/bin/touch ' . "$out/asroot"),
    line('nouser', "user=nosuchuser argv=/bin/true"),
];
my @names = map { (split)[0] } @{ $pi->{master} };
$pi->file('transport', map { "$_.pipe.example $_:Next.$_\n" } @names);
$pi->set(relay_domains => join ', ', map { "$_.pipe.example" } @names);
$pi->file('aliases', "option -oX\@all.pipe.example\n");
$pi->write_master;
$pi->start;

sub got { return slurp("$out/$_[0]", 1) // ''; }
sub args { return [split /\n/, got("$_[0].args")]; }

# Send; the line of the log on a recipient.
sub fate
{
	my ($to, %m) = @_;
	my $r = $pi->send(to => $to, %m);
	my $first = ref $to ? $to->[0] : $to;

	return "not taken: $r->{text}" if $r->{code} != 250;
	return $pi->wait_log(qr/\Q$r->{id}\E: to=<\Q$first\E>/, 15) //
	    'no line';
}

# --- arguments ---------------------------------------------------------------
like(fate('u+box@cyrus.pipe.example'),
    qr/pipe\[\d+\]: .*relay=cyrus, .*status=sent \(delivered via cyrus service\)/,
    'a pipe line delivers');
is_deeply(args('cyrus'), [qw(cyrus -e -m box u)], 'arguments of cyrus');
like(got('cyrus.mail'), qr/\AReturn-Path: <sender\@client\.example>\n/,
    'flags=R: the first line');
unlink "$out/cyrus.done";
fate('plain@cyrus.pipe.example');
is_deeply(args('cyrus'), ['cyrus', '-e', '-m', '', 'plain'],
    'an extension that is not there is an empty argument');

like(fate(['a@uucp.pipe.example', 'b@uucp.pipe.example']), qr/status=sent/,
    'two recipients');
is_deeply(args('uucp'), ['uucp', '-r', '-n', '-z', '-asender@client.example',
    '-', 'Next.uucp!rmail', '(a@uucp.pipe.example)', '(b@uucp.pipe.example)'],
    'arguments of uucp: one for each recipient, in one run');
like(got('uucp.mail'),
    qr/\AFrom sender\@client\.example  \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\n/,
    'flags=F: the From_ line');
fate('c@ifmail.pipe.example');
is_deeply(args('ifmail'), [qw(ifmail -r Next.ifmail (c@ifmail.pipe.example))],
    'arguments of ifmail');
fate('d@bsmtp.pipe.example',
    data => "Subject: dots\n\n.one\n...\nFrom here\nend\n");
is_deeply(args('bsmtp'), [qw(bsmtp -f sender@client.example Next.bsmtp
    d@bsmtp.pipe.example)], 'arguments of bsmtp');
like(got('bsmtp.mail'), qr/\n\n\.\.one\n\.\.\.\.\nFrom here\nend\n\z/,
    'flags=.: dots are doubled');

fate('";rm -rf $HOME `x`"@ifmail.pipe.example');
is(args('ifmail')->[3], '(;rm -rf $HOME `x`@ifmail.pipe.example)',
    'what shells mind is an argument like any other');

fate('Ab+Ext@ALL.pipe.example', from => '',
    data => "Subject: all\n\nFrom me\nend");
my $all = args('all');
is_deeply([@$all[0 .. 5]], ['all', 'ab+ext@all.pipe.example',
    'ab+ext@all.pipe.example', 'nobody', 'ab+ext', 'all.pipe.example'],
    'flags h and u; null_sender');
like("@$all[6 .. 10]", qr/\A\d+ \w+ x\+exty \$ a b\z/,
    'size, queue_id, a condition, a dollar, a group');
like(got('all.mail'), qr/\AReturn-Path: <>\nX-Original-To: Ab\+Ext\@.*\nDelivered-To: .*^>From me\nend\n\n\z/ms,
    'flags D, O, B and >');
fate('e@crlf.pipe.example');
ok(got('crlf.mail') !~ /[^\r]\n/ && got('crlf.mail') =~ /\r\n/,
    'eol= ends every line');

# --- how it runs -------------------------------------------------------------
my @id = split /\n/, got('cyrus.id');
SKIP: {
	skip 'needs root', 2 if !$root;
	is_deeply([@id[0 .. 2]], [$uid, $gid, $gid], 'as its user, in one group');
	is($id[3], $pi->spool, 'in the queue directory');
}
like(got('cyrus.status'), qr/^NoNewPrivs:\s+1$/m, 'without new privileges');
like(got('cyrus.status'), qr/^CapEff:\s+0+$/m, 'without capabilities');
like(got('cyrus.status'), qr/^CapBnd:\s+0+$/m, 'and with none to be had');
my %env = map { /^(\w+)=(.*)$/ ? ($1, $2) : () } split /\n/, got('cyrus.env');
delete @env{qw(_ SHLVL OLDPWD PWD TZ)};
is_deeply(\%env, { PATH => '/usr/bin:/bin', HIDDEN => 'seen' },
    'an environment of what is allowed');
is_deeply([grep { $_ > 3 } split /\n/, got('cyrus.fds')], [],
    'no descriptors but its own three');

# --- ends --------------------------------------------------------------------
my %ends = (0 => qr/2\.0\.0, status=sent \(delivered via end service \(hi \)\)/,
    75 => qr/4\.3\.0, status=deferred \(temporary failure\. Command output: hi \)/,
    67 => qr/5\.1\.1, status=bounced \(user unknown\. Command output: hi \)/,
    77 => qr/5\.7\.0, status=bounced \(permission denied\. /,
    78 => qr/5\.3\.5, status=bounced \(local configuration error\. /,
    3 => qr/5\.3\.0, status=bounced \(Command died with status 3: "\Q$dir\E\/end 3 hi"\. Command output: hi \)/);
for my $code (sort { $a <=> $b } keys %ends) {
	like(fate("$code+hi\@end.pipe.example"), qr/dsn=$ends{$code}/,
	    "exit status $code");
}
like(fate('x@says.pipe.example'),
    qr/dsn=4\.2\.2, status=deferred \(full\)/,
    'a status code that the command says itself');
like(fate('x@killed.pipe.example'),
    qr/dsn=5\.3\.0, status=bounced \(Command died with signal 15: /,
    'killed by a signal');
like(fate('x@gone.pipe.example'),
    qr/dsn=4\.3\.0, status=deferred \(temporary failure\. Command output: /,
    'a program that is not there');
like(fate('x@early.pipe.example', data => "Subject: big\n\n" .
    ('x' x 70 . "\n") x 20000), qr/status=sent/,
    'a command that does not read');
like(fate('x@small.pipe.example', data => "Subject: big\n\n" .
    ('x' x 70 . "\n") x 20),
    qr/dsn=5\.2\.3, status=bounced \(message size \d+ exceeds size limit 300 for transport small\)/,
    'size=');
like(fate('x@slow.pipe.example'),
    qr/dsn=5\.3\.0, status=bounced \(Command time limit exceeded: "\Q$dir\E\/sleeper"\. Command output: waiting \)/,
    '${transport}_time_limit');
my ($left) = got('sleeper.pid') =~ /(\d+)/;
ok(wait_until(sub { !kill 0, $left }, 5), 'its children are killed with it');

like(fate('x@endless.pipe.example'),
    qr/status=bounced \(Command time limit exceeded: /,
    'one that never stops talking');
my $stopped = $pi->send(to => 'x@stopper.pipe.example')->{id};
unlink glob "$out/all.*";
like(fate('option@local.example'), qr/status=(?:sent|bounced)/,
    'an alias that leads to what is like an option');
ok(defined $pi->wait_log(qr/dsn=5\.1\.3, status=bounced \(bad address/, 15),
    'it is nobody\'s address');
ok(!-e "$out/all.args", 'and no command gets it');

ok(defined $pi->wait_log(qr/$stopped: to=.*4\.3\.0, status=deferred \(the command's process ended unexp/, 60),
    'one that has stopped the process that keeps its time');
is(($pi->cmd('postsuper', '-d', $stopped))[0], 0, 'and it is removed');

# --- while it runs -----------------------------------------------------------
$pi->send(to => 'x@hold.pipe.example');
ok(wait_until(sub { got('hold.pid') =~ /\d/ }, 10), 'a command that waits');
my ($status, $text) = $pi->mailctl('sandbox', 'audit');
is($status, $root ? 0 : $status, 'audit finds nothing weaker than declared') or
    diag($text);
like($text, qr/^command +\d+ +$uid .*equal/m, 'and shows whose command it is');
like(($pi->mailctl('status'))[1], qr/^command .* $uid runs, as that user/m,
    'so does status');
my ($hold) = got('hold.pid') =~ /(\d+)/;
my ($agent) = $pi->component('pipe');
kill 'KILL', $agent;
ok(wait_until(sub { !kill 0, $hold }, 10),
    'it is killed when nobody waits for it any more');
spew("$out/go", '');
ok(defined $pi->wait_log(qr/to=<x\@hold\.pipe.*status=sent/, 30),
    'and run again');

SKIP: {
	skip 'needs root', 3 if !$root;
	like(fate('x@asroot.pipe.example'),
	    qr/dsn=4\.3\.5, status=deferred \(mail system configuration error\)/,
	    'user=root: deferred');
	ok(defined $pi->wait_log(qr/error: command not run: no command is run with the rights of user root/),
	    'and the log says why');
	ok(!-e "$out/asroot", 'nothing was run');
}
like(fate('x@nouser.pipe.example'), qr/status=deferred/, 'user= of nobody');

is($pi->stop, 0, 'stopped, nothing left');
ok(!$pi->grep_log(qr/security:|panic/), 'nothing was killed by its sandbox');
done_testing;
