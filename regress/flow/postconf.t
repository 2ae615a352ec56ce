#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# postconf(1) as administrators and scripts use it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

my $build = $ENV{POSTERN_BUILD} // 'build';
my $postconf = "$build/bin/postconf";
plan skip_all => "$postconf is not built" unless -x $postconf;

my $dir = tempdir(CLEANUP => 1);
delete $ENV{MAIL_CONFIG};

sub write_file {
	my ($name, $text) = @_;
	open(my $f, '>', "$dir/$name") or die "$name: $!";
	print $f $text;
	close($f) or die;
}

sub read_file {
	my ($name) = @_;
	open(my $f, '<', "$dir/$name") or die "$name: $!";
	local $/;
	return scalar <$f>;
}

# Run it; what it printed, what it complained about, its exit code.
sub run {
	my @args = @_;
	my $pid = open(my $out, '-|') // die;
	if ($pid == 0) {
		open(STDERR, '>', "$dir/stderr") or die;
		exec($postconf, '-c', $dir, @args) or die;
	}
	local $/;
	my $text = <$out> // '';
	close($out);
	return ($text, read_file('stderr'), $? >> 8);
}

my $main = <<'END';
# names
myhostname = mx.example.com
mydestination = $myhostname,
   localhost,
# between
   other
made_up = 1
mail_name = Test $made_up
END
my $master = <<'END';
# services
smtp       inet  n       -       -       -       -       smtpd
relay      unix  -       -       n       60?     3       smtp
    -o syslog_name=x/$service_name
#   -o commented=out
    -o { smtp_helo_name = a b }
uucp       unix  -       n       n       -       -       pipe flags=Fqhu
    user=uucp argv=uux -r -n $nexthop!rmail ($recipient)
END

sub reset_files {
	write_file('main.cf', $main);
	write_file('master.cf', $master);
}

# A table of arguments, output, complaint (a pattern), exit code.
sub check {
	my ($args, $want, $complaint, $code, $why) = @_;
	my ($out, $err, $rc) = run(@$args);
	is($out, $want, "@$args: $why");
	if (defined $complaint) {
		like($err, $complaint, "@$args: complaint");
	} else {
		is($err, '', "@$args: no complaint");
	}
	is($rc, $code, "@$args: exit code");
}

reset_files();

# --- printing ---------------------------------------------------------------
check(['-n'], <<'END', undef, 0, 'exactly what is set, sorted, on one line');
made_up = 1
mail_name = Test $made_up
mydestination = $myhostname, localhost, other
myhostname = mx.example.com
END
check(['-nh'], <<'END', undef, 0, 'values alone');
1
Test $made_up
$myhostname, localhost, other
mx.example.com
END
check(['-nH'], "made_up\nmail_name\nmydestination\nmyhostname\n", undef, 0,
    'names alone');
check(['-n', 'mail_name', 'mydomain', 'made_up'],
    "mail_name = Test \$made_up\nmade_up = 1\n", undef, 0,
    'of those that are named, too');
check(['mail_name', 'myhostname'],
    "mail_name = Test \$made_up\nmyhostname = mx.example.com\n", undef, 0,
    'in the order of the arguments');
check(['-x', 'smtpd_banner'], "smtpd_banner = mx.example.com ESMTP Test 1\n",
    undef, 0, 'expanded');
check(['-hx', 'mydestination'], "mx.example.com, localhost, other\n", undef, 0,
    'expanded, without a name');
check(['mydomain'], "mydomain = example.com\n", undef, 0,
    'a default that depends on another parameter');
check(['-d', 'mail_name'], "mail_name = Postern\n", undef, 0, 'a default');
check(['-d', 'minimal_backoff_time', 'smtpd_recipient_limit'],
    "minimal_backoff_time = 300s\nsmtpd_recipient_limit = 1000\n", undef, 0,
    'defaults');
check(['relayhost'], "relayhost =\n", undef, 0, 'nothing behind the =');
check(['nosuch'], '', qr/^postconf: warning: nosuch: unknown parameter$/, 0,
    'unknown name');
check(['-o', 'mail_name=Foo', '-x', 'smtpd_banner'],
    "smtpd_banner = mx.example.com ESMTP Foo\n", undef, 0, 'an override');
check(['relay_destination_recipient_limit'],
    "relay_destination_recipient_limit = \$default_destination_recipient_limit\n",
    undef, 0, 'a member of a family');
