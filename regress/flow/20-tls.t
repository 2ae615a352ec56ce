#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# TLS in the SMTP server, with other people's clients: STARTTLS, TLS from the
# first byte, what is demanded, what is said in the clear too early or is no
# TLS at all, tickets, and where the private key is (and is not).
use strict;
use warnings;
no warnings 'portable'; # addresses have 64 bits
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use Time::HiRes qw(sleep time);

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
need_program('openssl', 'python3');

my $pi = Postern::Instance->new(
    main => {
	smtpd_tls_security_level => 'may',
	# As 24-isolation-tls.t wants it.
	smtpd_isolation => $ENV{POSTERN_ISOLATION} // 'worker',
	smtpd_tls_loglevel => 1,
	smtpd_tls_received_header => 'yes',
	smtpd_tls_cert_file => 'rsa.pem',
	smtpd_tls_key_file => 'rsa.key',
	smtpd_tls_eccert_file => 'ec.pem',
	smtpd_tls_eckey_file => 'ec.key',
	smtpd_starttls_timeout => '4s',
	smtpd_peername_lookup => 'no',
    });
my ($here, $etc) = ($pi->address, $pi->etc);
my %port = (plain => $pi->port);

sub certificate
{
	my ($name, @kind) = @_;

	my ($status, undef, $err) = run('openssl', 'req', '-x509', '-newkey',
	    @kind, '-nodes', '-keyout', "$etc/$name.key", '-out',
	    "$etc/$name.pem", '-days', 2, '-subj', "/CN=$name.test.example");
	die $err if $status;
	chmod 0600, "$etc/$name.key";
}

