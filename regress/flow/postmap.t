#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# postmap(1), postalias(1) and newaliases(1) as administrators use them.
use strict;
use warnings;
use Cwd qw(getcwd);
use File::Temp qw(tempdir);
use Test::More;

my $build = $ENV{POSTERN_BUILD} // getcwd() . '/build';
my $bin = "$build/bin";
for my $p (qw(postmap postalias newaliases)) {
	BAIL_OUT("$bin/$p is not built") unless -x "$bin/$p";
}

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
chdir $dir or die;
mkdir 'conf';
$ENV{MAIL_CONFIG} = "$dir/conf";
umask 022;

sub put {
	my ($name, $text) = @_;
	open(my $f, '>', $name) or die "$name: $!";
	print $f $text;
	close($f) or die;
}

sub get {
	my ($name) = @_;
	open(my $f, '<', $name) or return undef;
	local $/;
	return scalar(<$f>) // '';
}

# Run a program with text on its input: output, complaints, exit status.
sub run {
	my ($in, $prog, @args) = @_;
	put('.in', $in);
	my $pid = fork() // die;
	if ($pid == 0) {
		open(STDIN, '<', '.in') or die;
		open(STDOUT, '>', '.out') or die;
		open(STDERR, '>', '.err') or die;
		exec("$bin/$prog", @args) or die;
	}
	waitpid($pid, 0);
	return (get('.out'), get('.err'), $? & 127 ? -1 : $? >> 8);
}

# run(), and check all three: text or pattern.
sub check {
	my ($why, $in, $args, $out, $err, $rc) = @_;
	my @got = run($in, @$args);
	my $ok = $got[0] eq $out && $got[2] == $rc &&
	    (ref $err ? $got[1] =~ $err : $got[1] eq $err);
	ok($ok, $why) or diag("got: [$got[0]] [$got[1]] $got[2]");
}

put('conf/main.cf', <<'END');
default_database_type = hash
alias_database = aliases, cdb:$mydir/more, ldap:/x
mydir = lists
END

# --- making and asking ---
put('t', <<'END');
# comment
Example.COM  REJECT  go
   away
# between

 still
1.2.3	OK
"john doe"@example.com fine
END
check('builds in silence', '', ['postmap', 'hash:t'], '', '', 0);
ok(-e 't.db' && !-e 't.db.tmp', 'under the name it is looked for');
check('continuation and case', '', ['postmap', '-q', 'EXAMPLE.com', 'hash:t'],
    "REJECT  go   away still\n", '', 0);
check('not found is 1', '', ['postmap', '-q', 'x', 'hash:t'], '', '', 1);
check('default type', '', ['postmap', '-q', '1.2.3', 't'], "OK\n", '', 0);
check('-s', '', ['postmap', '-s', 'hash:t'],
    "example.com\tREJECT  go   away still\n1.2.3\tOK\n" .
    "\"john doe\"\@example.com\tfine\n", '', 0);
check('-q -', "x\n1.2.3\ny\n", ['postmap', '-q', '-', 'hash:t'],
    "1.2.3\tOK\n", '', 0);
check('-q - without a hit', "x\n", ['postmap', '-q', '-', 'hash:t'], '', '',
    1);
check('several tables', '',
    ['postmap', '-q', '1.2.3', 'inline:{a=b}', 'hash:t'], "OK\n", '', 0);
check('absolute name', '', ['postmap', '-q', '1.2.3', "hash:$dir/t"], "OK\n",
    '', 0);
for my $t (qw(btree:db cdb:cdb lmdb:lmdb)) {
	my ($type, $suffix) = split /:/, $t;
	check("$type builds", '', ['postmap', "$type:t"], '', '', 0);
	ok(-s "t.$suffix", "$type makes t.$suffix");
	check("$type answers", '', ['postmap', '-q', '1.2.3', "$type:t"],
	    "OK\n", '', 0);
}
check('-N', '', ['postmap', '-N', 'cdb:t'], '', '', 0);
like(get('t.cdb'), qr/1\.2\.3\0OK\0/, '-N writes the zero bytes');
check('-N answers', '', ['postmap', '-q', '1.2.3', 'cdb:t'], "OK\n", '', 0);
put('c', "Abc x\n");
check('-f builds', '', ['postmap', '-f', 'c'], '', '', 0);
check('-f keeps the case', '', ['postmap', '-fq', 'Abc', 'c'], "x\n", '', 0);
check('folded it is another', '', ['postmap', '-q', 'Abc', 'c'], '', '', 1);

