#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# TLS with other servers: offered, refused, broken, demanded, from the first
# byte on.  The server is Python's, over the TLS library of this system.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;
use JSON::PP ();
use Time::HiRes qw(sleep);

use Postern::Instance;
use Postern::Peers;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;
skip_unless(scalar Postern::Peers::command('python3'), 'no python3');
skip_unless(scalar Postern::Peers::command('openssl'), 'no openssl');

my $dir = temp_dir('tls');

sub openssl
{
	my ($status, $out, $err) = run('openssl', @_, { timeout => 60 });

	die "openssl @_: $err" if $status;
}

# An authority, and a server's certificate from it.
openssl(qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes),
    '-keyout', "$dir/ca.key", '-out', "$dir/ca.pem", '-days', 2,
    '-subj', '/CN=An Authority');
openssl(qw(req -new -newkey rsa:2048 -nodes), '-keyout', "$dir/key.pem",
    '-out', "$dir/req.pem", '-subj', '/CN=mx.far.example');
openssl(qw(x509 -req -days 2), '-in', "$dir/req.pem", '-CA', "$dir/ca.pem",
    '-CAkey', "$dir/ca.key", '-CAcreateserial', '-out', "$dir/cert.pem");

# A certificate of our own, for the server that wants one.
openssl(qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes),
    '-keyout', "$dir/own.key", '-out', "$dir/own.pem", '-days', 2,
    '-subj', '/CN=mx.test.example');

# What a server does is in the local part of its port's mode.
spew("$dir/server.py", <<'END');
import io, json, socket, ssl, sys, threading
where, cert, key, out, own = sys.argv[1:6]
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(cert, key)
names = []
ctx.sni_callback = lambda s, name, c: names.append(name)
lock = threading.Lock()
strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
strict.load_cert_chain(cert, key)
strict.load_verify_locations(own)
strict.verify_mode = ssl.CERT_REQUIRED

def note(**kw):
    with lock:
        with open(out, 'a') as f:
            f.write(json.dumps(kw) + '\n')

# TLS 1.2 ends with the server's words: its greeting comes with them, in one
# piece.
class Eager(io.RawIOBase):
    def __init__(self, c):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(cert, key)
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
        self.c, self.here, self.there = c, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.o = ctx.wrap_bio(self.here, self.there, server_side=True)
        self.until(self.o.do_handshake)
        self.write(b'220 mx.far.example ESMTP\r\n')
    def until(self, what):
        while True:
            try: return what()
            except ssl.SSLWantReadError:
                self.c.sendall(self.there.read())
                more = self.c.recv(65536)
                if more: self.here.write(more)
                else: self.here.write_eof()
    def readable(self): return True
    def writable(self): return True
    def readinto(self, b): return self.until(lambda: self.o.read(len(b), b))
    def write(self, b):
        self.o.write(b); self.c.sendall(self.there.read())
        return len(b)
    def getpeercert(self): return None

def session(c, mode):
    tls = None
    try:
        if mode == 'wrapper':
            c = ctx.wrap_socket(c, server_side=True)
            tls = c.version()
        if mode == 'eager':
            c = Eager(c)
            tls = c.o.version()
        f = io.BufferedRWPair(c, c) if mode == 'eager' else c.makefile('rwb')
        def say(s):
            f.write(s.encode() + b'\r\n'); f.flush()
        if mode != 'eager': say('220 mx.far.example ESMTP')
        mail = {}
        while True:
            line = f.readline()
            if not line: break
            word = line.decode('latin1').strip()
            verb = word.split(' ')[0].upper()
            if verb == 'EHLO':
                if tls is None and mode not in ('none', 'wrapper', 'eager'):
                    say('250-mx.far.example\r\n250-PIPELINING\r\n250 STARTTLS')
                else:
                    say('250-mx.far.example\r\n250 PIPELINING')
            elif verb == 'STARTTLS' and mode == 'refuse':
                say('454 4.7.0 not today')
            elif verb == 'STARTTLS' and mode == 'broken':
                say('220 go'); f.write(b'this is no TLS at all\r\n' * 20); f.flush()
                c.recv(10000); break
            elif verb == 'STARTTLS':
                # The injected line must not be taken for an answer under TLS.
                extra = '\r\n250-mx.evil\r\n250 CHUNKING' if mode == 'inject' else ''
                if extra:
                    f.write(b'220 go' + extra.encode() + b'\r\n'); f.flush()
                else:
                    say('220 go')
                c = (strict if mode == 'strict' else ctx).wrap_socket(c, server_side=True)
                f = c.makefile('rwb')
                tls = c.version()
            elif verb == 'MAIL':
                mail = {'from': word, 'to': []}; say('250 ok')
            elif verb == 'RCPT':
                mail['to'].append(word); say('250 ok')
            elif verb == 'DATA':
                say('354 go'); body = []
                for l in f:
                    if l == b'.\r\n': break
                    body.append(l)
                body = b''.join(body)
                say('250 2.0.0 taken')
                note(mode=mode, tls=tls, size=len(body),
                     tail=body[-40:].decode('latin1'),
                     name=names[-1] if names else None,
                     client=str(c.getpeercert()) if tls else None, **mail)
            elif verb == 'QUIT':
                say('221 bye'); break
            else:
                say('250 ok')
    except Exception as e:
        note(mode=mode, error=str(e))
    finally:
        c.close()

