#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# How many processes a policy lets its component have at one time: open= of
# requests that are counted, tightened by overlays.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use Test::More;

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;
plan skip_all => 'commands of aliases need root' if $> != 0;

my $gate = temp_dir('gate');
chmod 0777, $gate;
my $wait = "while [ ! -e $gate/open ]; do sleep 0.2; done";
my $pi = Postern::Instance->new(main => {
    mydestination => 'local.example', local_recipient_maps => '',
    alias_maps => 'texthash:aliases', queue_run_delay => '2s',
    minimal_backoff_time => '2s', maximal_backoff_time => '2s',
    transport_maps => 'inline:{{piped.example = other:}}' },
    master => ["other unix - n n - - pipe user=nobody:nogroup argv=/bin/cat"]);
$pi->file('aliases', map { "$_\n" }
    (map { "wait$_ \"|touch $gate/$_; $wait\"" } 1 .. 2), 'never |/bin/cat');
mkdir $pi->etc . '/policy.d', 0755;
$pi->file('policy.d/local.policy', "component local\nrequest command open=2\n");
$pi->start;

my @wait = map { $pi->send(to => "wait$_\@local.example") } 1 .. 2;
ok(wait_until(sub { 2 == grep { -e "$gate/$_" } 1 .. 2 }, 20),
    'two commands of aliases run');
my $third = $pi->send(to => 'never@local.example');
ok($pi->wait_log(qr/command not run: there are 2 of command, and no policy asks for more/,
    20), 'a third is not run');
like($pi->wait_log(qr/\Q$third->{id}\E: to=<never\@.*status=deferred/, 20) // '',
    qr/status=deferred \(.*\)/, '... and its mail waits');
my $piped = $pi->send(to => 'x@piped.example');
like($pi->wait_log(qr/\Q$piped->{id}\E: to=<x\@.*status=/, 20) // '',
    qr/status=sent/, 'what pipe may have is its own');
spew("$gate/open", '');
ok($pi->wait_log(qr/\Q$_->{id}\E: to=<wait.*status=sent/, 20), 'they end')
    for @wait;
ok($pi->wait_log(qr/\Q$third->{id}\E: to=<never\@.*status=sent/, 30),
    'and the third has its turn');
is($pi->stop, 0, 'stopped');
done_testing;
