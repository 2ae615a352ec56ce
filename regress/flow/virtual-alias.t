#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Addresses that stand for others: virtual_alias_maps in a running system.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

my $pi = Postern::Instance->new(main => {
    virtual_alias_domains => 'alias.example',
    virtual_alias_maps => 'texthash:aliases.txt',
    recipient_delimiter => '+',
    virtual_alias_expansion_limit => 3 });
$pi->file('aliases.txt',
    "one\@alias.example user\@test.example\n",
    "both\@alias.example one\@alias.example, other\@test.example\n",
    "ring\@alias.example ring\@alias.example, user\@test.example\n",
    "half\@alias.example -x\@test.example, user\@test.example\n",
    "many\@alias.example a\@test.example b\@test.example c\@test.example " .
    "d\@test.example\n");
$pi->start;

my $r = $pi->send(to => 'one@alias.example',
    data => "Subject: first\n\nx\n");
is($r->{code}, 250, 'an alias is taken') or diag $r->{text};
my @mail = $pi->wait_mail('user');
like($mail[0] // '', qr/^Subject: first\n/m, 'and delivered');
like($mail[0] // '', qr/^X-Original-To: one\@alias\.example\n/m,
    'with its original recipient');
ok($pi->wait_log(qr/to=<user\@test\.example>, orig_to=<one\@alias\.example>,/),
    'in the log, too');

$r = $pi->send(to => 'both@alias.example', data => "Subject: two\n\nx\n");
is($r->{code}, 250, 'one for two');
@mail = $pi->wait_mail('user', 2);
is(scalar(grep { /^Subject: two\n/m } @mail), 1, 'the first, again expanded');
@mail = $pi->wait_mail('other');
is(scalar(grep { /^Subject: two\n/m } @mail), 1, 'and the second');

is($pi->send(to => 'nobody@alias.example')->{code}, 550,
    'what no table knows is refused');
is($pi->send(to => 'many@alias.example')->{code}, 451,
    'an expansion that is too large');

$r = $pi->send(to => 'ring@alias.example', data => "Subject: ring\n\nx\n",
    from => 'other@test.example');
is($r->{code}, 250, 'one that stands for itself as well');
@mail = $pi->wait_mail('user', 3);
is(scalar(grep { /^Subject: ring\n/m } @mail), 1, 'ends');

is(($pi->cmd('sendmail', 'both+ext@alias.example',
    { input => "Subject: local\n\nx\n" }))[0], 0, 'posted here');
@mail = $pi->wait_mail('other', 3);
ok(scalar(grep { /^Subject: local\n/m } @mail), 'delivered, too')
    or diag join "\n", $pi->log;
# A mistake in the table is not the other recipients' misfortune.
$r = $pi->send(to => 'half@alias.example', data => "Subject: half\n\nx\n",
    from => 'other@test.example');
is($r->{code}, 250, 'one that stands for an address and for none')
    or diag $r->{text};
@mail = $pi->wait_mail('user', 5);
is(scalar(grep { /^Subject: half\n/m } @mail), 1, 'the address gets it');
ok($pi->wait_log(qr/virtual_alias_maps: half\@alias\.example stands for -x\@test\.example, which is no address/),
    'the log warns of the other');
@mail = $pi->wait_mail('other', 4);
is(scalar(grep { /^Final-Recipient: rfc822; *-x\@test\.example\n(?:.*\n)*?Status: 5\.1\.3\n/m }
    @mail), 1, 'and its sender is told') or diag join "\n", @mail;
is($pi->stop, 0, 'stopped');

done_testing();