# --- what is wrong is said ---
put('w', "a 1\nb\na 2\nc: 3\n\"d 4\n");
check('bad lines: file, line, status', '', ['postmap', 'hash:w'], '',
    qr/^postmap:\ warning:\ w,\ line\ 2:.*
       ^postmap:\ warning:\ w,\ line\ 3:\ duplicate\ entry\ "a".*
       ^postmap:\ warning:\ w,\ line\ 4:.*postalias.*
       ^postmap:\ warning:\ w,\ line\ 5:.*quote/msx, 1);
check('the good lines are there', '', ['postmap', '-s', 'hash:w'],
    "a\t1\nc:\t3\n", '', 0);
put('dup', "a 1\na 2\n");
check('-w is silent', '', ['postmap', '-w', 'dup'], '', '', 0);
check('-w keeps the first', '', ['postmap', '-q', 'a', 'dup'], "1\n", '', 0);
check('-r is silent', '', ['postmap', '-r', 'dup'], '', '', 0);
check('-r keeps the last', '', ['postmap', '-q', 'a', 'dup'], "2\n", '', 0);
check('duplicates alone are no failure', '', ['postmap', 'dup'], '',
    qr/duplicate/, 0);
check('no source', '', ['postmap', 'none'], '', qr/open none: No such/, 1);
check('no table', '', ['postmap', '-q', 'a', 'hash:none'], '',
    qr/none\.db does not exist: make it with "postmap hash:none"/, 1);
check('unknown type', '', ['postmap', 'nosuch:t'], '', qr/unknown.*nosuch/,
    1);
check('a type of old', '', ['postmap', 'dbm:t'], '', qr/dbm.*cdb/, 1);
check('a type that is not made', '', ['postmap', 'regexp:t'], '',
    qr/not made/, 1);
check('a directory', '', ['postmap', 'hash:conf'], '', qr/directory/, 1);
check('no argument', '', ['postmap'], '', qr/^usage:/, 1);
check('unknown option', '', ['postmap', '-X', 't'], '', qr/usage:/, 1);
put('latin', "caf\xe9 1\ncaf\xc3\xa9 2\n");
check('not UTF-8', '', ['postmap', 'latin'], '', qr/line 1: not valid UTF-8/,
    1);
check('-u', '', ['postmap', '-u', 'latin'], '', '', 0);

# --- only the compiled form counts, and its age is noticed ---
put('t', "1.2.3 CHANGED\n");
my $old = time() - 100;
utime($old, $old, 't.db');
check('old answer, and a warning', '', ['postmap', '-q', '1.2.3', 'hash:t'],
    "OK\n", qr/database t\.db is older than source file t/, 0);
check('rebuilt', '', ['postmap', 'hash:t'], '', '', 0);
check('new answer', '', ['postmap', '-q', '1.2.3', 'hash:t'], "CHANGED\n",
    '', 0);
put('bdb.db', "\0" x 12 . "\x61\x15\x06\0" . "\0" x 4080);
put('bdb', "a b\n");
check('Berkeley DB is recognised', '', ['postmap', '-q', 'a', 'hash:bdb'], '',
    qr/Berkeley DB.*postmap/, 1);
check('and replaced', '', ['postmap', 'hash:bdb'], '', '', 0);
check('and answers', '', ['postmap', '-q', 'a', 'hash:bdb'], "b\n", '', 0);
put('cut.db', substr(get('t.db'), 0, 1000));
check('a truncated table fails', '', ['postmap', '-q', '1.2.3', 'hash:cut'],
    '', qr/truncated/, 1);

# --- changing ---
check('-i adds', "new 1\n1.2.3 x\n", ['postmap', '-i', 'hash:t'], '',
    qr/standard input, line 2: duplicate/, 0);
