#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What administrators expect of master.cf and of the system around it, a row
# of expectations each: the group of maildrop, a system without local
# delivery, alias files of several admins, wake-up times, processes killed
# under load, many notices at once, damaged queue files, and mailboxes that
# stay in their base.
use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use Postern::Instance;
use Postern::Util qw(:all);

Postern::Instance->need;

# An instance whose master.cf has lost the lines that match.
sub without
{
	my ($pattern, %opt) = @_;
	my $pi = Postern::Instance->new(ipv6 => 0, %opt);
	my $file = $pi->etc . '/master.cf';
	my @lines = lines_of($file);
	my @kept = grep { !/$pattern/ } @lines;

	die "nothing is left out\n" if @kept == @lines;
	spew($file, map { "$_\n" } @kept);
	return $pi;
}

# The texts of all messages with this subject in a mailbox.
sub with_subject
{
	my ($pi, $user, $subject) = @_;

	return grep { /^Subject: $subject$/m } $pi->mail($user);
}

# --- ADM-08: whose maildrop is ------------------------------------------------

SKIP: {
	skip 'needs root', 9 unless $> == 0;
	my $pi = Postern::Instance->new(ipv6 => 0, services => 0);
	my $drop = $pi->spool . '/maildrop';

	$pi->start;
	my ($uid, $gid) = (stat $drop)[4, 5];
	$pi->stop;
	is($gid, $uid, 'maildrop: group of the queue manager');
	is(getgrgid($gid), undef, 'which nobody is a member of');
	is(scalar $pi->mailctl('check'), 0, 'check finds nothing wrong');
	chown $uid, 65534, $drop;
	chmod 03733, $drop;
	my ($status, $out, $err) = $pi->mailctl('check');
	is($status, 1, 'another group is found');
	like($err, qr{maildrop: belongs to group id 65534 and not $gid, the queue manager's own; a start mends that},
	    'and explained');
	$pi->start;
	is((stat $drop)[5], $gid, 'a start mends it');
	$pi->stop;
	$pi->set(setgid_group => 'mail');
	($status, $out, $err) = $pi->mailctl('check');
	is($status, 0, 'setgid_group: no error');
	like($err, qr/warning: .*line \d+: setgid_group has no effect \(No program is set-group-id; .*The maildrop directory belongs to the group of the queue manager/,
	    'but said to have no effect, and why');
	my @setid = grep { -u $_ || -g $_ } glob build_dir() . '/bin/*';
	is("@setid", '', 'no command is set-id');
}

# --- ADM-21: no local delivery ------------------------------------------------

{
	my $pi = without(qr/^local\s/, main => {
		mydestination => '$myhostname', local_recipient_maps => '' });
	my ($status, $out, $err) = $pi->mailctl('check');

	is($status, 0, 'without local: check') or diag $err;
	$pi->start;
	is($pi->send(to => 'user@test.example')->{code}, 250, 'other mail is taken');
	is(scalar $pi->wait_mail('user'), 1, 'and delivered');
	is($pi->send(to => 'someone@mx.test.example')->{code}, 250, 'local mail, too');
	ok($pi->wait_log(qr/to=<someone\@mx\.test\.example>.*dsn=4\.3\.5, status=deferred \(mail transport unavailable/),
	    'and waits, with the reason');
	my ($e) = @{ $pi->queue };
	($status, $out) = $pi->cmd('mailq');
	like($out, qr/mail transport unavailable/, 'which mailq has');
	is(scalar($pi->component('local')), 0, 'there is no such process');
	my $file = $pi->etc . '/master.cf';
	spew($file, slurp($file), "local unix - n n - - local\n");
	$pi->reload;
	$pi->cmd('postqueue', '-f');
	ok($pi->wait_log(qr/to=<someone\@mx\.test\.example>, relay=local, .*5\.1\.1/),
	    'with the line it goes its way');
	is($pi->stop, 0, 'stopped');
}

# --- ADM-23: alias files of several admins ------------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0, services => 0, main => {
		alias_maps => 'hash:all', alias_database => 'hash:all' });
	my $dir = $pi->dir;
	my $all = $pi->etc . '/all';
	my $bin = build_dir() . '/bin';
	my $job = "$dir/cron.sh";
	my $sh = sub {
		return run('sh', $job, { env => { MAIL_CONFIG => $pi->etc } });
	};

	mkdir "$dir/from";
	spew("$dir/from/$_", "$_: $_-1, $_-2\n") for qw(one two three);
	spew($job, <<"END");
set -e
for f in one two three; do
	cp $dir/from/\$f $dir/\$f.new
	$bin/postalias -o hash:$dir/\$f.new
done
cat $dir/one.new $dir/two.new $dir/three.new >$all.new
$bin/postalias hash:$all.new
mv $all.new $all
$bin/postalias hash:$all
echo installed
END
	my ($status, $out, $err) = $sh->();
	is($status, 0, 'three files are put together') or diag $err;
	like($out, qr/^installed$/m, 'to the end');
	is(($pi->cmd('postalias', '-q', $_, "hash:$all"))[1], "$_-1, $_-2\n",
	    "$_ is there") for qw(one two three);
	spew("$dir/from/two", "two: changed\nno colon here\n");
	($status, $out, $err) = $sh->();
	isnt($status, 0, 'a mistake in one stops the script');
	unlike($out, qr/installed/, 'before anything is installed');
	like($err, qr/two\.new, line 2/, 'says where');
	is(($pi->cmd('postalias', '-q', 'two', "hash:$all"))[1], "two-1, two-2\n",
	    'what was there is there');
	unlink "$dir/from/two";
	isnt(($sh->())[0], 0, 'a file that is missing stops it');
	spew("$dir/from/two", "two: again\n");
	is(($sh->())[0], 0, 'mended');
	is(($pi->cmd('postalias', '-q', 'two', "hash:$all"))[1], "again\n", 'and new');
	is(($pi->cmd('postalias', '-q', 'four', "hash:$all"))[0], 1,
	    'a name that is not there: exit status');
}

