#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Bad input of every kind gets a clear answer, costs a bounded amount of
# memory, and loses nothing: bytes in SMTP, endless lines, damaged queue
# files, broken tables.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time);

use Postern::Instance;
use Postern::Sink;
use Postern::Trial;
use Postern::Util qw(:all);

Postern::Instance->need;

my $sink = Postern::Sink->start;
my $pi = Postern::Instance->new(ipv6 => 0, main => {
	mynetworks => '127.0.0.0/8',
	relayhost => $sink->nexthop,
	smtpd_peername_lookup => 'no', smtpd_error_sleep_time => '0s',
	smtpd_hard_error_limit => 1000000, smtpd_soft_error_limit => 1000000,
	smtpd_junk_command_limit => 1000000,
	minimal_backoff_time => '1s', maximal_backoff_time => '1s',
	queue_run_delay => '1s',
    });
$pi->start;
my ($smtpd) = $pi->component('smtpd');
my $dir = $pi->dir;

# Kilobytes of memory a process had at most.
sub peak
{
	my ($pid) = @_;

	return slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0;
}

# --- every byte in every verb -------------------------------------------------
for my $form ('HELO %s', 'EHLO a%sb', 'MAIL FROM:<%s>', 'MAIL FROM:<a%sb@c.example>',
    'MAIL FROM:<a@b.example>%s', 'MAIL FROM:<a@b.example> SIZE=%s',
    'RCPT TO:<%s>', 'RCPT TO:<a%sb@test.example>', 'RCPT TO:<user@te%sst.example>',
    'RCPT TO:%s', 'DATA %s', 'DATA%s', 'RSET%s', 'NOOP %s', 'VRFY %s', 'VRFY a%s@b',
    'EXPN %s', 'HELP %s', 'ETRN %s', 'AUTH %s', 'STARTTLS%s', 'BDAT %s', 'TURN%s',
    'XFORWARD %s', '%s', 'QU%sIT') {
	my $c = $pi->smtp;
	my @bad;

	$c->ehlo;
	for my $byte (0 .. 9, 11 .. 255) {
		my $cmd = sprintf $form, chr $byte;
		# What is a good command is not meant here.
		next if $cmd =~ /^(?:quit|data|starttls|turn)\s*$/i ||
		    $cmd =~ /^rset\s*$/i || $cmd =~ /^bdat \d/i;
		my $r = $c->cmd($cmd);
		push @bad, sprintf '%#x: %s', $byte, $r->{text}
		    if $r->{code} < 200 || $r->{code} > 599;
		# What looks like a header ends the session, and a chunk that
		# does not say where it ends.
		if (!$r->{code} || $r->{code} == 221 || $r->{code} == 521) {
			$c = $pi->smtp or last;
			$c->ehlo;
		} elsif ($form =~ /^MAIL/) {
			$c->cmd('RSET');
		} elsif ($form =~ /^RCPT/ && $byte % 64 == 1) {
			$c->cmd('RSET');
			$c->cmd('MAIL FROM:<a@b.example>');
		}
	}
	ok(!@bad, "$form with every byte: an answer each") or
	    diag join "\n", @bad;
	$c->cmd('RSET');
	is($c->message(to => 'user@test.example')->{code}, 250,
	    'and the session still works') if $form !~ /^DATA/;
	$c->quit;
}
# Random bytes, in lines and without.
srand 1;
for my $i (1 .. 20) {
	my $c = $pi->smtp;
	$c->raw(join '', map { chr int rand 256 } 1 .. 20000);
	$c->half_close;
	ok($c->closed(10), "random bytes $i: the session ends");
}
# Line ends of every kind between commands.
my $c = $pi->smtp;
$c->raw("EHLO x\n");
is($c->reply->{code}, 250, 'LF alone ends a command');
$c->raw("NOOP\r\r\n");
ok($c->reply->{code}, 'CR CR LF');
$c->raw("NOOP\rNOOP\r\n");
ok($c->reply->{code}, 'CR alone does not');
ok($c->quiet(0.2), 'there is one answer');
$c->quit;
is(scalar(grep { $_ == $smtpd } $pi->component('smtpd')), 1,
    'smtpd is the same process');