check('-i kept the rest', '', ['postmap', '-s', 'hash:t'],
    "1.2.3\tCHANGED\nnew\t1\n", '', 0);
check('-ir replaces', "new 2\n", ['postmap', '-ir', 'hash:t'], '', '', 0);
check('-d', '', ['postmap', '-d', 'NEW', 'hash:t'], '', '', 0);
check('-d again', '', ['postmap', '-d', 'new', 'hash:t'], '', '', 1);
check('-d -', "x\n1.2.3\n", ['postmap', '-d', '-', 'hash:t'], '', '', 0);
check('nothing left', '', ['postmap', '-s', 'hash:t'], '', '', 0);
check('-i without a source', "a b\n", ['postmap', '-i', 'hash:fresh'], '', '',
    0);
check('its answer', '', ['postmap', '-q', 'a', 'hash:fresh'], "b\n", '', 0);

# --- whole or not at all ---
put('big', join('', map { "key$_ value$_\n" } 1 .. 20000));
check('a large one', '', ['postmap', 'cdb:big'], '', '', 0);
open(my $reader, '<', 'big.cdb') or die;
my $ino = (stat 'big.cdb')[1];
check('again', '', ['postmap', 'cdb:big'], '', '', 0);
isnt((stat 'big.cdb')[1], $ino, 'a new file');
is((stat $reader)[7], -s 'big.cdb', 'the old reader has the old file, whole');
put('big.cdb.tmp', 'left behind by a crash' x 100000);
check('after a crash', '', ['postmap', 'cdb:big'], '', '', 0);
check('and it is whole', '', ['postmap', '-q', 'key20000', 'cdb:big'],
    "value20000\n", '', 0);
my @pids = map {
	my $pid = fork() // die;
	if ($pid == 0) {
		exec("$bin/postmap", 'cdb:big') or die;
	}
	$pid;
} 1 .. 6;
my $bad = 0;
for (@pids) {
	waitpid($_, 0);
	$bad++ if $? != 0;
}
is($bad, 0, 'six at once take turns');
check('and leave a good one', '', ['postmap', '-q', 'key7', 'cdb:big'],
    "value7\n", '', 0);
put('victim', 'precious');
unlink 't.cdb', 't.cdb.tmp';
symlink 'victim', 't.cdb.tmp' or die;
check('a link in the way', '', ['postmap', 'cdb:t'], '', qr/t\.cdb\.tmp/, 1);
unlink 't.cdb.tmp';
link 'victim', 't.cdb.tmp' or die;
check('another file in the way', '', ['postmap', 'cdb:t'], '', qr/in the way/,
    1);
is(get('victim'), 'precious', 'neither was written');
unlink 't.cdb.tmp';

# --- permissions ---
sub mode { return sprintf '%04o', (stat $_[0])[2] & 07777 }
for (['0640', '0640'], ['0600', '0600'], ['0644', '0644'], ['0666', '0644'],
    ['0604', '0604']) {
	chmod oct($_->[0]), 't';
	run('', 'postmap', 'cdb:t');
	is(mode('t.cdb'), $_->[1], "source $_->[0] makes $_->[1]");
}
chmod 0600, 't';
run('', 'postmap', '-p', 'cdb:t');
is(mode('t.cdb'), '0644', '-p does not look at the source');
chmod 0644, 't';

SKIP: {
	skip 'root only', 5 if $> != 0;
	my ($uid, $gid) = (getpwnam('nobody'))[2, 3];
	mkdir 'theirs';
	put('theirs/t', "a b\n");
	chown $uid, $gid, 'theirs/t';
	check('no root rights in another\'s name', '',
	    ['postmap', 'hash:theirs/t'], '', qr/Permission denied/, 1);
	check('-o keeps them', '', ['postmap', '-o', 'hash:theirs/t'], '', '',
	    0);
	unlink 'theirs/t.db';
	chown $uid, $gid, 'theirs';
	check('in a directory of theirs', '', ['postmap', 'hash:theirs/t'],
	    '', '', 0);
	is((stat 'theirs/t.db')[4], $uid, 'the table is theirs');
	check('and root goes on as root', '',
	    ['postmap', 'hash:theirs/t', 'hash:t'], '', '', 0);
}

