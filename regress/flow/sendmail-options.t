#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The options of sendmail(1): what each does, what is ignored, and what is
# refused, with the exit status that programs look at.  A mail system that is
# stopped leaves what is posted in maildrop, where its envelope is read.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(ipv6 => 0,
    main => { alias_database => 'texthash:aliases' });
$pi->file('aliases', "a: b\n");
my $dir = $pi->spool . '/maildrop';
my $text = "Subject: x\nTo: head\@test.example\n\nbody\n.\nmore\n";
my $to = 'user@test.example';

# What lies in maildrop, removed; as postcat shows it.
sub posted
{
	my @found;

	for my $file (glob "$dir/*") {
		my ($status, $out, $err) = $pi->cmd('postcat', $file);
		push @found, $status eq '0' ? $out : "postcat: $err";
		unlink $file;
	}
	return @found;
}

# Once, so that the queue directory is made; then it is stopped.
$pi->start;
$pi->stop;

# arguments, exit status, what is said (stderr or stdout), what postcat shows
# of the one message that is posted (undef: none is).
my @cases = (
	# --- posting
	['recipient', [$to], 0, qr/\A\z/, qr/^recipient: user\@test\.example$/m],
	['a dot ends it', [$to], 0, qr/\A\z/, qr/\nbody\n\*\*\*/],
	['-i', ['-i', $to], 0, qr/\A\z/, qr/\nbody\n\.\nmore\n/],
	['-oi', ['-oi', $to], 0, qr/\A\z/, qr/\nbody\n\.\nmore\n/],
	['-t', ['-t'], 0, qr/\A\z/, qr/^recipient: head\@test\.example$/m],
	['-t and more', ['-t', $to], 0, qr/\A\z/, qr/^recipient: user\@.*^recipient: head\@/ms],
	['-ti', ['-ti'], 0, qr/\A\z/, qr/\n\.\nmore.*^recipient: head\@/ms],
	['-f', ['-f', 'a@b.example', $to], 0, qr/\A\z/, qr/^sender: a\@b\.example$/m],
	['-fADDR', ['-fa@b.example', $to], 0, qr/\A\z/, qr/^sender: a\@b\.example$/m],
	['-f <>', ['-f', '<>', $to], 0, qr/\A\z/, qr/^sender: $/m],
	['-f ""', ['-f', '', $to], 0, qr/\A\z/, qr/^sender: $/m],
	['-f with several', ['-f', 'a@b.example, c@d.example', $to], 0,
	    qr/warning: -f option specified malformed sender/, qr/^sender: a\@b\.example$/m],
	['-r', ['-r', 'a@b.example', $to], 0, qr/\A\z/, qr/^sender: a\@b\.example$/m],
	['-F', ['-F', 'Full Name', $to], 0, qr/\A\z/, qr/^fullname: Full Name$/m],
	['-N', ['-N', 'success,delay', $to], 0, qr/\A\z/, qr/^notify_flags: SUCCESS,DELAY$/m],
	['-N never', ['-N', 'never', $to], 0, qr/\A\z/, qr/^notify_flags: NEVER$/m],
	['a bad -N', ['-N', 'perhaps', $to], 0, qr/warning: bad -N option value -- ignored/, qr/^recipient: (?!.*notify_flags)/ms],
	['-R hdrs', ['-R', 'hdrs', $to], 0, qr/\A\z/, qr/^ret_flags: HDRS$/m],
	['a bad -R', ['-R', '10k', $to], 0, qr/warning: bad -R option value -- ignored/, qr/^recipient: (?!.*ret_flags)/ms],
	['-V', ['-V', 'an id+1', $to], 0, qr/\A\z/, qr/^envid: an id\+1$/m],
	['a long -V', ['-V', 'x' x 101, $to], 0, qr/warning: too long -V option value -- ignored/, qr/^recipient: (?!.*envid)/ms],
	['a bad -V', ['-V', "a\tb", $to], 0, qr/warning: bad syntax in -V option value -- ignored/, qr/^recipient: (?!.*envid)/ms],
	['-B 8BITMIME', ['-B', '8BITMIME', $to], 0, qr/\A\z/, qr/^encoding: 8bit$/m],
	['-B 7BIT', ['-B', '7BIT', $to], 0, qr/\A\z/, qr/^recipient: (?!.*encoding)/ms],
	['-B others', ['-B', 'BINARYMIME', $to], 64, qr/fatal: -B option needs 8BITMIME or 7BIT/],
	['-G', ['-G', $to], 0, qr/\A\z/, qr/^rewrite_context: remote$/m],
	['-bm', ['-bm', $to], 0, qr/\A\z/, qr/^recipient: user\@/m],
	['-v', ['-v', $to], 0, qr/^Mail Delivery Status Report will be mailed to </m, qr/^trace_flags: report$/m],
	['-vv', ['-vv', $to], 0, qr/queued as/, qr/^recipient: (?!.*trace_flags)/ms],
	['-v -v', ['-v', '-v', $to], 0, qr/queued as/, qr/^recipient: (?!.*trace_flags)/ms],
	['-bv', ['-bv', $to], 0, qr/^Mail Delivery Status Report will be mailed to </m,
	    qr/^trace_flags: verify\n.*^Subject: probe\nTo:\tuser\@test\.example\n/ms],
	['--', ['--', $to], 0, qr/\A\z/, qr/^recipient: user\@/m],
	['a list in one word', ['a@b.example, C <c@d.example>'], 0, qr/\A\z/,
	    qr/^recipient: a\@b\.example\nrecipient: c\@d\.example\n/m],
	# --- without effect
	(map { ["@$_", [@$_, $to], 0, qr/\A\z/, qr/^recipient: user\@/m] }
	    ['-Am'], ['-Ac'], ['-O', 'QueueLA=5'], ['-L', 'tag'], ['-h', '20'],
	    ['-p', 'smtp:host'], ['-e', 'p'], ['-em'], ['-c'], ['-m'], ['-x'],
	    ['-U'], ['-om'], ['-o7'], ['-o8'], ['-oem'], ['-odb'], ['-oee'],
	    ['-C', $pi->etc], ['-C', $pi->etc . '/main.cf']),
	['-bh', ['-bh'], 0, qr/\A\z/],
	['-bH', ['-bH'], 0, qr/\A\z/],
	['-q30m', ['-q30m'], 0, qr/queue_run_delay/],
	# --- refused
	['-n', ['-n', $to], 64, qr/-n option not supported/],
	['-X', ['-X', 'log', $to], 64, qr/unsupported: -Xl/],
	['-XV', ['-XV', $to], 69, qr/VERP/],
	['-bz', ['-bz', $to], 64, qr/unsupported: -bz/],
	['-ba', ['-ba', $to], 64, qr/unsupported: -ba/],
	['-qS', ['-qSx'], 64, qr/-qS is not implemented/],
	['-qR', ['-qR'], 64, qr/specify: -qRsite/],
	['-qI', ['-qI'], 64, qr/specify: -qIqueueid/],
	['-oA', ['-bi', '-oA'], 64, qr/-oA requires pathname/],
	['-Z', ['-Z', $to], 64, qr/-Z/],
	['-s', ['-s', $to], 64, qr/-s/],
	['-f alone', ['-f'], 64, qr/-f/],
	['nobody', [], 64, qr/Recipient addresses must be specified on the command line or via the -t option/],
	['an empty recipient', [''], 65, qr/recipient/],
	# --- what does not go together
	['-t -bp', ['-t', '-bp'], 64, qr/-t can be used only in delivery mode/],
	['-t -qRsite', ['-t', '-qRtest.example'], 64, qr/-t can be used only in delivery mode/],
	['-bv -t', ['-bv', '-t'], 64, qr/-t option cannot be used with -bv/],
	['-bv -N', ['-bv', '-N', 'never', $to], 64, qr/-N option cannot be used with -bv/],
	['-bv -v', ['-bv', '-v', $to], 64, qr/-v option cannot be used with -bv/],
	['-bp and a recipient', ['-bp', $to], 64, qr/display queue mode requires no recipient/],
	['-q and a recipient', ['-q', $to], 64, qr/flush queue mode requires no recipient/],
	['-bd and a recipient', ['-bd', $to], 64, qr/daemon mode requires no recipient/],
	['-bi and a recipient', ['-bi', $to], 64, qr/alias initialization mode requires no recipient/],
	['-I and a recipient', ['-I', $to], 64, qr/alias initialization mode requires no recipient/],
	['-bs and a recipient', ['-bs', $to], 64, qr/stand-alone mode requires no recipient/],
	['-qRsite and a recipient', ['-qRa.example', $to], 64, qr/flush site requires no recipient/],
	['-qIid and a recipient', ['-qIABC', $to], 64, qr/flush queue_id requires no recipient/],
);

