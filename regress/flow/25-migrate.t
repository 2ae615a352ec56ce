#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The files of administrators of Postfix as they are, but for the directories
# and the port of the test: what distributions install, what upstream gives as
# a sample, what how-tos say.  Check, start, mail through, audit, stop.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Users qw(alice bob);
use Postern::Instance;
use Postern::Peers;
use Postern::Sink;
use Postern::Util qw(:all);

Postern::Instance->need;

my $root = $> == 0 && Postern::Instance::waive() eq '' &&
    build_dir() !~ m{/san$};
my $sink = Postern::Sink->start;
my $files = Postern::Peers::unpacked() . '/usr/share/postfix';
my $keys = temp_dir('migrate');

# What ssl-cert makes on Debian.
my ($made) = run('openssl', qw(req -x509 -nodes -newkey rsa:2048 -days 30
    -subj /CN=mx.test.example -addext subjectAltName=DNS:mx.test.example),
    '-keyout', "$keys/snakeoil.key", '-out', "$keys/snakeoil.pem");
is($made, 0, 'a certificate');
chmod 0600, "$keys/snakeoil.key";

# An instance with this text as main.cf and (if any) as master.cf.
sub instance
{
	my ($name, $main, $master) = @_;
	my $pi = Postern::Instance->new(name => $name, ipv6 => 0);
	my $dir = $pi->dir;
	my $waive = Postern::Instance::waive();

	# A certificate and aliases of ours instead of this machine's.
	$main =~ s{/etc/ssl/certs/ssl-cert-snakeoil\.pem|/etc/pki/tls/certs/postfix\.pem}{$keys/snakeoil.pem}g;
	$main =~ s{/etc/ssl/private/ssl-cert-snakeoil\.key|/etc/pki/tls/private/postfix\.key}{$keys/snakeoil.key}g;
	$main =~ s{/etc/(mail/)?aliases}{$dir/etc/aliases}g;
	$main =~ s{/etc/pki/tls/certs}{/etc/ssl/certs}g;
	# Where it runs beside others.
	$main =~ s/^((?:queue|data)_directory\s*=)/#$1/mg;
	$main .= "\nqueue_directory = $dir/spool\ndata_directory = $dir/data\n" .
	    "maillog_file = $dir/log/maillog\nmaillog_file_prefixes = /\n";
	$main .= "sandbox_waive = $waive\n" if $waive ne '';
	spew($pi->etc . '/main.cf', $main);
	if (defined $master) {
		my $where = $pi->where;

		$master =~ s/^smtp(\s+inet)/$where$1/m or
		    die "$name: no listener";
		spew($pi->etc . '/master.cf', $master);
	}
	spew($pi->etc . '/aliases', "postmaster: root\nroot: alice\n",
	    "abuse: alice, bob\n");
	return $pi;
}

