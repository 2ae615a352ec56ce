#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The test harness itself: a client and servers that the other tests trust.
# A real smtp-source, a real smtp-sink and a real name server are held
# against our own.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::DNS;
use Postern::Peers;
use Postern::SMTP;
use Postern::Sink;
use Postern::Util qw(:all);

subtest 'processes and files' => sub {
	my ($status, $out, $err) = run('sh', '-c', 'cat; echo e >&2; exit 3',
	    { input => "in\n" });
	is($status, 3, 'exit status');
	is($out, "in\n", 'input and output');
	is($err, "e\n", 'errors apart');
	is(scalar run('sh', '-c', 'kill -9 $$'), 137, 'killed by a signal');
	my $start = time();
	($status) = run('sh', '-c', 'sleep 60 & sleep 60', { timeout => 0.3 });
	is($status, 'timeout', 'deadline');
	cmp_ok(time() - $start, '<', 5, 'and it was kept');
	is(scalar run('/no/such/program'), 127, 'no such program');
	my $token = new_token();
	my ($k, $v) = split /=/, $token, 2;
	my $pid = spawn('sh', '-c', 'sleep 60 & sleep 60',
	    { env => { $k => $v } });
	ok(wait_until(sub { pids_with_token($token) >= 2 }, 5),
	    'processes are found by their token');
	ok(wait_until(sub { descendants($pid) == 2 }, 5), 'and by descent');
	my @all = pids_with_token($token);
	ok(kill_and_wait(\@all), 'and killed');
	is(scalar pids_with_token($token), 0, 'none is left');
};

# A test that dies in the middle leaves neither process nor folder.
subtest 'the guardian' => sub {
	my $note = temp_dir('note') . '/note';
	my $script = <<'END';
use Postern::Util qw(:all); use Postern::Sink;
my $dir = temp_dir('victim');
my $sink = Postern::Sink->start;
my $pid = spawn('sh', '-c', 'sleep 60 & sleep 60');
wait_until(sub { descendants($pid) == 2 }, 5);
spew($ARGV[0], join "\n", $dir, $sink->pid, $pid, descendants($pid));
$ARGV[1] eq 'kill' ? kill 'KILL', $$ : $ARGV[1] eq 'die' ? die 'x' : exit 0;
END
	for my $how (qw(exit die kill)) {
		unlink $note;
		my ($status) = run($^X, "-I" . dirname(__FILE__) . '/../lib',
		    '-e', $script, $note, $how);
		isnt($status, 'timeout', "$how: ends");
		my ($dir, @pids) = lines_of($note);
		is(scalar @pids, 4, "$how: it had four processes");
		ok(wait_until(sub { !grep { pid_alive($_) } @pids }, 5),
		    "$how: none is left");
		ok(wait_until(sub { !-e $dir }, 5), "$how: nor its folder");
	}
};

subtest 'the sink, in order' => sub {
	my $sink = Postern::Sink->start;
	my $c = Postern::SMTP->new($sink->address, $sink->port);
	is($c->banner->{code}, 220, 'banner');
	is($c->ehlo->{code}, 250, 'EHLO');
	ok(exists $c->ext->{PIPELINING}, 'extensions');
	my $text = "Subject: dots\n\n.one\n..two\n.\nend\n";
	my $r = $c->message(from => 'a@a.example', to => ['b@b.example',
	    'c@b.example'], data => $text);
	is($r->{code}, 250, 'a message');
	is($r->{enhanced}, '2.0.0', 'with an enhanced code');
	is($c->message(to => 'x@b.example', data => '')->{code}, 250,
	    'an empty message');
	is($c->cmd('RCPT TO:<x@y>')->{code}, 503, 'RCPT without MAIL');
	is($c->cmd('FOO bar')->{code}, 500, 'an unknown verb');
	$c->raw("MAIL FROM:<p\@x>\r\nRCPT TO:<q\@x>\r\nDATA\r\n");
	is_deeply([map { $c->reply->{code} } 1 .. 3], [250, 250, 354],
	    'pipelining');
	$c->raw("a\r\n.\r\nQUIT\r\n");
	is_deeply([map { $c->reply->{code} } 1 .. 2], [250, 221],
	    'end of data and QUIT in one');
	ok($c->closed, 'closed');
	my @m = $sink->wait(3);
	is(scalar @m, 3, 'three messages kept');
	(my $wire = $text) =~ s/\n/\r\n/g;
	is($m[0]{data}, $wire, 'content is exact');
	is_deeply([@{ $m[0] }{qw(from helo client)}, @{ $m[0]{to} }],
	    ['a@a.example', 'client.example', '127.0.0.1', 'b@b.example',
	    'c@b.example'], 'envelope is exact');
	is($m[1]{data}, '', 'nothing is nothing');
	is($sink->stats->{connections}, 1, 'one connection');
	is($sink->stats->{commands}{MAIL}, 3, 'commands are counted');
};