# --- ADM-34, REC-04: pickup, without being asked ------------------------------

{
	my $pi = without(qr/^pickup\s+unix/,
	    master => ['pickup fifo n n y 2 1 pickup']);
	my $name = 'aaaaaaaaaaaaaaaaaaaa';
	my $drop = $pi->spool . '/maildrop';

	# What sendmail leaves while nobody is there, kept aside.
	$pi->start;
	$pi->stop;
	is(scalar $pi->cmd('sendmail', 'user@test.example',
	    { input => "Subject: left\n\nx\n" }), 0, 'posted');
	my ($file) = glob "$drop/*";
	rename $file, $pi->dir . '/kept';
	$pi->start;
	my $drops = sub {
		my ($text, $as) = @_;

		spew("$drop/.$as", $text);
		chmod 0744, "$drop/.$as";
		rename "$drop/.$as", "$drop/$as";
	};
	my $whole = slurp($pi->dir . '/kept');
	sleep 0.5;
	my $then = time;
	$drops->($whole, $name);
	ok(wait_until(sub { with_subject($pi, 'user', 'left') }, 10),
	    'a file that nobody was told of is found');
	cmp_ok(time - $then, '<', 4, 'within the wake-up time');
	ok(!-e "$drop/$name", 'and is removed');
	my @pickups = $pi->component('pickup');
	is(scalar @pickups, 1, 'pickup is one process');
	# Structure is checked again, whoever wrote it.
	my $n = 0;
	for my $bad (['cut', substr $whole, 0, -9], ['longer', $whole . 'x'],
	    ['changed', $whole =~ s/Subject: left/Subject: lost/r],
	    ['empty', ''], ['text', "To: user\@test.example\n\nhi\n"]) {
		$drops->($bad->[1], "bad$bad->[0]");
		ok($pi->wait_log(qr/warning: maildrop\/bad$bad->[0]: .*not accepted/, 10),
		    "$bad->[0]: logged");
	}
	is(scalar(() = with_subject($pi, 'user', '(?:left|lost)')), 1,
	    'none of it is delivered');
	# Never: then only those who tell are heard.
	my $master = $pi->etc . '/master.cf';
	spew($master, slurp($master) =~ s/^pickup .*/pickup unix n - - 0 1 pickup/mr);
	$pi->reload;
	sleep 1;
	$drops->($whole, $name);
	sleep 3;
	ok(-e "$drop/$name", 'with 0 nobody looks');
	$pi->cmd('postkick', 'public', 'pickup', 'W');
	ok(wait_until(sub { !-e "$drop/$name" }, 10), 'until told');
	is($pi->stop, 0, 'stopped');
}