for my $c (@cases) {
	my ($name, $args, $want, $says, $shown) = @$c;
	my ($status, $out, $err) = $pi->cmd('sendmail', @$args,
	    { input => $text });
	my @left = posted();

	is($status, $want, "$name: exit status") or diag $err;
	like($out . $err, $says, "$name: what is said");
	is(scalar @left, defined $shown ? 1 : 0, "$name: messages posted");
	like($left[0] // '', $shown, "$name: its envelope") if defined $shown;
}

# --- postcat of what lies there -----------------------------------------------

is(scalar $pi->cmd('sendmail', $to, { input => $text }), 0, 'one more');
my ($file) = glob "$dir/*";
my ($name) = $file =~ m{([^/]+)\z};
my ($st, $out, $err) = $pi->cmd('postcat', '-q', $name);
is($st, 0, 'postcat -q of a name in maildrop') or diag $err;
like($out, qr/^\*\*\*[ ]ENVELOPE[ ]RECORDS .*^\*\*\*[ ]MESSAGE[ ]CONTENTS .*^Subject:[ ]x\n
    .*^\*\*\*[ ]HEADER[ ]EXTRACTED .*^recipient:[ ]user.*^\*\*\*[ ]MESSAGE[ ]FILE[ ]END/msx,
    'in the order of the file');
is(($pi->cmd('postcat', '-b', $file))[1], "\nbody\n", '-b');
is(($pi->cmd('postcat', '-h', $file))[1],
    "Subject: x\nTo: head\@test.example\n", '-h');
is(($pi->cmd('mailq'))[1] =~ /\Q$name\E/ ? 1 : 0, 1, 'mailq lists it');
my $whole = slurp($file);
spew($file, substr $whole, 0, -1);
($st, $out, $err) = $pi->cmd('postcat', $file);
is($st, 1, 'one that was cut off');
like($err, qr/not a whole submission/, 'is said to be');
spew($file, $whole . 'x');
is(scalar $pi->cmd('postcat', $file), 1, 'one with something behind its end');
unlink $file;
is(scalar $pi->cmd('postcat', '-q', '../main.cf'), 1, 'no path');

# --- other modes --------------------------------------------------------------

($st, $out, $err) = $pi->cmd('sendmail', '-bp');
is("$st $out", "0 Mail queue is empty\n", '-bp');
is(scalar $pi->cmd('mailq'), 0, 'mailq');
is(scalar $pi->cmd('sendmail', '-q'), 69, '-q while it is down');
is(scalar $pi->cmd('sendmail', '-bd'), 0, '-bd');
ok(wait_until(sub { defined $pi->main_pid }, 15), 'starts the mail system');
guard_pid($pi->main_pid);
is(scalar $pi->cmd('sendmail', '-q'), 0, '-q');
is(scalar $pi->cmd('sendmail', '-qRtest.example'), 0, '-qRsite');
isnt(scalar $pi->cmd('sendmail', '-qInosuchid'), 0, '-qIid, of no message');
($st, $out) = $pi->cmd('sendmail', '-bs', { input => "EHLO x\r\nQUIT\r\n" });
is($st, 0, '-bs');
like($out, qr/^220 .*^250.*^221 /ms, 'speaks SMTP');
is(scalar $pi->cmd('newaliases'), 0, 'newaliases');
is($pi->stop, 0, 'stopped');
done_testing;
