#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Odd configuration files, as they are found in the field: each fault is named
# with its line and what to do about it; and the explanation of parameters.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

# What check says of these lines behind a good main.cf or master.cf.
sub found
{
	my ($file, $text) = @_;
	my $pi = Postern::Instance->new(name => 'odd', services => 0);
	my $path = $pi->etc . "/$file";
	my $good = slurp($path);
	my ($status, $out, $err);

	spew($path, $good, $text);
	($status, $out, $err) = $pi->mailctl('check');
	my $first = 1 + ($good =~ tr/\n//);
	$err =~ s/line (\d+)/'line +' . ($1 - $first)/ge;
	return ($err, $status, $pi);
}

for (
    # ADM-09
    ['smtpd_recipient_restricitons = permit', qr/error:.*line \+0: unknown parameter: smtpd_recipient_restricitons \(did you mean smtpd_recipient_restrictions\?\)/],
    ['smtp_recipient_restrictions = permit', qr/error:.*line \+0:.*did you mean smtpd_recipient_restrictions\?/],
    ['relay_domain = a.example', qr/error:.*line \+0:.*did you mean relay_domains\?/],
    ['mynetwork = 127.0.0.0/8', qr/error:.*line \+0:.*did you mean mynetworks\?/],
    ['smtpd_data_restrictions = reject_unauth_pipeling', qr/warning:.*line \+0:.*reject_unauth_pipeling \(did you mean reject_unauth_pipelining\?\)/],
    # ADM-02
    ["mail_name = Mail \\\n", qr/warning:.*line \+0: a backslash at the end does not continue a line \(leave it out, and begin the next line with a blank\)/],
    # ADM-10
    ["\nmydestination = ftp://www.\$mydomain", qr/error:.*line \+1: mydestination: .*"ftp"/],
    # ADM-11
    ["mydestination = \$myhostname,\nwww.\$mydomain", qr/error:.*line \+1: "=" is missing behind "www\.\$mydomain" \(.*a line that continues the one above begins with a blank\)/],
    ['</pre>', qr/error:.*line \+0: "=" is missing behind "<\/pre>"/],
    # ADM-07
    ['program_directory = /usr/libexec', qr/warning:.*line \+0: program_directory is the old name/],
) {
	my ($text, $want) = @$_;
	my ($err, $status) = found('main.cf', "$text\n");

	like($err, $want, (split /\n/, $text =~ s/^\n//r)[0]);
	is($status, 1, 'status') if $want =~ /error:/;
}

# Lines that run commands.
my ($user) = grep { defined getpwnam $_ } qw(games man daemon nobody);
for (
    ['user=nosuchuser argv=/bin/cat', 0, qr/warning: .*line \+0: service run: there is no user "nosuchuser"/],
    ["user=$user:nosuchgroup argv=/bin/cat", 0, qr/warning: .*line \+0: service run: there is no group "nosuchgroup"/],
    ["user=$user argv=/nonexistent/cat", 0, qr/warning: .*line \+0: service run: \/nonexistent\/cat: No such file/],
    ["user=$user argv=/etc/passwd", 0, qr/warning: .*line \+0: service run: \/etc\/passwd is no program/],
    ['argv=/bin/cat', 1, qr/error: .*line \+0: service run: there is no user=/],
    ["user=$user", 1, qr/error: .*line \+0: service run: there is no argv=/],
    ["flags=Z user=$user argv=/bin/cat", 1, qr/error: .*line \+0: service run: flags=Z is not known/],
    ["user=$user argv=/bin/cat \${recpient}", 1, qr/error: .*line \+0: service run: argv= has \$recpient, which is not known/],
    ["user=$user argv=/bin/cat -o \${recipient}", 0, qr/\A\z/],
    ["user=$user argv=cat", 0, qr/\A\z/],
) {
	my ($args, $want, $what) = @$_;
	my ($err, $status) = found('master.cf',
	    "run unix - n n - - pipe\n  -o syslog_name=x\n  $args\n");

	like($err, $what, "pipe $args");
	is($status, $want, 'status');
}

# A restriction class may have a name like a restriction's (ADM-09).
unlike((found('main.cf', "smtpd_restriction_classes = reject_unauth_pipeline\n" .
    "reject_unauth_pipeline = reject_unauth_pipelining\n" .
    "smtpd_data_restrictions = reject_unauth_pipeline\n"))[0],
    qr/unknown restriction/, 'a class is known');

# Continuation lines (ADM-01, ADM-31).
my ($err, $status, $pi) = found('main.cf', "mail_name = one\n" .
    "# a comment between\n  two\n");
is(($pi->cmd('postconf', '-h', 'mail_name'))[1], "one two\n",
    'a line that begins with a blank continues the one above');
($err, $status, $pi) = found('master.cf', "uu unix - n n - - smtp\n" .
    "  -o smtp_helo_timeout=3s\n");
like(($pi->cmd('postconf', '-P', 'uu/unix/smtp_helo_timeout'))[1], qr/= 3s$/,
    'in master.cf, too');
($err, $status) = found('master.cf', "uu unix - n n - - smtp\n" .
    "flags=R user=nobody\n");
like($err, qr/error:.*master\.cf, line \+1: "flags=R" .*\(begin this line with a blank: it belongs to the service above\)/,
    'a line that ought to');
is($status, 1, 'status');

# Explanations (ADM-26).
my ($s, $out) = $pi->mailctl('explain', 'maximal_backoff_time', 'mail_name');
is($s, 0, 'explain');
like($out, qr/^maximal_backoff_time: a time .*^default: 4000s\n.*^here:    4000s$/ms,
    'what it is and its default');
like($out, qr/^mail_name: /m, 'of several');
$pi->set(mail_name => 'Other');
($s, $out) = $pi->mailctl('explain', 'mail_name');
like($out, qr/^set in: .*main\.cf, line \d+: Other\n.*^here:    Other$/ms,
    'and where it is set');
($s, $out, $err) = $pi->mailctl('explain', 'smtpd_baner');
is($s, 1, 'one that is none');
like($err, qr/did you mean smtpd_banner\?/, 'with a suggestion');

# Ids that components would share with somebody.
SKIP: {
	skip 'components have ids of their own where root starts them', 4 if $> != 0;
	my ($nobody, $gid) = (getpwnam 'nobody')[2, 3];
	my $group = getgrgid $gid;

	for my $base ($nobody, $nobody - 63) {
		($err, $status) = found('main.cf', "sandbox_uid_base = $base\n");
		like($err, qr/warning: sandbox_uid_base: the ids from $base to \d+ are for components alone, and these users have them: .*\bnobody \($nobody\)/,
		    "sandbox_uid_base = $base: a user is found");
	}
	($err) = found('main.cf', "sandbox_uid_base = $gid\n");
	like($err, qr/and these groups have them: .*\b\Q$group\E \($gid\)/,
	    'a group is');
	($err) = found('main.cf', 'sandbox_uid_base = ' . ($nobody - 64) . "\n");
	unlike($err, qr/these \w+ have them: .*\bnobody\b/,
	    'one that is just behind is not');
}

done_testing();