def serve(s, mode):
    while True:
        c, _ = s.accept()
        threading.Thread(target=session, args=(c, mode), daemon=True).start()

ports = {}
for mode in ('tls', 'none', 'refuse', 'broken', 'inject', 'wrapper',
             'strict', 'eager'):
    s = socket.socket(); s.bind((where, 0)); s.listen(50)
    ports[mode] = s.getsockname()[1]
    threading.Thread(target=serve, args=(s, mode), daemon=True).start()
with open(out + '.ports', 'w') as f: json.dump(ports, f)
sys.stdin.read()
END
my $where = free_address();
open my $server, '|-', 'python3', "$dir/server.py", $where, "$dir/cert.pem",
    "$dir/key.pem", "$dir/got", "$dir/own.pem" or die "python3: $!";
wait_until(sub { -s "$dir/got.ports" }, 10) or die 'the server does not start';
my $port = JSON::PP->new->decode(scalar slurp("$dir/got.ports"));

sub got
{
	my ($n) = @_;
	my @all;

	wait_until(sub {
		@all = -e "$dir/got" ? map { JSON::PP->new->decode($_) }
		    lines_of("$dir/got") : ();
		return @all >= $n;
	}, 10);
	return @all;
}

my $pi = Postern::Instance->new(ipv6 => 0, main => {
	transport_maps => 'texthash:transport', notify_classes => '',
	smtp_tls_loglevel => 1, smtp_tls_note_starttls_offer => 'yes',
	minimal_backoff_time => '1s', queue_run_delay => '1s',
	maximal_backoff_time => '2s', smtp_skip_quit_response => 'no',
    });
$pi->{master} = [
	"must unix - - n - - smtp -o smtp_tls_security_level=encrypt" .
	    " -o smtp_tls_CAfile=$dir/ca.pem -o smtp_tls_servername=far.test",
	'never unix - - n - - smtp -o smtp_tls_security_level=none',
	"shown unix - - n - - smtp -o smtp_tls_cert_file=$dir/own.pem" .
	    " -o smtp_tls_key_file=$dir/own.key" .
	    ' -o smtp_tls_security_level=encrypt',
	'wrapped unix - - n - - smtp -o smtp_tls_wrappermode=yes',
	'new unix - - n - - smtp -o smtp_tls_security_level=encrypt' .
	    ' -o smtp_tls_mandatory_protocols=TLSv1.3',
	'typo unix - - n - - smtp -o smtp_tls_security_level=encrypt' .
	    ' -o smtp_tls_mandatory_protocols=>=TLSv1.33',
	'grade unix - - n - - smtp -o smtp_tls_security_level=encrypt' .
	    ' -o smtp_tls_mandatory_ciphers=strong',
	'curve unix - - n - - smtp -o smtp_tls_security_level=encrypt' .
	    ' -o tls_eecdh_auto_curves=secp384r1 -o tls_ffdhe_auto_groups=',
];
$pi->write_master;
my @t;
for my $mode (sort keys %$port) {
	push @t, "$mode.example smtp:[$where]:$port->{$mode}\n",
	    "must-$mode.example must:[$where]:$port->{$mode}\n",
	    "shown-$mode.example shown:[$where]:$port->{$mode}\n",
	    "never-$mode.example never:[$where]:$port->{$mode}\n",
	    "new-$mode.example new:[$where]:$port->{$mode}\n",
	    "typo-$mode.example typo:[$where]:$port->{$mode}\n",
	    "grade-$mode.example grade:[$where]:$port->{$mode}\n",
	    "curve-$mode.example curve:[$where]:$port->{$mode}\n",
	    "wrapped-$mode.example wrapped:[$where]:$port->{$mode}\n";
}
$pi->file('transport', @t);
$pi->start;

# As the log names it: it has no name.
my $host = "$where\[$where]";
my $seen = 0;

sub fate
{
	my ($to, %m) = @_;

	$pi->send(from => 's@test.example', to => $to, %m);
	my $line = $pi->wait_log(qr/ to=<\Q$to\E>, .*status=/, 20) // 'nothing';
	return $line;
}

sub latest { my @g = got(++$seen); return $g[-1]; }

my ($status, $out) = $pi->cmd('postconf', '-x', 'smtp_tls_security_level');
is($out, "smtp_tls_security_level = may\n", 'tried by default');

like(fate('a@tls.example'), qr/status=sent \(250 2\.0\.0 taken\)/, 'STARTTLS');
my $m = latest();
is($m->{tls}, 'TLSv1.3', 'the mail went under TLS');
is($m->{name}, undef, 'without a name in the handshake');
ok($pi->wait_log(qr/smtp\[\d+\]: Untrusted TLS connection established to \Q$host:$port->{tls}\E: TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\)/),
    'as the log says');

like(fate('b@tls.example', data => "Subject: long\n\n" . "line of text\n" x
    200000 . "the end\n"), qr/status=sent/, 'a large message');