check(['-f', 'parent_domain_matches_subdomains'], <<'END', undef, 0, 'folded');
parent_domain_matches_subdomains =
    debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps
END
check(['-z'], '', qr/usage/, 1, 'unknown option');
check(['-d', '-o', 'a=b'], '', qr/specify one of -d -o/, 1, 'contradiction');
check(['-C', 'user'], "made_up = 1\n", undef, 0, 'a class');

my ($all) = run();
my @names = map { /^(\S+) =/ ? $1 : () } split(/\n/, $all);
is_deeply(\@names, [sort @names], 'everything is sorted');
cmp_ok(scalar @names, '>', 850, 'and there is much of it');

# Without a configuration there are defaults all the same.
{
	my $keep = $dir;
	$dir = tempdir(CLEANUP => 1);
	my ($out, undef, $rc) = run('-d', 'queue_run_delay');
	is($out, "queue_run_delay = 300s\n", '-d needs no files');
	is($rc, 0, '-d needs no files: exit code');
	(undef, my $err, $rc) = run('queue_run_delay');
	like($err, qr/fatal: .*main.cf: cannot be read/, 'without main.cf');
	is($rc, 1, 'without main.cf: exit code');
	$dir = $keep;
}

# MAIL_CONFIG is the directory when -c is not there.
{
	local $ENV{MAIL_CONFIG} = $dir;
	is(`$postconf -h myhostname`, "mx.example.com\n", 'MAIL_CONFIG');
}

# --- what is wrong ----------------------------------------------------------
write_file('main.cf', $main . "foo = bar\nmail_name = Other\n");
check(['mail_name'], "mail_name = Other\n",
    qr/main.cf, line 10: overriding earlier entry: mail_name=Test.*main.cf: unused parameter: foo=bar\n/s,
    0, 'the last one counts');
write_file('main.cf', "mail_name = a,\nb, c\n");
check(['mail_name'], '', qr/fatal: \S+main.cf, line 2: "=" is missing/, 1,
    'a line that is none');
write_file('main.cf', "mail_name = \$mail_name\n");
check(['-x', 'mail_name'], '', qr/fatal: .*refers to itself/, 1, 'a loop');
reset_files();

# --- master.cf --------------------------------------------------------------
check(['-M', 'smtp/inet'],
    "smtp       inet  n       -       -       -       -       smtpd\n", undef, 0,
    'one service');
check(['-Mf'], <<'END', undef, 0, 'services, folded');
smtp       inet  n       -       -       -       -       smtpd
relay      unix  -       -       n       60?     3       smtp
    -o syslog_name=x/$service_name
    -o { smtp_helo_name = a b }
uucp       unix  -       n       n       -       -       pipe flags=Fqhu
    user=uucp argv=uux -r -n $nexthop!rmail ($recipient)
END
check(['-F', '*/unix/process_limit'],
    "relay/unix/process_limit = 3\nuucp/unix/process_limit = -\n", undef, 0,
    'fields');
check(['-F', 'smtp/inet/maxproc'], '', qr/invalid service attribute/, 1,
    'a field that is none');
check(['-P'],
    "relay/unix/smtp_helo_name = a b\nrelay/unix/syslog_name = x/\$service_name\n",
    undef, 0, 'overrides');
check(['-Px', 'relay/unix/syslog_name'],
    "relay/unix/syslog_name = x/relay\n", undef, 0, 'overrides, expanded');
check(['-M', 'nosuch'], '', qr/unmatched request: "nosuch"/, 0, 'no service');

# --- editing ----------------------------------------------------------------
sub edit {
	my ($args, $file, $want, $why) = @_;
	reset_files();
	chmod 0640, "$dir/$file" or die;
	my ($out, $err, $rc) = run(@$args);
	is($out . $err, '', "@$args: nothing to say");
	is($rc, 0, "@$args: exit code");
	is(read_file($file), $want, "@$args: $why");
	is((stat "$dir/$file")[2] & 07777, 0640, "@$args: mode stays");
	ok(!-e "$dir/$file.tmp", "@$args: nothing is left over");
}

# Apply a substitution to the text of a file.
sub with {
	my ($text, $from, $to) = @_;
	my $i = index($text, $from);
	die "no $from" if $i < 0;
	substr($text, $i, length $from) = $to;
	return $text;
}