# --- endless lines ------------------------------------------------------------
my $before = peak($smtpd);
my $chunk = 'x' x (1 << 20);
my $flood = sub {
	my ($c, $count) = @_;
	$c->{timeout} = 30;
	for (1 .. $count) {
		return $_ if $c->raw($chunk) < length $chunk;
	}
	return $count;
};
$c = $pi->smtp;
my $sent = $flood->($c, 1024);
$c->raw("\r\n");
my $r = $c->reply(20);
ok($r->{code} >= 500 || $r->{code} == 421 || $r->{text} =~ /eof/,
    "a command of $sent MB: $r->{code} $r->{text}");
$c = $pi->smtp;
$c->ehlo;
$c->cmd($_) for 'MAIL FROM:<a@b.example>', 'RCPT TO:<user@test.example>',
    'DATA';
$sent = $flood->($c, 1024);
$c->raw("\r\n.\r\n");
$r = $c->reply(30);
is("$r->{code} $r->{enhanced}", '552 5.3.4', "a line of $sent MB of data");
is($c->message(to => 'user@test.example')->{code}, 250, 'then mail as usual');
$c->quit;
$c = $pi->smtp;
$c->ehlo;
$c->cmd($_) for 'MAIL FROM:<a@b.example>', 'RCPT TO:<user@test.example>',
    'DATA';
$c->raw('Subject: ');
$flood->($c, 9);
$c->raw("\r\n\r\nx\r\n.\r\n");
$r = $c->reply(30);
like("$r->{code} $r->{text}", qr/^(?:250 |552 5\.3\.4 .*header)/,
    "a header line of nine megabytes: $r->{text}");
$c->cmd($_) for 'MAIL FROM:<a@b.example>', 'RCPT TO:<user@test.example>',
    'DATA';
$c->raw("X: y\r\n" x 100000 . "\r\n.\r\n");
ok($c->reply(30)->{code} =~ /^(?:250|5\d\d)$/, 'a hundred thousand headers');
$c->quit;
my $growth = peak($smtpd) - $before;
cmp_ok($growth, '<', 32768, "smtpd grew by $growth kB in all that");
for my $name (qw(cleanup qmgr)) {
	my ($pid) = $pi->component($name);
	my $peak = peak($pid);
	cmp_ok($peak, '<', 200000, "$name had $peak kB at most");
}
ok($pi->wait_empty, 'all is delivered');

# --- damaged queue files ------------------------------------------------------
$sink->rule(rcpt => '450 4.2.0 later');
my (%name, %body);
$c = $pi->smtp;
$c->ehlo;
for my $i (1 .. 40) {
	my $wire = Postern::Trial::header("q$i") . "Message $i.\r\n" x 200;
	my $r = $c->message(to => "q$i\@far.example", exact => 1,
	    data => Postern::Trial::dotted($wire));
	$name{$i} = $r->{id};
	$body{"q$i"} = Postern::Trial::stored($wire);
}
$c->quit;
my $last = $name{40};
ok($pi->wait_log(qr/$last: to=.*status=deferred/), 'forty wait');
ok(wait_until(sub { (() = files('deferred')) == 40 }, 10), 'in files');
is($pi->stop, 0, 'stopped');

sub files
{
	my ($queue) = @_;
	my @found = glob $pi->spool . "/$queue/* " . $pi->spool . "/$queue/*/* " .
	    $pi->spool . "/$queue/*/*/*";

	return grep { -f } @found;
}