subtest 'the sink, misbehaving' => sub {
	my $sink = Postern::Sink->start;
	my @at = ($sink->address, $sink->port);

	for my $stage (qw(connect ehlo mail rcpt data eod)) {
		$sink->clear;
		$sink->rule($stage => '450 4.3.0 not now', times => 1);
		my $r = Postern::SMTP::send_mail(@at, to => 'x@y.example');
		is($r->{code}, 450, "450 at $stage");
		$r = Postern::SMTP::send_mail(@at, to => 'x@y.example');
		is($r->{code}, 250, "once only at $stage");
		$sink->rule($stage => 'close');
		$r = Postern::SMTP::send_mail(@at, to => 'x@y.example');
		is($r->{text}, 'eof', "hang up at $stage");
	}
	$sink->clear;
	$sink->rule(rcpt => '550 5.1.1 who?', match => '^bad@');
	my $r = Postern::SMTP::send_mail(@at,
	    to => ['bad@y.example', 'good@y.example']);
	is($r->{code}, 250, 'one recipient refused');
	is_deeply([map { $_->{code} } @{ $r->{rcpts} }], [550, 250], 'as told');
	my @m = $sink->messages;
	is_deeply($m[-1]{to}, ['good@y.example'], 'only the other is kept');
	$sink->clear;
	$sink->rule(mail => 'delay 0.4, 421 4.3.2 tired');
	my $start = time();
	$r = Postern::SMTP::send_mail(@at, to => 'x@y.example');
	is($r->{code}, 421, 'a delayed reply');
	cmp_ok(time() - $start, '>=', 0.4, 'was delayed');
	$sink->clear;
	$sink->rule(data => 'hang');
	$r = Postern::SMTP::send_mail(@at, to => 'x@y.example', timeout => 0.5);
	is($r->{text}, 'timeout', 'hang');
	$sink->clear;
	$sink->rule(ehlo => 'garbage', times => 1);
	like(Postern::SMTP::send_mail(@at)->{text}, qr/^garbage/, 'garbage');
	$sink->clear;
	$sink->rule(ehlo => 'split');
	is(Postern::SMTP::send_mail(@at, to => 'x@y.example')->{code}, 250,
	    'a reply in pieces');
};

subtest 'LMTP' => sub {
	my $dir = temp_dir('lmtp');
	my $sink = Postern::Sink->start(lmtp => 1,
	    listen => ["$dir/s", '127.0.0.1:0']);
	$sink->rule(eod => '452 4.2.2 full', match => '^full@');
	my $c = Postern::SMTP->new("$dir/s");
	is($c->ehlo('me', 'LHLO')->{code}, 250, 'LHLO over a local socket');
	my $r = $c->message(to => ['full@x', 'room@x']);
	is($r->{code}, 452, 'the first recipient is refused');
	is($c->reply->{code}, 250, 'the second is not');
	is_deeply(($sink->messages)[0]{to}, ['room@x'], 'and is kept');
};

subtest 'IPv6' => sub {
	plan skip_all => 'no IPv6 on loopback' unless have_ipv6();
	my $sink = Postern::Sink->start(listen => ['[::1]:0']);
	is(Postern::SMTP::send_mail('::1', $sink->port, to => 'x@y')->{code},
	    250, 'over ::1');
	is(($sink->messages)[0]{client}, '::1', 'the client is seen');
};

subtest "Postfix's smtp-source and smtp-sink" => sub {
	plan skip_all => 'smtp-source is not there (./setup check gets it)'
	    unless Postern::Peers::command('smtp-source');
	my $sink = Postern::Sink->start;
	my ($status, $out, $err) = Postern::Peers::source(
	    options => [qw(-s 5 -m 50 -l 4096 -f a@a.example -t b@b.example)],
	    to => $sink->address . ':' . $sink->port);
	is($status, 0, 'smtp-source ends well') or diag $err;
	my @m = $sink->wait(50);
	is(scalar @m, 50, 'fifty messages arrived');
	cmp_ok($sink->stats->{most_open}, '>', 1, 'over several connections');
	cmp_ok(length $m[0]{data}, '>=', 4096, 'of that size');

	my $dir = temp_dir('real');
	my $real = Postern::Sink->real(dump => "$dir/mail");
	my $r = Postern::SMTP::send_mail($real->address, $real->port,
	    from => 'a@a.example', to => 'b@b.example',
	    data => "Subject: to the real one\n\nbody\n");
	is($r->{code}, 250, 'the real smtp-sink takes our message');
	ok(wait_until(sub { $real->files }, 5), 'and keeps it');
	like(slurp(($real->files)[0]), qr/Subject: to the real one/,
	    'as it was');
	$real->stop;
	ok(!Postern::SMTP->new($real->address, $real->port, timeout => 1),
	    'stopped');
};