# --- ADM-32: 1000? ------------------------------------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0,
	    master => ['bounce unix - - y 1? 0 bounce',
	    'flush unix n - - 1000? 0 flush'],
	    main => { smtpd_reject_unlisted_recipient => 'no' });

	is(scalar $pi->mailctl('check'), 0, '1000? is understood');
	is(($pi->cmd('postconf', '-F', 'flush/unix/wakeup'))[1],
	    "flush/unix/wakeup = 1000?\n", 'postconf has it');
	$pi->start;
	sleep 3;
	is(scalar($pi->component('bounce')), 0, 'nothing wakes what was not used');
	$pi->send(from => 'user@test.example', to => 'gone@test.example');
	is(scalar $pi->wait_mail('user'), 1, 'it comes when there is use for it');
	is($pi->stop, 0, 'stopped');
}

# --- ADM-38: the resolver is killed under load --------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0, main => {
		smtpd_client_connection_count_limit => 0,
		smtpd_error_sleep_time => '0s', queue_run_delay => '1s',
		minimal_backoff_time => '1s', maximal_backoff_time => '1s',
	    });
	my ($clients, $each) = (4, 15);
	my @pids;

	$pi->start;
	for my $c (1 .. $clients) {
		my $pid = fork // die "fork: $!";

		push @pids, $pid if $pid;
		next if $pid;
		my $left = 0;
		for my $i (1 .. $each) {
			my $ok = 0;
			for (1 .. 50) {
				my $r = eval { $pi->send(to => 'user@test.example',
				    data => "Subject: m$c.$i\n\nx\n") };

				$ok = defined $r && $r->{code} == 250;
				last if $ok || (defined $r && $r->{code} >= 500);
				sleep 0.1;
			}
			$left++ if !$ok;
		}
		POSIX::_exit($left);
	}
	my ($kills, %old) = (0);
	my $end = time + 60;
	my $refused = 0;
	while (@pids && time < $end) {
		my ($pid) = grep { !$old{$_} } $pi->component('rewrite');

		if (defined $pid && $kills < 5) {
			sleep 0.1;
			$kills += kill 'KILL', $pid;
			$old{$pid} = 1;
		}
		my $done = waitpid -1, POSIX::WNOHANG();
		if ($done > 0) {
			$refused += $? >> 8 || ($? ? 1 : 0);
			@pids = grep { $_ != $done } @pids;
		}
		sleep 0.05;
	}
	is(scalar @pids, 0, 'the clients came to their end');
	cmp_ok($kills, '>=', 2, "rewrite was killed ($kills times)");
	is($refused, 0, 'every message was taken, at once or when tried again');
	ok($pi->wait_empty(30), 'all are delivered');
	my %got = map { /^Subject: (\S+)$/m ? ($1 => 1) : () } $pi->mail('user');
	is(scalar keys %got, $clients * $each, 'none is missing');
	is($pi->stop, 0, 'stopped');
}