certificate('rsa', 'rsa:2048');
certificate('ec', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
certificate('ed', 'ed25519');
spew("$etc/chain.pem", slurp("$etc/ed.key") . slurp("$etc/ed.pem"));
chmod 0600, "$etc/chain.pem";

my %options = (
    wrapper => '-o smtpd_tls_wrappermode=yes',
    must => '-o smtpd_tls_security_level=encrypt',
    never => '-o smtpd_tls_security_level=none',
    chain => '-o smtpd_tls_chain_files=chain.pem',
    wrong => '-o smtpd_tls_key_file=ec.key',
    missing => '-o smtpd_tls_chain_files=nowhere.pem',
    new => '-o smtpd_tls_protocols=>=TLSv1.3',
    version => '-o smtpd_tls_protocols=>=TLSv1.33',
    grade => '-o smtpd_tls_ciphers=strong',
    level => '-o smtpd_tls_security_level=always',
);
for my $name (sort keys %options) {
	$port{$name} = free_port($here);
	push @{ $pi->{master} },
	    "$here:$port{$name} inet n - y - - smtpd $options{$name}";
}
$pi->write_master;
$pi->start;

sub client { return Postern::SMTP->new($here, $port{ $_[0] // 'plain' }); }

sub log_has
{
	my ($re, $name) = @_;

	return ok($pi->wait_log($re), $name);
}

# s_client(SERVICE, OPTION...): what it prints.
sub s_client
{
	my ($service, @more) = @_;
	my @start = $service eq 'wrapper' ? () : qw(-starttls smtp);
	my ($status, $out, $err) = run(qw(openssl s_client), @start, '-connect',
	    "$here:$port{$service}", '-ign_eof', @more,
	    { input => "quit\r\n", timeout => 20 });

	return $out . $err;
}

# --- what is offered ----------------------------------------------------------
my $c = client();
ok($c->ehlo->{raw} =~ /^250-STARTTLS\r$/m, 'STARTTLS is offered');
like($c->cmd('STARTTLS now')->{raw}, qr/^501 5\.5\.4 Syntax: STARTTLS/,
    'STARTTLS takes no parameter');
like($c->cmd('STARTTLS')->{raw}, qr/^220 2\.0\.0 Ready to start TLS/,
    'the server is ready');
$c->close;
log_has(qr/SSL_accept error from unknown\[127[^:]*: lost connection/,
    'a client that hangs up instead');
log_has(qr/lost connection after STARTTLS from unknown\[127/,
    'and that it was lost');
log_has(qr/disconnect from .* ehlo=1 starttls=0\/2 commands=1\/3/,
    'both are counted as failures');

$c = client('never');
unlike($c->ehlo->{raw}, qr/STARTTLS/, 'none: STARTTLS is not offered');
like($c->cmd('STARTTLS')->{raw},
    qr/^502 5\.5\.1 Error: command not implemented/, 'none: nor there');
$c->quit;

for my $bad (qw(wrong missing version grade level)) {
	$c = client($bad);
	unlike($c->ehlo->{raw}, qr/STARTTLS/, "$bad: not offered");
	like($c->cmd('STARTTLS')->{raw},
	    qr/^454 4\.7\.0 TLS not available due to local problem/,
	    "$bad: and it is said why");
	$c->quit;
}
my %mistakes = (
    'smtpd_tls_protocols: >=TLSv1.33 is no TLS protocol' => 'a protocol',
    'smtpd_tls_ciphers: strong is no grade of ciphers' => 'a grade',
    'smtpd_tls_security_level: always is none of none, may, encrypt' =>
	'a level');
for my $text (sort keys %mistakes) {
	log_has(qr/: error: (?:smtpd image: )?TLS: \Q$text\E$/m,
	    "$mistakes{$text} that is none is named");
}
log_has(qr/keys\[\d+\]: warning: service \S+: rsa\.pem: the certificate is not that of the key/,
    'the log has which files do not fit');
log_has(qr/keys\[\d+\]: warning: service \S+: cannot read nowhere\.pem: No such file/,
    'and which cannot be read');

# --- what is demanded ---------------------------------------------------------
$c = client('must');
$c->ehlo;
like($c->cmd($_)->{raw}, qr/^530 5\.7\.0 Must issue a STARTTLS command first/,
    "encrypt: $_ in the clear")
    for 'MAIL FROM:<a@test.example>', 'RSET', 'VRFY user', 'WHAT';
like($c->cmd('NOOP')->{raw}, qr/^250/, 'encrypt: NOOP is harmless');
$c->quit;

# --- Python's client ----------------------------------------------------------
spew("$pi->{dir}/client.py", <<'END');
import smtplib, ssl, sys, time
mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
ctx = ssl.create_default_context()
ctx.check_hostname = False
ctx.verify_mode = ssl.CERT_NONE
if mode == 'wrapper':
    s = smtplib.SMTP_SSL(host, port, context=ctx, timeout=20)
else:
    s = smtplib.SMTP(host, port, timeout=20)
    s.ehlo('first.example')
    s.mail('before@test.example')
    print('starttls', s.starttls(context=ctx)[0])
print('mail', s.docmd('RCPT TO:<user@test.example>')[0])
if mode == 'noehlo':
    print('helo', s.docmd('MAIL FROM:<a@test.example>')[0])
s.ehlo('second.example')
print('offers', 'yes' if s.has_extn('starttls') else 'no')
print('again', *s.docmd('STARTTLS'))
body = 'Subject: %s\r\n\r\n' % mode + ('0123456789' * 7 + '\r\n') * 4000
t = time.time()
s.sendmail('a@test.example', ['user@test.example'], body)
print('quit', s.quit()[0])
END

sub python
{
	my ($status, $out, $err) = run('python3', "$pi->{dir}/client.py", @_,
	    { timeout => 40 });

	is($status, 0, "python, $_[0]: no exception") or diag $err;
	return $out;
}

my $said = python('starttls', $here, $port{must});
like($said, qr/^starttls 220$/m, 'python: STARTTLS');
like($said, qr/^mail 503$/m, 'MAIL before STARTTLS is forgotten');
like($said, qr/^offers no$/m, 'STARTTLS is not offered under TLS');
like($said, qr/^again 554 b'5\.5\.1 Error: TLS already active'$/m,
    'nor taken');
$said = python('wrapper', $here, $port{wrapper});
like($said, qr/^quit 221$/m, 'python: TLS from the first byte');
$pi->wait_empty;
my @mail = $pi->mail('user');
is(scalar @mail, 2, 'both messages have arrived');
my ($one) = grep { /^Subject: starttls/m } @mail;
my $using = qr/\n\t\(using TLSv1\.3 with cipher TLS_\w+ \(\d+\/\d+ bits\)/;
my $how = qr/\n\t key-exchange \S+.*server-signature .*\)/;
like($one // '', qr/^Received: from second\.example \(unknown \[[\d.]+\]\)$using$how\n\t\(No client certificate requested\)
\tby .* with ESMTPS id/m, 'Received: says what was agreed on')
    or diag substr($one // '', 0, 800);
is(scalar(() = $one =~ /0123456789/g), 28000, 'content is whole');
log_has(qr/disconnect from .* ehlo=2 starttls=1\/2 mail=1\/2 rcpt=1\/2 data=1/,
    'commands under TLS are counted')
    or diag join '', grep { /disconnect/ } lines_of("$pi->{dir}/log/maillog");

# --- OpenSSL's client ---------------------------------------------------------
my $out = s_client('plain');
like($out, qr/New, TLSv1\.3, Cipher is TLS_/, 'openssl: TLS 1.3');
like($out, qr/^subject=CN = (?:rsa|ec)\.test\.example$/m,
    'and it prints the certificate');
$out = s_client('plain', qw(-tls1_2 -sigalgs RSA+SHA256));
like($out, qr/New, TLSv1\.2, Cipher is ECDHE-RSA-/, 'TLS 1.2 with RSA');
like($out, qr/CN = rsa\.test\.example/, 'has the RSA certificate');
$out = s_client('plain', qw(-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384));
like($out, qr/CN = ec\.test\.example/, 'ECDSA: the other certificate');
$out = s_client('chain');
like($out, qr/CN = ed\.test\.example/, 'Ed25519, from a chain file');
like($out, qr/Peer signature type: Ed25519/i, 'signs');
unlike(s_client('plain', qw(-tls1_2 -cipher kRSA)), qr/Cipher is [^(]/,
    'no key exchange by decryption');
unlike(s_client('new', '-tls1_2'), qr/Cipher is [^(]/,
    'smtpd_tls_protocols: TLS 1.2 is refused');
log_has(qr/SSL_accept error from unknown\[127[^:]*: -1$/m, 'which is logged');
log_has(qr/warning: TLS library problem: error:\w+:SSL routines:/,
    'with the reason');
log_has(qr/Anonymous TLS connection established from unknown\[[\d.]+\]: TLSv1\.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 \(256\/256 bits\)$/m,
    'the line for TLS 1.2');
log_has(qr/Anonymous TLS connection established from unknown\[[\d.]+\]: TLSv1\.3 with cipher TLS_\w+ \(\d+\/\d+ bits\) key-exchange X25519 server-signature \S+/,
    'the line for TLS 1.3');

# --- tickets ------------------------------------------------------------------
for my $v (qw(-tls1_2 -tls1_3)) {
	my $file = "$pi->{dir}/session$v";

	s_client('plain', $v, '-sess_out', $file);
	ok(-s $file, "$v: a ticket");
	like(s_client('plain', $v, '-sess_in', $file), qr/^Reused, /m,
	    "$v: is good on its port");
	unlike(s_client($_, $v, '-sess_in', $file), qr/^Reused, /m,
	    "$v: but not on $_") for qw(wrapper must);
}

# --- others' clients ----------------------------------------------------------
SKIP: {
	skip 'no swaks that knows TLS', 2 unless which('swaks') &&
	    eval { require Net::SSLeay; 1 };
	my ($status, $o) = run('swaks', '--server', "$here:$port{must}",
	    '--tls', '--from', 'a@test.example', '--to', 'user@test.example',
	    '--header', 'Message-Id: <swaks@test.example>',
	    { timeout => 30 });

	is($status, 0, 'swaks sends') or diag $o;
	ok($pi->wait_log(qr/message-id=<swaks\@test\.example>/),
	    'and it arrives');
}
SKIP: {
	skip 'no gnutls-cli', 2 unless which('gnutls-cli');
	my ($status, $o) = run('gnutls-cli', '--insecure',
	    '--starttls-proto=smtp', '--port', $port{plain}, $here,
	    { input => "QUIT\r\n", timeout => 30 });

	like($o, qr/Handshake was completed/, 'gnutls: STARTTLS');
	($status, $o) = run('gnutls-cli', '--insecure', '--port',
	    $port{wrapper}, $here, { input => "QUIT\r\n", timeout => 30 });
	like($o, qr/^220 mx\.test\.example/m, 'gnutls: the greeting under TLS');
}

# --- too early, and no TLS ----------------------------------------------------
spew("$pi->{dir}/inject.py", <<'END');
import socket, ssl, sys
host, port = sys.argv[1], int(sys.argv[2])
s = socket.create_connection((host, port), 20)
f = s.makefile('rb')
f.readline()
s.sendall(b'EHLO x.example\r\n')
while f.readline()[3:4] == b'-': pass
s.sendall(b'STARTTLS\r\nRSET\r\nMAIL FROM:<injected@test.example>\r\n')
print('starttls', f.readline()[:3].decode())
ctx = ssl.create_default_context()
ctx.check_hostname = False
ctx.verify_mode = ssl.CERT_NONE
t = ctx.wrap_socket(s)
t.settimeout(1)
try:
    print('early', t.recv(100))
except TimeoutError:
    print('silence')
t.settimeout(20)
t.sendall(b'NOOP\r\n')
print('noop', t.recv(100)[:3].decode())
t.sendall(b'QUIT\r\n')
print('quit', t.recv(100)[:3].decode())
END
$out = run('python3', "$pi->{dir}/inject.py", $here, $port{plain});
($out, $said) = run('python3', "$pi->{dir}/inject.py", $here, $port{plain});
like($said, qr/^starttls 220\nsilence\nnoop 250\nquit 221$/m,
    'commands behind STARTTLS in the clear are not carried out')
    or diag $said;
log_has(qr/\d+ bytes of plaintext after STARTTLS from unknown\[127/,
    'which is logged');
ok(!grep({ /injected/ } lines_of("$pi->{dir}/log/maillog")),
    'nobody has acted on them');

for my $garbage ("EHLO x\r\n", "\x16\x03\x01\xff\xff" . "\0" x 400,
    "\0" x 9000, "GET / HTTP/1.0\r\n\r\n") {
	my $s = Postern::SMTP->new($here, $port{plain});

	$s->ehlo;
	$s->cmd('STARTTLS');
	print { $s->sock } $garbage;
	$s->sock->flush;
	ok($s->closed(5), 'what is no TLS ends the session');
}
my $start = time;
$c = client();
$c->ehlo;
$c->cmd('STARTTLS');
ok($c->closed(9), 'silence ends it, too');
cmp_ok(time - $start, '>', 3, 'after smtpd_starttls_timeout');
log_has(qr/SSL_accept error from unknown\[[^\]]*\]: Connection timed out/,
    'as a timeout');

# --- the holder of keys dies, and comes back ----------------------------------
sub pid_of
{
	my ($name) = @_;
	my ($p) = grep { $_->{component} eq $name }
	    @{ $pi->json('status')->{status}{processes} };

	return $p->{pid};
}
SKIP: {
	my $pid = pid_of('keys');

	skip 'no process keys', 2 unless $pid;
	kill 'KILL', $pid;
	ok(wait_until(sub { (pid_of('keys') // $pid) != $pid &&
	    s_client('plain') =~ /Cipher is TLS_/ }, 15),
	    'keys is killed, and handshakes go on');
	like(s_client('wrapper'), qr/Cipher is TLS_/, 'on every port');
}

# --- a new certificate at a reload --------------------------------------------
certificate('rsa', 'rsa:2048');
certificate('ec', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384');
$pi->reload;
ok(wait_until(sub { s_client('plain', qw(-tls1_3 -sigalgs
    ECDSA+SHA384:ECDSA+SHA256)) =~ /Server public key is 384 bit/ }, 10),
    'a reload brings the new certificate');
chmod 0644, "$etc/rsa.key";
$pi->reload;
log_has(qr/warning: rsa\.key: everybody on this machine can read this private key/,
    'a key that everybody can read');

# --- where the key is ---------------------------------------------------------
sub key_numbers
{
	my ($file, $label) = @_;
	my (undef, $text) = run('openssl', 'pkey', '-in', $file, '-noout',
	    '-text');
	my ($hex) = $text =~ /^$label:\n((?:\s+[0-9a-f:]+\n)+)/m or return;

	$hex =~ s/[^0-9a-f]//g;
	$hex =~ s/^00//;
	return pack 'H*', $hex;
}

# What to look for: numbers as files have them and as the library does, and a
# line of the file.
sub needles
{
	my @n;

	for ([rsa => 'prime1'], [ec => 'priv'], [ed => 'priv']) {
		my ($name, $label) = @$_;
		my $bytes = key_numbers("$etc/$name.key", $label);
		my $part = substr $bytes, 4, 24;

		push @n, [$name, $part], [$name, scalar reverse $part];
		my ($line) = slurp("$etc/$name.key") =~ /\n([^\n]{40})/;
		push @n, [$name, substr($line, 20)] if $name ne 'ed';
	}
	return @n;
}

sub found_in
{
	my ($text, $needles) = @_;
	my %found;

	for my $n (@$needles) {
		$found{ $n->[0] } = 1 if index($$text, $n->[1]) >= 0;
	}
	return keys %found;
}

sub scan
{
	my ($pid, $needles) = @_;
	my %found;

	open my $maps, '<', "/proc/$pid/maps" or return '';
	open my $mem, '<:raw', "/proc/$pid/mem" or return '';
	while (my $line = <$maps>) {
		my ($from, $to, $r) = $line =~ /^(\w+)-(\w+) (.)/ or next;
		my $n = hex($to) - hex($from);
		my $text;

		next if $r ne 'r' || $line =~ /\[v/ || $n > 64 << 20;
		sysseek $mem, hex($from), 0 or next;
		sysread $mem, $text, $n or next;
		$found{$_} = 1 for found_in(\$text, $needles);
	}
	for my $fd (glob "/proc/$pid/fd/*") {
		my $text;

		next unless (readlink($fd) // '') =~ /^\/memfd:/;
		open my $fh, '<:raw', $fd or next;
		read $fh, $text, 8 << 20;
		$found{$_} = 1 for found_in(\$text, $needles);
	}
	return join ' ', sort keys %found;
}

SKIP: {
	skip 'needs root and /proc', 3 unless $> == 0 && $^O eq 'linux';
	s_client($_) for qw(plain wrapper chain plain);
	my @needles = needles();
	my @procs = grep { $_->{pid} } @{ $pi->json('status')->{status}{processes} };
	my %has = map { $_->{component} => scan($_->{pid}, \@needles) }
	    grep { $_->{component} ne 'keys' } @procs;
	my ($launcher) = slurp("$pi->{dir}/spool/pid/master.pid") =~ /(\d+)/;

	$has{launcher} = scan($launcher, \@needles);
	is(scan(pid_of('keys'), \@needles), 'ec ed rsa',
	    'keys has all private keys in its memory');
	is(join(', ', grep { $has{$_} ne '' } sort keys %has), '',
	    'and none of ' . keys(%has) . ' others has one');
	my @open = grep { (readlink($_) // '') =~ /\.key$|chain\.pem$/ }
	    map { glob "/proc/$_/fd/*" } $launcher, map { $_->{pid} } @procs;
	is("@open", '', 'no process has a key file open');
	my ($locked) = slurp('/proc/' . pid_of('keys') . '/status') =~
	    /^VmLck:\s+(\d+)/m;
	cmp_ok($locked, '>', 500, 'its memory is locked');
}
SKIP: {
	skip 'needs root', 1 unless $> == 0;
	my ($status, $o) = run(build_dir() . '/bin/mailctl', '-c', $etc,
	    qw(sandbox audit));
	is($status, 0, 'the audit finds no difference') or diag $o;
}

$pi->stop;
done_testing();