my %file = map { basename($_) => $_ } files('deferred');
my %damaged;
my $damage = sub {
	my ($i, $how) = @_;
	my $file = $file{$name{$i}} or return diag "no file of $i";
	my @stat = stat $file;
	my $bytes = slurp($file);
	$how->($bytes);
	spew($file, $bytes);
	utime @stat[8, 9], $file;       # the time it is due
	$damaged{"q$i"} = 1;
};
my $n = 1;
my $flip = sub {
	my ($at) = @_;
	return sub {
		my $p = $at < 0 ? length($_[0]) + $at : $at;
		substr($_[0], $p, 1) = chr(ord(substr $_[0], $p, 1) ^
		    1 << int rand 8);
	};
};
$damage->($n++, $flip->($_)) for 0, 1, 7, 8, 16, 20, 33, 64, 100, 130, 200,
    500, 1000, 2000;
for my $keep (0, 1, 16, 100, 128, 500) {
	$damage->($n++, sub { $_[0] = substr $_[0], 0, $keep });
}
$damage->($n++, sub { $_[0] = 'x' x length $_[0] });
$damage->($n++, sub { $_[0] = "\0" x length $_[0] });
$damage->($n++, sub { $_[0] = "Subject: not a queue file\n\nx\n" });
$damage->($n++, sub { $_[0] =~ s/q24\@far/q99\@far/g or die });
$damage->($n++, sub { $_[0] =~ s/Message 25\./Message 99./ or die });
my $keep = 40 - keys %damaged;
# Garbage elsewhere in the queue directory, and in the index.
my $owner = (stat $file{$name{40}})[4];
for my $junk ('deferred/junk', 'deferred/0/ZZZZ', 'incoming/x', 'active/y',
    'index/garbage', 'index/0000000001.t', 'index/state', 'hold/junk') {
	my $path = $pi->spool . "/$junk";
	mkdir dirname($path);
	spew($path, join '', map { chr int rand 256 } 1 .. 1000);
	chown $owner, $owner, $path, dirname($path);
}
$sink->clear;
$pi->start;
my @m = $sink->wait($keep, 15);
is(scalar @m, $keep, "the $keep good ones of forty are delivered");
ok($pi->wait_empty, 'and nothing is left') or diag +($pi->cmd('mailq'))[1];
my %by = Postern::Trial::by_tag(map { $_->{data} =~ s/\r\n/\n/gr }
    $sink->messages);
is_deeply([grep { $damaged{$_} } keys %by], [],
    'no damaged one is delivered');
