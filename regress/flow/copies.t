#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Copies that nobody sees: always_bcc, sender_bcc_maps, recipient_bcc_maps.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(name => 'copies', ipv6 => 0, main => {
	smtpd_peername_lookup => 'no', recipient_delimiter => '+',
	always_bcc => 'archive@test.example',
	sender_bcc_maps => 'hash:sender_bcc',
	recipient_bcc_maps => 'hash:recipient_bcc',
	virtual_alias_maps => 'inline:{ {pair@test.example = user@test.example, other@test.example} }',
    });
$pi->mailboxes(qw(user other archive sent got bounces));
$pi->file('sender_bcc', "boss\@far.example sent\@test.example\n");
$pi->file('recipient_bcc', "user\@test.example got\@test.example\n",
    "pair\@test.example nobody\@test.example\n");
is(($pi->cmd('postmap', 'hash:' . $pi->etc . "/$_"))[0], 0, "postmap $_")
    for qw(sender_bcc recipient_bcc);
my ($status, $out, $err) = $pi->mailctl('check');
is($status, 0, 'check') or diag $err;
$pi->start;

sub has
{
	my ($name, %want) = @_;

	$pi->wait_empty;
	for my $user (sort keys %want) {
		is(scalar $pi->mail($user), $want{$user}, "$name: $user has it");
	}
}

is($pi->send(from => 'x@far.example')->{code}, 250, 'mail');
has('plain', user => 1, archive => 1, got => 1, sent => 0);
is($pi->send(from => 'boss@far.example', to => 'user+ext@test.example')
    ->{code}, 250, 'mail of a sender with a copy, to an extension');
has('sender', user => 2, archive => 2, got => 2, sent => 1);
my ($copy) = $pi->mail('sent');
unlike($copy, qr/^(?:Bcc|X-Original-To: user)/mi, 'no header tells of it');

# What does not get through as a copy is nobody's concern.
is($pi->send(from => 'bounces@test.example', to => 'pair@test.example')
    ->{code}, 250, 'mail for an alias, with a copy for nobody');
has('alias', user => 3, other => 1, archive => 3, got => 2, bounces => 0);
ok($pi->wait_log(qr/to=<nobody\@test\.example>.*status=bounced/),
    'the copy cannot be delivered');
is(scalar($pi->mail('bounces')), 0, 'which its sender is not told');

# Notices of ours are not copied.
is($pi->send(from => 'bounces@test.example', to => 'gone@far.example')
    ->{code}, 250, 'mail that will come back');
ok(wait_until(sub { $pi->mail('bounces') == 1 }, 20), 'a notice');
has('notice', archive => 4, bounces => 1);

# After a requeue there are no new copies.
$pi->set(defer_transports => 'virtual');
$pi->reload;
is($pi->send(from => 'x@far.example', to => 'other@test.example')->{code},
    250, 'mail that waits');
ok(wait_until(sub { ($pi->cmd('postqueue', '-j'))[1] =~
	/"queue_name": *"deferred"/ }, 10), 'is deferred');
is(($pi->cmd('postsuper', '-r', 'ALL'))[0], 0, 'requeued');
$pi->set(defer_transports => '');
$pi->reload;
$pi->cmd('postqueue', '-f');
has('requeued', other => 2, archive => 5);
is($pi->stop, 0, 'stopped');
done_testing;
