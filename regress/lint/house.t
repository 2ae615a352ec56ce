#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The rules of the house: what keeps the tree the architecture.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use lib dirname(__FILE__);
use Lint qw(top files folders text code functions);
use Test::More;

chdir top() or die;
my @daemons = folders('daemons');
my @commands = folders('commands');
ok(scalar @daemons, 'there are components');

# --- who includes whom --------------------------------------------------------
# A component or command: its own folder, libcommon, sandbox.  Generated
# headers come from the policies.

# resolve(FILE, NAME): where #include "NAME" leads, or undef.
sub resolve
{
	my ($file, $name) = @_;

	for my $dir (dirname($file) . '/', 'libcommon/', '') {
		my $path = "$dir$name";
		1 while $path =~ s{[^/]+/\.\./}{};
		return $path if -e $path;
	}
	return undef;
}

sub includes_only
{
	my ($folder, @allowed) = @_;
	my @bad;

	for my $file (grep { m{^\Q$folder\E/} } files(qr/\.[ch]$/)) {
		my $text = text($file);
		while ($text =~ /^[ \t]*#[ \t]*include[ \t]*"([^"]+)"/mg) {
			my $to = resolve($file, $1) // next;
			push @bad, "$file: $1" unless
			    grep { index($to, "$_/") == 0 } @allowed;
		}
	}
	is_deeply(\@bad, [], "$folder includes only: @allowed");
}

includes_only("daemons/$_", "daemons/$_", 'libcommon', 'sandbox')
    for @daemons;
includes_only("commands/$_", "commands/$_", 'libcommon', 'sandbox')
    for @commands;
includes_only('libcommon', 'libcommon', 'sandbox');
includes_only('sandbox', 'sandbox', 'libcommon');

# --- who may name things ------------------------------------------------------
# Calls that turn a name into authority.  Components do not call them; the
# exceptions, each with its reason, are these.

my @naming = qw(socket socketpair bind connect listen accept accept4 open
    openat openat2 open64 creat fopen freopen fdopendir opendir scandir
    mkdir mkdirat mknod mkfifo unlink unlinkat rename renameat renameat2
    link linkat symlink chmod fchmodat chown fchownat chdir fchdir chroot
    stat lstat fstatat access faccessat readlink truncate execve execv
    execvp execl fexecve fork vfork posix_spawn popen system getaddrinfo
    gethostbyname getpwnam getpwuid getpwent setpwent
    getgrnam getgrgid dlopen mount umount
    setuid setgid setresuid setresgid ptrace kill memfd_create);

my %may = (
    # name => [reason, calls; '*' is any]
    launcher => ['root\'s hands: opens and starts what the broker decides, '
	. 'and reads nothing that a stranger wrote', '*'],
    broker => ['makes sockets and channels for others, on their request and '
	. 'within their policy; no files',
	qw(socket bind connect socketpair memfd_create kill)],
    dns => ['reads /etc/hosts before it is sealed', qw(open)],
    gate => ['accepts on the listening sockets it was passed', qw(accept4)],
    qmgr => ['owns the spool: names below that one directory',
	qw(openat openat2 unlinkat renameat renameat2 linkat mkdirat
	fstatat fdopendir memfd_create)],
    mailbox => ['owns one user\'s mail directory: names below it',
	qw(openat openat2 unlinkat renameat renameat2 linkat mkdirat
	fstatat fdopendir)],
    pickup => ['accepts local submissions; looks the authorized users up '
	. 'before it is sealed', qw(accept4 getpwnam)],
    command => ['is a user\'s own process: starts his program, ends it',
	qw(chdir execve fork kill)],
    control => ['accepts local clients on its socket; reads the users before '
	. 'it is sealed', qw(accept4 getpwent setpwent)],
);