# --- ADM-39: many notices at once ---------------------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0, main => {
		smtpd_reject_unlisted_recipient => 'no' });
	my $many = 300;

	$pi->start;
	for my $part (0 .. 2) {
		my $c = $pi->smtp;

		$c->ehlo;
		for my $i (1 .. $many / 3) {
			my $n = $part * $many / 3 + $i;
			my $r = $c->message(from => 'user@test.example',
			    to => "r$n\@test.example");

			die "not taken: $r->{text}\n" if $r->{code} != 250;
		}
		$c->quit;
	}
	my @mail = $pi->wait_mail('user', $many, 60);
	my %of = map { /^Final-Recipient: rfc822; r(\d+)\@test\.example$/m ? ($1 => 1) : () } @mail;
	is(scalar @mail, $many, "$many notices");
	is(scalar keys %of, $many, 'one for each message');
	ok($pi->wait_empty, 'nothing is left');
	# Lines are written in batches, perhaps a moment after the queue is empty.
	my $notices = sub { scalar(() = $pi->grep_log(qr/: sender non-delivery notification: /)) };
	wait_until(sub { $notices->() >= $many }, 10);
	is($notices->(), $many, 'each is in the log') or do {
		my %told = map { /: (\w+): sender non-delivery/ ? ($1 => 1) : () }
		    $pi->log;
		my ($id) = grep { !$told{$_} }
		    map { /: (\w+): removed/ ? $1 : () } $pi->log;

		diag join "\n", $pi->grep_log(qr/suppressed|dropped|rate|warning|security/),
		    $pi->grep_log($id // 'nothing');
	};
	is($pi->stop, 0, 'stopped');
}

# --- ADM-38, SEC-24: who is killed leaves no hole in the log -------------------------------

# Whoever is killed has told of no mail what is not in the log: what became of
# a message is there when the queue says that it is gone.
for my $who (qw(virtual bounce)) {
	my $pi = Postern::Instance->new(ipv6 => 0, main => {
		smtpd_reject_unlisted_recipient => 'no', queue_run_delay => '1s',
		minimal_backoff_time => '1s', maximal_backoff_time => '1s' });
	my ($kills, %old) = (0);

	$pi->start;
	my $c = $pi->smtp;
	$c->ehlo;
	for my $n (1 .. 400) {
		my $r = $c->message(from => 'user@test.example',
		    to => $n % 2 ? "r$n\@test.example" : 'other@test.example');

		die "not taken: $r->{text}\n" if $r->{code} != 250;
		next if $n % 50;
		my ($pid) = grep { !$old{$_} } $pi->component($who);
		next if !defined $pid;
		$kills += kill 'KILL', $pid;
		$old{$pid} = 1;
	}
	$c->quit;
	cmp_ok($kills, '>=', 2, "$who was killed ($kills times)");
	ok($pi->wait_empty(60), 'all have come to their end');
	my (@gone, %fate, %bounced, %told);
	my $holes = sub {
		@gone = %fate = %bounced = %told = ();
		for ($pi->log) {
			push @gone, $1 if /: (\w+): removed$/;
			$fate{$1} = 1 if /: (\w+): to=<.*, status=/;
			$bounced{$1} = 1 if /: (\w+): to=<r\d+\@.*status=bounced/;
			$told{$1} = 1 if /: (\w+): sender non-delivery notification: /;
		}
		return grep { !$fate{$_} || ($bounced{$_} && !$told{$_}) } @gone;
	};
	ok(wait_until(sub { $holes->(); @gone >= 600 }, 10),
	    'messages and notices are gone');
	my @holes = $holes->();
	is("@holes", '', 'and the log has the fate and the notice of each');
	is($pi->stop, 0, 'stopped');
}

# --- QUE-06: queue files that somebody wrote to ---------------------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0, main => {
		transport_maps => 'inline:{down.example=smtp:[127.0.0.1]:1}',
		queue_run_delay => '600s', minimal_backoff_time => '600s',
		maximal_backoff_time => '600s' });
	my $spool = $pi->spool;
	my %id;

	$pi->start;
	for my $what (qw(content envelope touched)) {
		$id{$what} = $pi->send(to => "$what\@down.example",
		    data => "Subject: x\n\nsome content\n")->{id};
	}
	my $file = sub {
		my ($found) = grep { -f } glob "$spool/$_[1]/$_[0] $spool/$_[1]/*/$_[0]";
		return $found;
	};
	ok(wait_until(sub { !grep { !$file->($_, 'deferred') } values %id }, 20),
	    'three wait in files');
	my %flip = (content => 'some', envelope => 'down.example');
	for my $what (sort keys %flip) {
		my $name = $file->($id{$what}, 'deferred');
		my $text = slurp($name);
		my $at = index $text, $flip{$what};

		cmp_ok($at, '>', 0, "$what: the byte to be flipped");
		open my $fh, '+<', $name or die "$name: $!";
		sysseek $fh, $at, 0;
		syswrite $fh, chr(ord(substr $text, $at, 1) ^ 1), 1;
		close $fh;
	}
	utime undef, undef, $file->($id{touched}, 'deferred');
	is(scalar $pi->cmd('postqueue', '-f'), 0, 'a flush');
	for my $what (sort keys %flip) {
		ok($pi->wait_log(qr/warning: $id{$what}: queue file has (?:a )?damaged $what: moved to corrupt/),
		    "damaged $what: logged");
		ok($file->($id{$what}, 'corrupt'), 'and moved');
	}
	ok($pi->wait_log(qr/$id{touched}: to=.*status=deferred/, 10, 2),
	    'one whose time was changed is tried with the others');
	is(scalar $pi->component('qmgr'), 1, 'the queue manager goes on');
	is($pi->stop, 0, 'stopped');
}