edit(['-e', 'mail_name=New'], 'main.cf',
    with($main, 'Test $made_up', 'New'), 'in its place');
edit(['-e', 'new = 5', 'empty='], 'main.cf', $main . "new = 5\nempty =\n",
    'at the end');
edit(['mail_name = New'], 'main.cf',
    with($main, 'Test $made_up', 'New'), 'without -e');
edit(['-e', 'mydestination=a b'], 'main.cf',
    with(with($main, "\$myhostname,\n   localhost,\n", "a b\n"),
	"   other\n", ''), 'comments stay');
edit(['-X', 'made_up'], 'main.cf', with($main, "made_up = 1\n", ''),
    'removed');
edit(['-#', 'mydestination'], 'main.cf',
    with(with(with($main, 'mydestination', '#mydestination'),
	    '   localhost', '#   localhost'), '   other', '#   other'),
    'commented out, every line');
edit(['-Fe', 'smtp/inet/chroot=n', 'smtp/inet/process_limit=7'], 'master.cf',
    with($master,
	'smtp       inet  n       -       -       -       -       smtpd',
	'smtp       inet  n       -       n       -       7       smtpd'),
    'fields');
edit(['-Pe', 'smtp/inet/mail_name=X', 'smtp/inet/smtpd_banner=a b'],
    'master.cf', with($master, "smtpd\n",
	"smtpd\n    -o mail_name=X\n    -o { smtpd_banner = a b }\n"),
    'new overrides');
edit(['-Pe', 'uucp/unix/mail_name=X'], 'master.cf',
    with($master, "pipe flags=Fqhu\n    user=uucp",
	"pipe\n    -o mail_name=X\n    flags=Fqhu user=uucp"),
    'before the arguments of the program');
edit(['-PX', 'relay/unix/syslog_name'], 'master.cf',
    with(with($master, "    -o syslog_name=x/\$service_name\n", ''),
	"#   -o commented=out\n    -o { smtp_helo_name = a b }\n",
	"    -o { smtp_helo_name = a b }\n#   -o commented=out\n"),
    'override removed');
edit(['-MX', 'uucp/unix'], 'master.cf',
    substr($master, 0, index($master, 'uucp')), 'service removed');
edit(['-M#', 'smtp/inet'], 'master.cf',
    with($master, 'smtp       inet', '#smtp       inet'),
    'service commented out');
edit(['-Me', 'new/unix=new unix - - - 5 0 pipe argv=/bin/x'], 'master.cf',
    $master .
	"new        unix  -       -       -       5       0       pipe argv=/bin/x\n",
    'a new service');

# A mistake changes nothing.
for my $args (['-e', 'novalue'], ['-X', 'a=b'], ['-e', "a=b\nc=d"],
    ['-Me', 'x/unix=y unix - - - - - smtpd'],
    ['-Me', 'x/unix=x unix - - - smtpd'], ['-Fe', 'smtp/inet/chroot=maybe'],
    ['-Fe', 'smtp/inet/nosuch=1'], ['-PX', 'smtp/inet']) {
	reset_files();
	my ($out, $err, $rc) = run(@$args);
	like($err, qr/^postconf: fatal: /, "@$args: complaint");
	is($rc, 1, "@$args: exit code");
	is(read_file('main.cf') . read_file('master.cf'), $main . $master,
	    "@$args: nothing is changed");
}

# A link stays one.
SKIP: {
	reset_files();
	rename("$dir/main.cf", "$dir/real.cf") or die;
	symlink('real.cf', "$dir/main.cf") or skip('no symbolic links', 2);
	run('-e', 'mail_name=New');
	ok(-l "$dir/main.cf", 'the link is still one');
	like(read_file('real.cf'), qr/^mail_name = New$/m, 'and what it points to new');
}

# --- lists and the manual ---------------------------------------------------
my ($types) = run('-m');
like($types, qr/^static$/m, 'table types');
my ($locks) = run('-l');
is($locks, "flock\nfcntl\ndotlock\n", 'lock types');
my $manual = `$postconf --manual`;
like($manual, qr/^\.Dt POSTCONF 5$/m, 'the manual is mdoc');
like($manual, qr/^\.It Va \Q$_\E$/m, "the manual has $_")
    for qw(myhostname queue_memory_limit sandbox_waive);

done_testing();