my $calls = join '|', map { quotemeta } @naming;
for my $name (@daemons) {
	my ($reason, @allowed) = @{ $may{$name} // ['holds descriptors only'] };
	my %ok = map { $_ => 1 } @allowed;
	my @bad;
	for my $file (grep { m{^daemons/\Q$name\E/} } files(qr/\.[ch]$/)) {
		my $n = 0;
		for my $line (split /\n/, code($file)) {
			$n++;
			next if $line =~ /^\s*#/;
			# Not a member, not part of a longer name, not a
			# declaration of our own.
			while ($line =~ /(?<![\w.>])($calls)\s*\(/g) {
				next if $ok{'*'} || $ok{$1};
				push @bad, "$file:$n: $1()";
			}
		}
	}
	is_deeply(\@bad, [], "$name names nothing: $reason");
}

# --- what a component must have -----------------------------------------------

my $seven = -e 'share/man/postern.7' ? text('share/man/postern.7') : '';
for my $name (@daemons) {
	ok(-e "policy/$name.policy", "$name has a policy");
	my $page = "share/man/postern-$name.8";
	ok(-e $page, "$name has a manual page");
	like(-e $page ? text($page) : '', qr/^\.Sh SANDBOX$/m,
	    "$name: its page has a section SANDBOX");
	like($seven, qr/^\.(?:It|Xr)\b.*\b(?:postern-)?\Q$name\E\b/m,
	    "$name has a row in postern(7)");
	my $main = "daemons/$name/main.c";
	like(-e $main ? text($main) : '', qr/^ \* Holds:.*^ \* Never:/ms,
	    "$name: main.c begins with what it holds and never does");
}
for my $policy (files(qr{^policy/[^/]+\.policy$})) {
	my $name = basename($policy, '.policy');
	ok(-d "daemons/$name", "$policy is of a component that exists");
}

# --- size ---------------------------------------------------------------------

sub lines { return scalar(() = text($_[0]) =~ /\n/g); }

for ([broker => 2000], [launcher => 3000]) {
	my ($name, $limit) = @$_;
	my $sum = 0;
	$sum += lines($_) for grep { m{^daemons/\Q$name\E/} } files(qr/\.[ch]$/);
	cmp_ok($sum, "<", $limit, "$name can be read in one sitting: $sum lines");
}

my @source = files(qr{(?:\.(?:c|h|pm|t|sh)|^setup)$});
my @big = map { "$_: " . lines($_) } grep { lines($_) > 1000 } @source;
is_deeply(\@big, [], 'no source file is longer than 1000 lines');

my @long;
for my $file (grep { /\.c$/ && !m{^regress/} } @source) {
	push @long, map { [$_->[2], "$file:$_->[1]: $_->[0]"] }
	    functions($file);
}
my @over = sort { $b->[0] <=> $a->[0] } grep { $_->[0] > 60 } @long;
note("functions longer than 60 lines: " . @over . " of " . @long);
note("  $_->[0] $_->[1]") for grep { defined } @over[0 .. 14];
is_deeply([map { "$_->[1] $_->[0]" } grep { $_->[0] > 200 } @long], [],
    'no function is longer than 200 lines');

# --- the two places that know of libraries ------------------------------------

my $deps = join ' ', text('GNUmakefile') =~ /^DEPS \+?= (.*?[^\\])\n/msg;
for my $dep (grep { $_ ne '\\' } split ' ', $deps) {
	my ($module, $package) = split /:/, $dep;
	like(text('setup'), qr/^\s*run\s+pc:\Q$module\E\s+\Q$package\E\s/m,
	    "setup installs $package for $module");
}

# --- how wide it is -----------------------------------------------------------
# Tables may be wider, where clang-format is told to leave them alone.

my @wide;
for my $file (files(qr{^(?!regress/fuzz/corpus/).*\.[ch]$})) {
	my ($n, $table) = (0, 0);
	for my $line (split /\n/, text($file)) {
		$n++;
		utf8::decode($line);
		$table = $1 eq 'off' if $line =~ /clang-format (on|off)/;
		1 while $line =~ s/\t/' ' x (8 - length($`) % 8)/e;
		push @wide, "$file:$n" if !$table && length $line > 80;
	}
}
is_deeply(\@wide, [], 'no line of C has more than 80 columns');

# --- what is run --------------------------------------------------------------

is_deeply([grep { !-x } files(qr{^(?:regress/.*\.t|setup|\.ci/run)$})], [],
    'every test is executable: nobody would run it otherwise');

# --- what must not be there ---------------------------------------------------

my @setid;
for my $file (files(qr//)) {
	push @setid, $file if (stat $file)[2] & 06000;
}
is_deeply(\@setid, [], 'no file is set-user-id or set-group-id');
unlike(text('etc/install.sh'), qr/\b[2467][0-7]{3}\b|[ug]\+s/,
    'and none is installed so');

# Words of the machine it was written on, and of places to download from.
# Written in two halves, so as not to find themselves.
my @words = map { join '', @$_ } (['/wo', 'rk/'], ['/ro', 'ot/'],
    ['crates', '\.io'], ['pypi', '\.org'],
    ['npm', 'js\.'], ['docs', '\.rs\b'], ['deb\.', 'debian\.org'],
    ['snapshot\.', 'debian\.org'], ['git', 'hub\.com']);
my $words = join '|', @words;
my @found;
for my $file (files(qr{^(?!regress/fuzz/corpus/)})) {
	my $text = text($file);
	while ($text =~ m{((?<![\w.\$\}])(?:$words))}g) {
		push @found, "$file: $1";
	}
}
is_deeply(\@found, [], 'no paths of a machine, no download sites');

done_testing;