# --- aliases ---
put('conf/aliases', <<'END');
# Names are folded
Postmaster: root
root:	Joe Doe <joe@example.com>,
	"|/bin/prog a, b"
"Two Words": /var/mail/x, :include:/etc/list
END
mkdir 'conf/lists';
put('conf/lists/more', "extra: joe\n");
check('newaliases', '', ['newaliases'], '', qr/ldap:\/x: nothing to rebuild/,
    0);
ok(-s 'conf/aliases.db' && -s 'conf/lists/more.cdb',
    'every table of alias_database, in the configuration directory');
my ($listed) = run('', 'postalias', '-s', 'hash:conf/aliases');
like($listed, qr/^root:\tjoe\@example\.com, /m, 'postalias -s');
check('postalias -q -', "root\nnobody\n", ['postalias', '-q', '-',
    'hash:conf/aliases'], "root:\tjoe\@example.com, \"|/bin/prog a, b\"\n", '',
    0);
check('postalias -q', '', ['postalias', '-q', 'ROOT', 'hash:conf/aliases'],
    "joe\@example.com, \"|/bin/prog a, b\"\n", '', 0);
check('a name with a blank', '', ['postalias', '-q', 'two words', 'conf/aliases'],
    "/var/mail/x, :include:/etc/list\n", '', 0);
put('conf/aliases', "root: joe\nbad line\nx: a b\n");
check('syntax errors: file, line, status', '', ['newaliases'], '',
    qr/aliases, line 2:.*aliases, line 3:/s, 1);
check('postalias on any file', '', ['postalias', 'cdb:conf/lists/more'], '', '',
    0);
check('-oA', '', ['newaliases', '-oAcdb:conf/lists/more'], '', '', 0);

# --- messages as keys ---
put('re', "/^(.*)\$/m <\$1>\n");
my $mail = <<'END';
Subject: a
 b
Content-Type: multipart/mixed; boundary="x"

pre
--x
Content-Type: text/plain

hello
--x--
END
check('-h', $mail, ['postmap', '-hq', '-', 'regexp:re'],
    "Subject: a\n b\t<Subject: a>\n" .
    "Content-Type: multipart/mixed; boundary=\"x\"\t" .
    "<Content-Type: multipart/mixed; boundary=\"x\">\n", '', 0);
check('-b', $mail, ['postmap', '-bq', '-', 'regexp:re'],
    join('', map { "$_\t<$_>\n" } '', 'pre', '--x',
	'Content-Type: text/plain', '', 'hello', '--x--'), '', 0);
check('-bm', $mail, ['postmap', '-bmq', '-', 'regexp:re'],
    join('', map { "$_\t<$_>\n" } '', 'pre', '--x', '', 'hello', '--x--'), '',
    0);
check('-h without -q -', '', ['postmap', '-hq', 'x', 'regexp:re'], '',
    qr/-q -/, 1);

# --- values in files ---
put('pem1', "one\n");
put('pem2', "two\0\xff");
put('sni', "host pem1, pem2\n");
check('-F', '', ['postmap', '-F', 'cdb:sni'], '', '', 0);
check('base64', '', ['postmap', '-q', 'host', 'cdb:sni'],
    "b25lCgp0d28A/w==\n", '', 0);
check('-Fq', '', ['postmap', '-Fq', 'host', 'cdb:sni'],
    "one\n\ntwo\0\xff\n", '', 0);
put('sni', "host none\n");
check('-F without the file', '', ['postmap', '-F', 'cdb:sni'], '',
    qr/sni, line 1: none: No such/, 1);

# --- configuration ---
delete $ENV{MAIL_CONFIG};
check('-c', '', ['postmap', '-c', "$dir/conf", '-q', 'a', 'fresh'], "b\n", '',
    0);
check('-c nowhere', '', ['postmap', '-c', "$dir/none", '-q', 'a', 'fresh'],
    '', qr/none\/main\.cf/, 1);
check('an explicit type needs no main.cf', '',
    ['postmap', '-c', "$dir/none", '-q', 'a', 'hash:fresh'], "b\n", '', 0);

done_testing();