sub mbox { return slurp(Postern::Users::mbox($_[0]), 1) // ''; }

# Check, start, mail to a user and through an alias, posting, TLS, stop.
sub works
{
	my ($name, $pi, %opt) = @_;
	my $domain = $opt{domain} // 'mx.test.example';
	my ($status, $out, $err);

	if ($opt{aliases} // 1) {
		($status, $out, $err) = $pi->cmd('newaliases');
		is($status, 0, "$name: newaliases") or diag $err;
	}
	($status, $out, $err) = $pi->mailctl('check');
	is($status, 0, "$name: check") or diag $err;
	unlike($err, qr/error:/, "$name: there is no error");
	my %said;
	$said{$_}++ for split /\n/, $err;
	is_deeply([grep { $said{$_} > 1 } sort keys %said], [],
	    "$name: nothing is said twice");
	like($err, $_, "$name: check says $_") for @{ $opt{says} // [] };
	($status, $out, $err) = $pi->try_start;
	is($status, 0, "$name: start") or
	    return diag "$err\n" . join "\n", $pi->log;
	unlike(join("\n", $pi->log), qr/ (?:fatal|error|panic): /,
	    "$name: no error in the log");
	my $tag = "T$$-" . ($name =~ tr/A-Za-z0-9//cdr);
	my $to = $opt{alias} // 'root';
	my $c = $pi->smtp;
	isnt($c, undef, "$name: it greets") or return $pi->stop;
	like($c->banner->{text}, $opt{banner}, "$name: banner")
	    if defined $opt{banner};
	$c->close;
	is($pi->send(from => 'stranger@far.example', to => "$to\@$domain",
	    data => "Subject: $tag\n\nin\n")->{code}, 250, "$name: takes mail");
	ok(wait_until(sub { mbox('alice') =~ /^Subject: $tag$/m }, 15),
	    "$name: mail for $to is delivered") or
	    diag join "\n", $pi->log;
	my ($k, $v) = split /=/, $pi->{token}, 2;
	($status, $out, $err) = run(Postern::Users::as('alice',
	    build_dir() . '/bin/sendmail', 'bob'), {
	    input => "Subject: $tag-post\n\nposted\n",
	    env => { $k => $v, MAIL_CONFIG => $pi->etc } });
	is($status, 0, "$name: sendmail") or diag $err;
	ok(wait_until(sub { mbox('bob') =~ /^Subject: $tag-post$/m }, 15),
	    "$name: and that is delivered") or diag join "\n", $pi->log;
	if ($opt{tls}) {
		($status, $out, $err) = Postern::Peers::python(<<'PY', $pi->{address}, $pi->{port}, "$keys/snakeoil.pem");
import ssl
s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), "client.example")
c = ssl.create_default_context(cafile=sys.argv[3])
c.check_hostname = False
s.starttls(context=c)
s.ehlo()
print(s.sock.version())
s.quit()
PY
		like($out, qr/^TLSv1\.[23]$/, "$name: TLS with its certificate")
		    or diag $err;
	}
	SKIP: {
		skip 'only root can measure', 1 if !$root;
		($status, $out, $err) = $pi->mailctl('sandbox', 'audit');
		is($status, 0, "$name: the audit finds no difference") or
		    diag "$out$err";
	}
	is($pi->stop, 0, "$name: stop");
}

# --- Debian -------------------------------------------------------------------
#
# What its package's maintainer script makes of main.cf.debian and main.cf.tls
# for each of the answers to its question.

my $debian = <<'END';
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mx.test.example
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
mydestination = $myhostname, debian, localhost.localdomain, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
END

SKIP: {
	skip 'the package postfix is not unpacked (./setup check)', 1
	    if !-r "$files/main.cf.debian";
	my $begin = slurp("$files/main.cf.debian") .
	    slurp("$files/main.cf.tls");
	my $master = slurp("$files/master.cf.dist");

	works('Internet Site', instance('site', $begin . $debian .
	    "inet_interfaces = all\ninet_protocols = all\n", $master),
	    tls => 1, banner => qr/^mx\.test\.example ESMTP \S+ \(Debian\/GNU\)/,
	    says => [qr/warning: .*smtp_tls_session_cache_database has no effect/]);
	works('Local only', instance('localonly', $begin . $debian .
	    "default_transport = error\nrelay_transport = error\n" .
	    "inet_interfaces = loopback-only\ninet_protocols = all\n",
	    $master));

	# A satellite: all that is not for here goes to another.
	my $text = $debian =~ s/^relayhost =.*/'relayhost = ' . $sink->nexthop/mer;
	my $pi = instance('satellite', $begin . $text .
	    "inet_interfaces = loopback-only\ninet_protocols = all\n" .
	    "myorigin = satellite.example\n", $master);
	$pi->cmd('newaliases');
	my ($status, $out, $err) = $pi->try_start;
	is($status, 0, 'Satellite: start') or diag $err;
	is($pi->send(from => 'alice@satellite.example', to => 'x@far.example')
	    ->{code}, 250, 'Satellite: takes mail');
	ok($pi->wait_log(qr/relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, .*status=sent/),
	    'Satellite: which goes to its relay host') or
	    diag join "\n", $pi->log;
	is($pi->stop, 0, 'Satellite: stop');

	# The commented sample, which is upstream's but for a few lines.
	my $sample = slurp("$files/main.cf.dist");
	works('main.cf.dist', instance('sample', "$sample\n" .
	    "myhostname = mx.test.example\nalias_maps = hash:/etc/aliases\n" .
	    "alias_database = hash:/etc/aliases\n", $master));
}

# --- others -------------------------------------------------------------------

# As Fedora and its kin install it.
works('Fedora', instance('fedora', <<'END'));
compatibility_level = 3.9
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/libexec/postfix
data_directory = /var/lib/postfix
mail_owner = postfix
myhostname = mx.test.example
inet_interfaces = localhost
inet_protocols = all
mydestination = $myhostname, localhost.$mydomain, localhost
unknown_local_recipient_reject_code = 550
alias_maps = lmdb:/etc/aliases
alias_database = lmdb:/etc/aliases
debug_peer_level = 2
debugger_command =
	 PATH=/bin:/usr/bin:/usr/local/bin:/usr/X11R6/bin
	 ddd $daemon_directory/$process_name $process_id & sleep 5
sendmail_path = /usr/sbin/sendmail.postfix
newaliases_path = /usr/bin/newaliases.postfix
mailq_path = /usr/bin/mailq.postfix
setgid_group = postdrop
html_directory = no
manpage_directory = /usr/share/man
sample_directory = /usr/share/doc/postfix/samples
readme_directory = /usr/share/doc/postfix/README_FILES
smtpd_tls_cert_file = /etc/pki/tls/certs/postfix.pem
smtpd_tls_key_file = /etc/pki/tls/private/postfix.key
smtpd_tls_security_level = may
smtp_tls_CApath = /etc/pki/tls/certs
smtp_tls_security_level = may
meta_directory = /etc/postfix
shlib_directory = /usr/lib64/postfix
END

# As the port of FreeBSD does.
works('FreeBSD', instance('freebsd', <<'END'));
compatibility_level = 3.10
queue_directory = /var/spool/postfix
command_directory = /usr/local/sbin
daemon_directory = /usr/local/libexec/postfix
data_directory = /var/db/postfix
mail_owner = postfix
myhostname = mx.test.example
unknown_local_recipient_reject_code = 550
mynetworks_style = host
alias_maps = hash:/etc/mail/aliases
alias_database = hash:/etc/mail/aliases
debugger_command =
	 PATH=/bin:/usr/bin:/usr/local/bin:/usr/X11R6/bin
	 ddd $daemon_directory/$process_name $process_id & sleep 5
sendmail_path = /usr/local/sbin/sendmail
newaliases_path = /usr/local/bin/newaliases
mailq_path = /usr/local/bin/mailq
setgid_group = maildrop
html_directory = /usr/local/share/doc/postfix
manpage_directory = /usr/local/share/man
sample_directory = /usr/local/etc/postfix
readme_directory = /usr/local/share/doc/postfix
inet_protocols = ipv4
smtp_tls_CApath = /etc/ssl/certs
meta_directory = /usr/local/libexec/postfix
shlib_directory = /usr/local/lib/postfix
END

# Two or three lines are enough (ADM-03, ADM-04).
works('minimal', instance('minimal', <<'END'));
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix
myhostname = mx.test.example
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
END

# --- what is refused ----------------------------------------------------------

# All of it at once, each with its line, what it is for and what to do.
my $pi = instance('refused', <<'END');
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_milters = inet:localhost:8891
header_checks = regexp:/etc/postfix/header_checks
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,
  check_policy_service inet:127.0.0.1:10023, extra
smtpd_client_restrictions = reject_rbl_client zen.spamhaus.example
smtpd_restriction_classes = extra
extra = reject_unverified_sender
alias_maps = hash:/nonexistent/aliases
END
my ($status, $out, $err) = $pi->mailctl('check');
is($status, 1, 'what is not supported is refused');
for ([1, 'smtpd_sasl_auth_enable', 'logins of clients'],
    [3, 'smtpd_milters', 'milter protocol'],
    [4, 'header_checks', 'rules on message headers'],
    [5, 'content_filter', 'content filters'],
    [6, 'smtpd_recipient_restrictions: check_policy_service', 'policy services'],
    [8, 'smtpd_client_restrictions: reject_rbl_client', 'block lists'],
    [10, 'extra: reject_unverified_sender', 'probes of addresses']) {
	my ($line, $name, $what) = @$_;

	like($err, qr/^mailctl: error: \S+\/main\.cf, line $line: \Q$name\E is not supported by this version: .*\Q$what\E.* \(.*(?:remove|leave it out)/m,
	    "$name: by line, what it is for, what to do");
	is(scalar(() = $err =~ /\Q$name\E is not/g), 1, "$name: once");
}
like($err, qr{error: alias_maps: /nonexistent/aliases\.db: .*\(run postalias hash:/nonexistent/aliases\)},
    'and what is wrong with tables, with the command that mends it');
unlike($err, qr/no such table type/, 'and nothing that follows from it');
($status, $out, $err) = $pi->try_start;
is($status, 1, 'it does not start');
is(scalar(() = $err =~ /is not supported/g), 8, 'and says the same');

# Nor lines of master.cf that nobody would serve.
$pi = Postern::Instance->new(name => 'lines', ipv6 => 0, services => 0,
    master => ['127.0.0.1:2525 inet n - y - 1 postscreen',
	'smtpd pass - - y - - smtpd',
	'policy unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf',
	'127.0.0.1:2526 inet n - y - - lmtp']);
($status, $out, $err) = $pi->mailctl('check');
is($status, 1, 'lines of master.cf');
like($err, $_, "check says $_")
    for qr/error: .*line 1: postscreen is not supported by this version: .* \(.*let smtpd have the port\)/,
    qr/warning: .*line 2: smtpd\/pass has no effect/,
    qr/error: .*line 3: spawn is not supported by this version/,
    qr/error: .*line 4: lmtp does not listen on a port/;
isnt(($pi->try_start)[0], 0, 'and it does not start');
like(($pi->cmd('postconf', '-M', 'policy/unix'))[1], qr/^policy .* spawn /,
    'postconf shows it as before');

# The queue of a Postfix that was here before is not touched.
$pi = instance('queue', "alias_maps =\n");
mkdir $pi->spool . "/$_", 0700 for qw(active bounce corrupt defer deferred
    flush hold incoming pid private public saved trace), 'deferred/A';
spew($pi->spool . '/deferred/A/A123', 'mail');
($status, $out, $err) = $pi->mailctl('check');
is($status, 1, 'a queue directory of Postfix');
like($err, qr{error: \S+/spool: is the queue of another mail system; .*queue_directory = }m,
    'is named');
($status, $out, $err) = $pi->try_start;
isnt($status, 0, 'and not used');
like("$out$err", qr/is the queue of another mail system/, 'for that reason');
is_deeply([map { s{.*/}{}r } sort glob $pi->spool . '/*'],
    [qw(active bounce corrupt defer deferred flush hold incoming pid private
    public saved trace)], 'nothing was made there');
is(sprintf('%o', (stat $pi->spool . '/deferred')[2] & 07777), '700',
    'nothing changed');

# A table of another mail system has to be made anew.
$pi = instance('berkeley', "alias_maps = hash:/etc/aliases\n");
my $db = "\0" x 4096;
substr $db, 12, 4, pack 'V', 0x00061561;
spew($pi->etc . '/aliases.db', $db);
($status, $out, $err) = $pi->mailctl('check');
is($status, 1, 'a Berkeley DB file');
like($err, qr{alias_maps: .*Berkeley DB.*\(run postalias hash:\S+/aliases\)},
    'is named with the command');
is(($pi->cmd('postalias', 'hash:' . $pi->etc . '/aliases'))[0], 0, 'which');
unlike(($pi->mailctl('check'))[2], qr/error:/, 'mends it');

done_testing;