# --- ADM-46: mailboxes stay in their base ---------------------------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0, main => {
		queue_run_delay => '300s' });
	my $dir = $pi->dir;
	my $base = "$dir/mail";

	mkdir "$dir/outside", 0777;
	chmod 0777, "$dir/outside";
	mkdir "$base/deep";
	symlink "$dir/outside", "$base/link";
	symlink '../outside/box', "$base/linked-box";
	$pi->file('vmailbox', map { "$_->[0]\@test.example $_->[1]\n" }
	    ['up', '../outside/'], ['upfile', '../outside/box'],
	    ['downup', 'deep/../../outside/'], ['abs', "$dir/outside/"],
	    ['linkdir', 'link/'], ['inlink', 'link/box'],
	    ['linkfile', 'linked-box'], ['user', 'user/']);
	chown $pi->{uid}, $pi->{gid}, "$base/deep" if $> == 0;
	$pi->start;
	for my $who (qw(up upfile downup linkdir inlink linkfile)) {
		$pi->send(to => "$who\@test.example");
		ok($pi->wait_log(qr/to=<$who\@test\.example>.*status=(?:deferred|bounced)/),
		    "$who: not delivered");
	}
	$pi->send(to => 'abs@test.example');
	ok($pi->wait_log(qr/to=<abs\@test\.example>.*status=/),
	    'a path that begins with / is below the base, too');
	$pi->send(to => 'user@test.example');
	is(scalar $pi->wait_mail('user'), 1, 'others are delivered');
	my @outside = glob "$dir/outside/*";
	is("@outside", '', 'nothing was written elsewhere');
	is($pi->stop, 0, 'stopped');
}

# --- TAB-13: several tables, and one that fails -------------------------------

{
	my $pi = Postern::Instance->new(ipv6 => 0, main => {
		virtual_alias_domains => 'v.example',
		virtual_alias_maps =>
		    'texthash:first texthash:second fail:broken texthash:last' });

	$pi->file('first', "both\@v.example user\@test.example\n",
	    # Where it ends is looked up, too.
	    map { "$_\@test.example $_\@test.example\n" } qw(user other));
	$pi->file('second', "both\@v.example other\@test.example\n",
	    "two\@v.example other\@test.example\n");
	$pi->file('last', "three\@v.example user\@test.example\n");
	$pi->start;
	my $c = $pi->smtp;
	$c->ehlo;
	is($c->message(to => 'both@v.example')->{code}, 250, 'in two tables');
	is(scalar $pi->wait_mail('user'), 1, 'the first counts');
	is($c->message(to => 'two@v.example')->{code}, 250, 'in the second');
	is(scalar $pi->wait_mail('other'), 1, 'found there');
	my $r = $c->message(to => 'three@v.example');
	is($r->{code}, 451, 'behind one that fails: a temporary failure');
	unlike($r->{text}, qr/unknown/i, 'and not "unknown"');
	$r = $c->message(to => 'nobody@v.example');
	is($r->{code}, 451, 'what would be nowhere: the same');
	ok($pi->wait_log(qr/warning: .*fail:broken/), 'it is in the log');
	$c->quit;
	is($pi->stop, 0, 'stopped');
}

done_testing;