$m = latest();
cmp_ok($m->{size}, '>', 2600000, 'all of it');
like($m->{tail}, qr/the end\r\n$/, 'to its end');

like(fate('c@none.example'), qr/status=sent/, 'not offered: in clear');
is(latest()->{tls}, undef, 'indeed');
like(fate('d@refuse.example'), qr/status=sent/, 'offered and refused: in clear');
is(latest()->{tls}, undef, 'indeed');
like(fate('e@never-tls.example'), qr/status=sent/, 'not wanted: in clear');
is(latest()->{tls}, undef, 'indeed');
ok($pi->wait_log(qr/Host offered STARTTLS: \[\Q$where\E\]/), 'noted');

like(fate('f@must-tls.example'), qr/status=sent/, 'demanded and offered');
$m = latest();
is($m->{tls}, 'TLSv1.3', 'TLS');
is($m->{name}, 'far.test', 'with the name that is set');
ok($pi->wait_log(qr/Trusted TLS connection established to \Q$host:$port->{tls}\E/),
    'by an authority that is known');
like(fate('g@must-none.example'),
    qr/dsn=4\.7\.4, status=deferred \(TLS is required, but was not offered by host \Q$host\E\)/,
    'demanded, not offered');
like(fate('h@must-refuse.example'),
    qr/dsn=4\.7\.4, status=deferred \(TLS is required, but host \Q$host\E refused to start TLS: 454 4\.7\.0 not today\)/,
    'demanded, refused');
like(fate('i@new-tls.example'), qr/status=sent/, 'a version that is demanded');
is(latest()->{tls}, 'TLSv1.3', 'is used');

like(fate('p@typo-tls.example'),
    qr/dsn=4\.7\.5, status=deferred \(TLS is required, but our TLS engine is unavailable\)/,
    'a version that is none: not with any other');
ok($pi->wait_log(qr/TLS is not available: smtp_tls_mandatory_protocols: >=TLSv1\.33 is no TLS protocol/),
    'as the log says');

like(fate('q@grade-tls.example'),
    qr/dsn=4\.7\.5, status=deferred \(TLS is required, but our TLS engine is unavailable\)/,
    'a grade of ciphers that is none: not with any other');
ok($pi->wait_log(qr/TLS is not available: smtp_tls_mandatory_ciphers: strong is no grade of ciphers/),
    'as the log says');
ok(!$pi->grep_log(qr/key-exchange ECDHE \(P-384\)/), 'a curve nobody asks for');
like(fate('r@curve-tls.example'), qr/status=sent/, 'a curve that is demanded');
ok($pi->wait_log(qr/connection established to \Q$host:$port->{tls}\E: TLSv1\.3 .* key-exchange ECDHE \(P-384\)/),
    'is used');

# Certificates of our own: the key is in another process.
like(fate('o@strict.example'), qr/status=deferred/,
    'a server that wants a certificate gets none');
like(fate('n@shown-strict.example'), qr/status=sent/,
    'one where we have one');
$m = (grep { $_->{client} } grep { ($_->{mode} // '') eq 'strict' &&
    $_->{tls} } got(1))[-1];
like($m->{client} // '', qr/mx\.test\.example/, 'with our name');
ok($pi->component('keys'), 'keys has signed');
$seen = got(0);

like(fate('j@broken.example'),
    qr/dsn=4\.7\.5, status=deferred \(Cannot start TLS: handshake failure\)/,
    'a handshake that fails: the mail waits');
ok($pi->wait_log(qr/SSL_connect error to \Q$host:$port->{broken}\E: /),
    'and the log says why');

like(fate('k@inject.example'), qr/status=(?:sent|deferred)/,
    'lines injected behind the answer to STARTTLS');
my ($chunking) = grep { ($_->{mode} // '') eq 'inject' } got($seen + 1);
ok($chunking, 'the session went on under TLS, or ended');
$seen = got(0);

like(fate('l@wrapped-wrapper.example'), qr/status=sent/, 'TLS from the first byte on');
my ($w) = grep { ($_->{mode} // '') eq 'wrapper' && $_->{tls} } got($seen + 1);
is($w->{tls}, 'TLSv1.3', 'indeed');
$seen = got(0);
like(fate('q@wrapped-eager.example'), qr/status=sent/,
    'a greeting in one piece with the end of the handshake');
($w) = grep { ($_->{mode} // '') eq 'eager' && $_->{tls} } got($seen + 1);
is($w->{tls}, 'TLSv1.2', 'indeed');
$seen = got(0);
like(fate('m@wrapped-none.example'), qr/dsn=4\.7\.5, status=deferred/,
    'a server that knows nothing of it');

# Older than minimal_backoff_time: without, rather than never.
ok(wait_until(sub { scalar grep { /to=<j\@broken\.example>.*status=/ }
    $pi->log }, 5), 'the broken server is tried again');
like(join("\n", $pi->grep_log(qr/SSL_connect error/)), qr/SSL_connect error/,
    'it is still broken');

is(($pi->mailctl('sandbox', 'audit'))[0], $> == 0 ? 0 : 2, 'the audit');
$pi->stop;
close $server;
done_testing();
