#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A captured local in a running system: it appends to no file but those that
# aliases name, and gives mail to no transport but by the way that rewrite said
# its recipient has.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Rogue;
use Postern::Util qw(:all);

Postern::Instance->need;
plan skip_all => 'files of aliases need root' if $> != 0;
my $rogue = Postern::Rogue->new(local => 'rogue-local');
my $files = temp_dir('files');
my $lives = 6;

chmod 0777, $files;
my $pi = Postern::Instance->new(main => {
    mydestination => 'local.example', local_recipient_maps => '',
    alias_maps => "inline:{{named = $files/named}}",
    mailbox_transport_maps => 'inline:{{victim = discard:as rewrite said}}',
    queue_run_delay => '1s', minimal_backoff_time => '1s',
    maximal_backoff_time => '2s' });
$rogue->orders(file => "$files/named");
$pi->start;
my $r = $pi->send(to => 'victim@local.example', data => "Subject: x\n\nx\n");
is($r->{code}, 250, 'a message for local');
ok($pi->wait_log(qr/\Q$r->{id}\E: to=<victim\@.*status=sent \(as rewrite said\)/,
    90), 'at last it goes where rewrite said');

my @said = map { /rogue: (.*)/ ? $1 : () } $pi->log;
my @right = grep { /^right: / } @said;
is_deeply([grep { /: obeyed$/ && !/^right: / } @said], [],
    'nothing was obeyed that no alias and no table has');
cmp_ok(scalar(grep { /: refused$/ && !/^right: / } @said), '==', 11,
    '... of all there was');
is_deeply([grep { !/: obeyed$/ } @right], [], 'what is allowed is done');
cmp_ok(scalar @right, '==', 3 + $lives, '... all of it');
is(scalar(() = $pi->grep_log(qr/security: .*a recipient that it may not pass on/)),
    $lives - 1, 'qmgr closed the channel of who made a way up');
is_deeply([grep { /stolen/ && !/rogue:/ } $pi->log], [],
    'no mail went a way that was made up');
is_deeply([sort map { s{.*/}{}r } glob "$files/*"], ['named'],
    'no other file was written to');
ok($pi->wait_log(qr/security: local asked for a file that alias/),
    'who asked for one is in the log');
ok($pi->wait_empty(20), 'the queue is empty');
is($pi->stop, 0, 'stopped');
done_testing;