is_deeply([grep { !$damaged{$_} &&
    (Postern::Trial::split_trace($by{$_} // ''))[1] ne $body{$_} }
    sort keys %body], [], 'and the good ones are whole');
is_deeply([grep { !-e $pi->spool . '/corrupt/' . $name{s/q//r} }
    sort keys %damaged], [], 'the damaged ones are in corrupt');
for my $q (sort keys %damaged) {
	my $id = $name{$q =~ s/q//r};
	ok($pi->wait_log(qr/(?:warning|error): .*$id/),
	    "$q is reported") or last;
}
# The journal: a crash, and then a bad sector.
for my $at (0, 0.1, 0.5) {
	$sink->rule(rcpt => '450 4.2.0 later');
	$sink->forget_messages;
	$c = $pi->smtp;
	$c->ehlo;
	my @id = map { $c->message(to => "j$_\@far.example", data =>
	    "X-Trial: j$_\n\nJournal $_.\n")->{id} } 1 .. 10;
	$pi->kill_hard;
	my $hit = 0;
	for my $seg (glob $pi->spool . '/journal/*') {
		my $bytes = slurp($seg);
		my $p = index $bytes, 'Journal';
		next if $p < 0;
		my $end = rindex $bytes, 'Journal';
		$p += int(($end - $p) * $at);
		substr($bytes, $p, 64) = "\xff" x 64;
		open my $f, '+<', $seg or die;
		syswrite $f, $bytes;
		close $f;
		$hit++;
	}
	$sink->clear;
	$pi->start;
	is($pi->send->{code}, 250, "a damaged journal ($at): mail is taken");
	my @m = $sink->wait(9, 5);
	my @wrong = grep { $_->{data} !~ /\r\n\r\nJournal \d+\.\r\n\z/ } @m;
	is(scalar @wrong, 0, 'nothing wrong is delivered (' . @m . ' of 10)');
	cmp_ok(scalar @m, '>=', 1, 'what is good is') if $at > 0;
	ok(!$hit || $pi->grep_log(qr/warning|error/), 'it is reported');
}
ok($pi->wait_empty, 'and the queue is empty');

# --- broken tables (TAB-43) ---------------------------------------------------
sub rcpt
{
	my ($to) = @_;
	my $c = $pi->smtp or return 'no connection';

	return $c->banner->{raw} if $c->banner->{code} != 220;
	$c->ehlo;
	$c->cmd('MAIL FROM:<a@b.example>');
	my $r = $c->cmd("RCPT TO:<$to>");
	$c->quit;
	return "$r->{code} $r->{text}";
}
for my $case (
    [transport_maps => 'hash:gone', 'a table that was never made'],
    [transport_maps => 'texthash:gone', 'a text that is not there'],
    [transport_maps => 'hash:garbage', 'an index that is none'],
    [transport_maps => 'hash:empty', 'an index that is empty'],
    [transport_maps => 'hash:short', 'an index that was cut'],
    [transport_maps => 'texthash:folder', 'a folder'],
    [virtual_mailbox_maps => 'hash:garbage', 'no word of the mailboxes'],
    [mydestination => 'hash:garbage', 'no word of our domains']) {
	my ($param, $table, $name) = @$case;

	spew($pi->etc . '/garbage.db', join '', map { chr int rand 256 }
	    1 .. 4096);
	spew($pi->etc . '/empty.db', '');
	spew($pi->etc . '/short', "a b\n");
	$pi->cmd('postmap', 'hash:' . $pi->etc . '/short');
	my $db = slurp($pi->etc . '/short.db');
	spew($pi->etc . '/short.db', substr $db, 0, length($db) / 2);
	mkdir $pi->etc . '/folder';
	my $old = $pi->{main}{$param};
	$pi->set($param => $table);
	my ($status, $out, $err) = $pi->mailctl('reload');
	if ($status ne '0') {
		like("$out$err", qr/\Q$param\E|\Q$table\E|gone|folder/,
		    "$name: reload refuses it by name");
	} else {
		like(rcpt('user@test.example'), qr/^4\d\d /,
		    "$name: later, not never");
	}
	delete $pi->{main}{$param};
	$pi->set(defined $old ? ($param => $old) : ());
	$pi->reload;
	like(rcpt('user@test.example'), qr/^250 /, "$name: mended");
}
# A table that breaks while mail is in the queue.
$pi->file('route', "far.example smtp:@{[ $sink->nexthop ]}\n");
$pi->cmd('postmap', 'hash:' . $pi->etc . '/route');
$pi->set(transport_maps => 'hash:route');
$sink->rule(rcpt => '450 4.2.0 later');
$sink->forget_messages;
$pi->reload;
my $id = $pi->send(to => 'x@far.example')->{id};
ok($pi->wait_log(qr/$id: to=.*status=deferred/), 'a message waits');
my $db = slurp($pi->etc . '/route.db');
spew($pi->etc . '/route.db', 'broken');
$pi->reload;
$sink->clear;
my $stays = !$sink->wait(1, 3);
ok(!$pi->grep_log(qr/$id: to=.*status=bounced/),
    'its table is broken: it is not bounced');
spew($pi->etc . '/route.db', $db);
$pi->reload;
is(scalar $sink->wait(1, 15), 1, 'mended, it is delivered');
is($pi->stop, 0, 'stopped');
done_testing;