subtest 'swaks and smtplib' => sub {
	my $sink = Postern::Sink->start;
	my $at = $sink->address;
	my $port = $sink->port;
	SKIP: {
		skip 'swaks is not there', 2 unless Postern::Peers::command('swaks');
		my ($status, $out) = Postern::Peers::swaks('--server', $at,
		    '--port', $port, '--to', 'x@y.example', '--from',
		    'a@b.example', '--body', 'from swaks');
		is($status, 0, 'swaks') or diag $out;
		like(($sink->messages)[-1]{data}, qr/from swaks/, 'arrived');
	}
	SKIP: {
		skip 'python3 is not there', 2
		    unless Postern::Peers::command('python3');
		my ($status, $out, $err) = Postern::Peers::python(<<'END',
s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]))
s.sendmail('a@b.example', ['x@y.example'], 'Subject: py\n\nfrom python\n')
s.quit()
END
		    $at, $port);
		is($status, 0, 'smtplib') or diag $err;
		like(($sink->messages)[-1]{data}, qr/from python/, 'arrived');
	}
};

subtest 'names' => sub {
	plan skip_all => 'nsd is not there (./setup check gets it)'
	    unless Postern::DNS->available;
	my $dns = Postern::DNS->start(zones => {
	    'test.example' => ['@ IN MX 10 mx', '@ IN MX 20 mx2',
		'mx IN A 127.0.0.1', 'mx IN AAAA ::1', 'mx2 IN A 127.0.0.2',
		'@ IN TXT "v=spf1 -all"', 'www IN CNAME mx'],
	    '127.in-addr.arpa' => ['1.0.0 IN PTR mx.test.example.'],
	});
	my $get = sub {
		my $r = $dns->query(@_);
		return join ',', $r->{rcode},
		    sort map { "$_->[0] $_->[2]" } @{ $r->{answers} };
	};
	is($get->('test.example', 'MX'), 'NOERROR,MX 10 mx.test.example.,' .
	    'MX 20 mx2.test.example.', 'MX');
	is($get->('mx.test.example', 'A'), 'NOERROR,A 127.0.0.1', 'A');
	is($get->('mx.test.example', 'AAAA'), 'NOERROR,AAAA ::1', 'AAAA');
	is($get->('test.example', 'TXT'), 'NOERROR,TXT v=spf1 -all', 'TXT');
	is($get->('www.test.example', 'A'), 'NOERROR,A 127.0.0.1,' .
	    'CNAME mx.test.example.', 'CNAME');
	is($get->('1.0.0.127.in-addr.arpa', 'PTR'),
	    'NOERROR,PTR mx.test.example.', 'PTR');
	is($get->('nobody.test.example', 'A'), 'NXDOMAIN', 'no such name');
	is($get->('mx.test.example', 'MX'), 'NOERROR', 'no such data');
	is($get->('other.example', 'A'), 'REFUSED', 'not our zone');
	$dns->set('test.example', ['@ IN MX 5 new', 'new IN A 127.0.0.3']);
	is($get->('test.example', 'MX'), 'NOERROR,MX 5 new.test.example.',
	    'replaced');
	$dns->add('test.example', 'more IN A 127.0.0.4');
	is($get->('more.test.example', 'A'), 'NOERROR,A 127.0.0.4', 'added');
	$dns->set('late.example', ['@ IN A 127.0.0.5']);
	is($get->('late.example', 'A'), 'NOERROR,A 127.0.0.5', 'a new zone');
	$dns->pause;
	is($dns->query('late.example', 'A', timeout => 0.3)->{rcode},
	    'timeout', 'paused');
	$dns->resume;
	is($get->('late.example', 'A'), 'NOERROR,A 127.0.0.5', 'resumed');
};

subtest 'name servers that misbehave' => sub {
	my %want = (silent => 'timeout', servfail => 'SERVFAIL',
	    refused => 'REFUSED', nxdomain => 'NXDOMAIN', garbage => 'garbage');
	for my $kind (sort keys %want) {
		my $dns = Postern::DNS->bad($kind);
		my $r = $dns->query('x.example', 'A', timeout => 0.3);
		is($r->{rcode}, $want{$kind}, $kind);
		is($dns->queries, 1, "$kind: queries are counted");
	}
	my $r = Postern::DNS->bad('truncated')->query('x.example', 'A');
	ok($r->{truncated}, 'truncated');
};

done_testing;
