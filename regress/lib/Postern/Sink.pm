# SPDX-License-Identifier: ISC
#
# Postern::Sink - an SMTP or LMTP server that a test can script.  It runs as
# a process of its own, with one loop for all sessions; the test steers it
# over a socket pair.
#
#	my $sink = Postern::Sink->start(lmtp => 0, listen => ['127.0.0.1:0']);
#	$sink->port;                            # of the first listener
#	$sink->rule(rcpt => '450 4.2.0 later', match => 'slow@', times => 2);
#	$sink->clear;                           # forget all rules
#	$sink->stats->{connections};
#	my @m = $sink->wait(3, 10);             # three messages within 10 s
#
# A rule says what happens at a stage: connect, ehlo, helo, mail, rcpt,
# data, eod (after the final dot; with LMTP for each recipient), rset, quit,
# other.  The action is a reply of the server's, or
#	ok              the usual reply
#	close           hang up, orderly
#	reset           hang up with a reset
#	hang            say nothing, ever
#	garbage         a line that is no reply
#	split           the usual reply, byte by byte
#	delay S[, ACTION]   wait S seconds, then ACTION (default ok)
# `match` is a pattern on the argument (with eod: on the recipient with LMTP,
# else on the content); `times` how often the rule is good for; `server` the
# address of the listener it is about.  The last rule given is asked first.
#
# A message is { from, to => [..], data (as received, dots undone, CRLF),
# helo, client, server (the address it came to), session, seq, mail_args }.
#
# Postern::Sink->real(...) runs Postfix's smtp-sink instead.
package Postern::Sink;

use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(_exit);
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC SOL_SOCKET SO_LINGER SOMAXCONN
    IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use Postern::Peers ();
use Postern::Util qw(:all);

my $json = JSON::PP->new->latin1->canonical;

# --- the test's side --------------------------------------------------------

sub start
{
	my ($class, %opt) = @_;
	my $self = bless { %opt }, $class;
	my (@listeners, @where);

	for my $where (@{ $opt{listen} // ['127.0.0.1:0'] }) {
		my ($s, $name) = listener($where);
		push @listeners, $s;
		push @where, $name;
	}
	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or
	    croak "socketpair: $!";
	my $pid = fork() // croak "fork: $!";
	if ($pid == 0) {
		close $ours;
		in_child();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		my $server = Postern::Sink::Server->new(
		    ctl => $theirs, listeners => \@listeners, %opt);
		eval { $server->loop; 1 } or warn "sink: $@";
		_exit(0);
	}
	guard_pid($pid);
	close $theirs;
	close $_ for @listeners;
	@$self{qw(pid ctl where in)} = ($pid, $ours, \@where, '');
	$self->rule(%$_) for @{ $opt{rules} // [] };
	return $self;
}

# listener('127.0.0.1:0' | '[::1]:25' | '/path'): socket and its name.
sub listener
{
	my ($where) = @_;

	if ($where =~ m{^/}) {
		unlink $where;
		my $s = IO::Socket::UNIX->new(Local => $where,
		    Listen => SOMAXCONN) or croak "sink: $where: $!";
		chmod 0777, $where;
		return ($s, $where);
	}
	my ($addr, $port) = $where =~ /^\[?(.*?)\]?:(\d+)$/ or
	    croak "sink: where is $where?";
	# Not port 0: the kernel would choose from the range of outgoing
	# connections.
	$port = free_port($addr) if $port == 0;
	my $s = IO::Socket::IP->new(LocalHost => $addr, LocalPort => $port,
	    Listen => SOMAXCONN, ReuseAddr => 1, V6Only => 1,
	    Type => IO::Socket::SOCK_STREAM()) or croak "sink: $where: $!";
	return ($s, [$addr, $port]);
}

sub pid { return $_[0]{pid}; }
sub address { return $_[0]{where}[$_[1] // 0][0]; }
sub port { return $_[0]{where}[$_[1] // 0][1]; }

# [address]:port, as a next hop is written.
sub nexthop
{
	my ($self, $n) = @_;

	return '[' . $self->address($n) . ']:' . $self->port($n);
}

sub ask
{
	my ($self, %q) = @_;
	my $line = $json->encode(\%q) . "\n";
	my $end = time() + 30;

	syswrite($self->{ctl}, $line) == length $line or
	    croak "sink: control: $!";
	while ($self->{in} !~ /\n/) {
		IO::Select->new($self->{ctl})->can_read($end - time()) or
		    croak 'sink: no answer';
		sysread($self->{ctl}, $self->{in}, 1 << 20,
		    length $self->{in}) or croak 'sink: is gone';
	}
	$self->{in} =~ s/^([^\n]*)\n//;
	return $json->decode($1);
}

sub rule
{
	my ($self, $stage, $action, %opt) = @_;

	$self->ask(do => 'rule',
	    rule => { stage => $stage, action => $action, %opt });
	return $self;
}

sub clear { $_[0]->ask(do => 'clear'); return $_[0]; }

# { connections, open, most_open, messages, commands => { VERB => n } }
sub stats { return $_[0]->ask(do => 'stats'); }

# All messages so far; forget_messages() starts again.
sub messages
{
	my ($self) = @_;
	my @all;

	while (1) {
		my $part = $self->ask(do => 'messages', from => scalar @all);
		push @all, @$part;
		return @all unless @$part;
	}
}

sub forget_messages { $_[0]->ask(do => 'forget'); }

# Until COUNT messages are there; returns those there are.
sub wait
{
	my ($self, $count, $seconds) = @_;

	wait_until(sub { $self->stats->{messages} >= $count }, $seconds // 10);
	return $self->messages;
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill_and_wait([$self->{pid}]);
	forget($self->{pid});
	delete $self->{pid};
}

sub DESTROY
{
	local ($?, $!, $@);
	# The guardian ends the process too, but not before the test does.
	$_[0]->stop if $_[0]{pid} && $_[0]{ctl} && !$Postern::Sink::child;
}

# Postfix's smtp-sink: real(options => [...], listen => 'addr:port' | 'unix:/path').
# dump => FOLDER keeps the messages as files.  Returns an object with
# port(), nexthop(), files(), stop().
sub real
{
	my ($class, %opt) = @_;
	my @cmd = Postern::Peers::command('smtp-sink');
	my $addr = $opt{address} // '127.0.0.1';
	my $port = $opt{port} // free_port($addr);
	my $host = $addr =~ /:/ ? "[$addr]" : $addr;
	my $self = bless { where => [[$addr, $port]], %opt }, 'Postern::Sink';

	croak 'smtp-sink: not found' unless @cmd;
	my @user = $> == 0 ? ('-u', $opt{user} // 'nobody') : ();
	if ($opt{dump}) {
		mkdir $opt{dump};
		chmod 0777, $opt{dump};
	}
	$self->{pid} = spawn(@cmd, @user, @{ $opt{options} // [] },
	    $opt{dump} ? ('-d', 'msg.%H%M%S.') : (), "$host:$port",
	    $opt{backlog} // 256,
	    { env => Postern::Peers::environment(), stderr => $opt{log},
	      dir => $opt{dump} // '/' });
	wait_until(sub {
		IO::Socket::IP->new(PeerHost => $addr, PeerPort => $port,
		    Type => IO::Socket::SOCK_STREAM());
	}, 5) or croak "smtp-sink does not answer on $host:$port";
	return $self;
}

sub files
{
	my ($self) = @_;

	my @files = sort glob "$self->{dump}/msg.*";
	return @files;
}

# --- the server's side ------------------------------------------------------

package Postern::Sink::Server;

use strict;
use warnings;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

sub new
{
	my ($class, %opt) = @_;

	$Postern::Sink::child = 1;
	return bless { ctl_in => '', rules => [], messages => [], sessions => {},
	    stats => { connections => 0, open => 0, most_open => 0,
		messages => 0, commands => {} },
	    host => 'sink.example',
	    extensions => [qw(PIPELINING 8BITMIME ENHANCEDSTATUSCODES),
		'SIZE 50000000'], %opt }, $class;
}

sub loop
{
	my ($self) = @_;
	my $listen = IO::Select->new(@{ $self->{listeners} });

	$SIG{PIPE} = 'IGNORE';
	$self->{select} = IO::Select->new($self->{ctl},
	    @{ $self->{listeners} });
	while (1) {
		for my $fh ($self->{select}->can_read($self->next_timer)) {
			if ($fh == $self->{ctl}) {
				$self->control or return;
			} elsif ($listen->exists($fh)) {
				$self->accept_one($fh);
			} elsif ($self->{sessions}{ fileno $fh }) {
				$self->readable($self->{sessions}{ fileno $fh });
			}
		}
		$self->timers;
	}
}

sub next_timer
{
	my ($self) = @_;
	my $next = 3600;

	for my $s (values %{ $self->{sessions} }) {
		next unless defined $s->{wake};
		my $left = $s->{wake} - time();
		$next = $left if $left < $next;
	}
	return $next < 0 ? 0 : $next;
}

sub timers
{
	my ($self) = @_;
	my $now = time();

	for my $s (values %{ $self->{sessions} }) {
		next if !defined $s->{wake} || $s->{wake} > $now;
		delete $s->{wake};
		$s->{waiting} = 0;
		(delete $s->{then})->();
		$self->run_session($s) unless $s->{gone};
	}
}

sub control
{
	my ($self) = @_;

	sysread($self->{ctl}, $self->{ctl_in}, 65536,
	    length $self->{ctl_in}) or return 0;
	while ($self->{ctl_in} =~ s/^([^\n]*)\n//) {
		my $q = $json->decode($1);
		my $a = { ok => 1 };
		if ($q->{do} eq 'rule') {
			unshift @{ $self->{rules} }, $q->{rule};
		} elsif ($q->{do} eq 'clear') {
			$self->{rules} = [];
		} elsif ($q->{do} eq 'stats') {
			$a = $self->{stats};
		} elsif ($q->{do} eq 'forget') {
			$self->{messages} = [];
			$self->{stats}{messages} = 0;
		} elsif ($q->{do} eq 'messages') {
			$a = $self->some_messages($q->{from});
		}
		my $out = $json->encode($a) . "\n";
		my $done = 0;
		while ($done < length $out) {
			my $n = syswrite $self->{ctl}, $out,
			    length($out) - $done, $done;
			return 0 unless $n;
			$done += $n;
		}
	}
	return 1;
}

# A few megabytes at a time.
sub some_messages
{
	my ($self, $from) = @_;
	my $all = $self->{messages};
	my $size = 0;
	my @part;

	for (my $i = $from; $i < @$all && $size < 4e6; $i++) {
		push @part, $all->[$i];
		$size += length $all->[$i]{data};
	}
	return \@part;
}

sub accept_one
{
	my ($self, $listener) = @_;
	my $sock = $listener->accept or return;
	my $stats = $self->{stats};

	binmode $sock;
	setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1
	    if $sock->isa('IO::Socket::IP');
	my $inet = $sock->isa('IO::Socket::IP');
	my $s = { sock => $sock, in => '', seq => ++$stats->{connections},
	    client => $inet ? $sock->peerhost : 'unix',
	    server => $inet ? $sock->sockhost : 'unix',
	    mode => 'command', helo => '', sent => 0 };
	$stats->{open}++;
	$stats->{most_open} = $stats->{open}
	    if $stats->{open} > $stats->{most_open};
	$self->{sessions}{ fileno $sock } = $s;
	$self->{select}->add($sock);
	$self->answer($s, 'connect', $s->{client},
	    "220 $self->{host} ESMTP sink");
}

sub drop
{
	my ($self, $s, $reset) = @_;

	return if $s->{gone};
	$s->{gone} = 1;
	setsockopt $s->{sock}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
	    if $reset;
	$self->{select}->remove($s->{sock});
	delete $self->{sessions}{ fileno $s->{sock} };
	close $s->{sock};
	$self->{stats}{open}--;
}

sub readable
{
	my ($self, $s) = @_;
	my $n = sysread $s->{sock}, $s->{in}, 65536, length $s->{in};

	return $self->drop($s) unless $n;
	$self->run_session($s);
}

# Handle what has arrived, unless an answer is being delayed.
sub run_session
{
	my ($self, $s) = @_;

	while (!$s->{gone} && !$s->{waiting}) {
		if ($s->{mode} eq 'data') {
			last unless $self->take_data($s);
			next;
		}
		last unless $s->{in} =~ s/^([^\n]*?)\r?\n//;
		$self->command($s, $1);
	}
}

sub take_data
{
	my ($self, $s) = @_;
	my $end;

	# The end of data is CRLF.CRLF; the first line may be it already.
	if ($s->{in} =~ /^\.\r\n/) {
		$end = 0;
		$s->{msg}{data} = '';
		substr $s->{in}, 0, 3, '';
	} else {
		my $from = $s->{seen} > 4 ? $s->{seen} - 4 : 0;
		$end = index $s->{in}, "\r\n.\r\n", $from;
		$s->{seen} = length $s->{in};
		return 0 if $end < 0;
		my $data = substr $s->{in}, 0, $end + 2, '';
		substr $s->{in}, 0, 3, '';
		$data =~ s/^\.//mg;
		$s->{msg}{data} = $data;
	}
	$s->{mode} = 'command';
	$self->end_of_data($s);
	return 1;
}

sub end_of_data
{
	my ($self, $s) = @_;
	my $m = delete $s->{msg};
	my @to = @{ $m->{to} };
	my $lmtp = $self->{lmtp};

	# With LMTP a reply for each recipient; the message counts for those
	# that were told 250.
	my @asked = $lmtp ? @to : ('');
	my (@accepted, $step);
	$step = sub {
		return if $s->{gone};
		my $rcpt = shift @asked;
		if (!defined $rcpt) {
			$m->{to} = \@accepted if $lmtp;
			$self->keep($s, $m) if @accepted;
			return;
		}
		$self->answer($s, 'eod', $lmtp ? $rcpt : $m->{data},
		    "250 2.0.0 kept " . ($self->{stats}{messages} + 1),
		    sub {
			my ($code) = @_;
			push @accepted, $rcpt if $code =~ /^2/;
			$step->();
		    });
	};
	$step->();
}

sub keep
{
	my ($self, $s, $m) = @_;

	$m->{helo} = $s->{helo};
	$m->{client} = $s->{client};
	$m->{server} = $s->{server};
	$m->{session} = $s->{seq};
	$m->{seq} = ++$self->{stats}{messages};
	$m->{time} = time();
	$m->{data} = '' if $self->{no_data};
	push @{ $self->{messages} }, $m;
}

sub command
{
	my ($self, $s, $line) = @_;
	my ($verb, $arg) = split ' ', $line, 2;

	$verb = uc($verb // '');
	$arg //= '';
	$self->{stats}{commands}{$verb}++;
	if ($verb eq 'EHLO' || $verb eq 'LHLO') {
		my @l = ($self->{host}, @{ $self->{extensions} });
		$s->{helo} = $arg;
		$self->answer($s, 'ehlo', $arg, join "\r\n",
		    map { '250' . ($_ == $#l ? ' ' : '-') . $l[$_] } 0 .. $#l);
	} elsif ($verb eq 'HELO') {
		$s->{helo} = $arg;
		$self->answer($s, 'helo', $arg, "250 $self->{host}");
	} elsif ($verb eq 'MAIL') {
		my ($from, $args) = $arg =~ /^FROM:\s*<(.*?)>\s*(.*)$/i;
		$self->answer($s, 'mail', $from // $arg,
		    defined $from ? '250 2.1.0 Ok' : '501 5.1.7 syntax',
		    sub {
			$s->{msg} = { from => $from, to => [],
			    mail_args => $args } if $_[0] =~ /^2/;
		    });
	} elsif ($verb eq 'RCPT') {
		my ($to) = $arg =~ /^TO:\s*<(.*?)>/i;
		$self->answer($s, 'rcpt', $to // $arg, !$s->{msg} ?
		    '503 5.5.1 MAIL first' : defined $to ? '250 2.1.5 Ok' :
		    '501 5.1.3 syntax',
		    sub { push @{ $s->{msg}{to} }, $to if $_[0] =~ /^2/; });
	} elsif ($verb eq 'DATA') {
		my $n = $s->{msg} ? @{ $s->{msg}{to} } : 0;
		$self->answer($s, 'data', '', $n ? '354 go on' :
		    '503 5.5.1 RCPT first', sub {
			return unless $_[0] =~ /^3/;
			$s->{mode} = 'data';
			$s->{seen} = 0;
		    });
	} elsif ($verb eq 'RSET') {
		delete $s->{msg};
		$self->answer($s, 'rset', '', '250 2.0.0 Ok');
	} elsif ($verb eq 'NOOP') {
		$self->answer($s, 'noop', '', '250 2.0.0 Ok');
	} elsif ($verb eq 'QUIT') {
		$self->answer($s, 'quit', '', '221 2.0.0 Bye',
		    sub { $self->drop($s); });
	} else {
		$self->answer($s, 'other', $line, '500 5.5.2 what?');
	}
}

# The action of the first rule that matches and is not used up.
sub action
{
	my ($self, $s, $stage, $arg) = @_;

	for my $r (@{ $self->{rules} }) {
		next if $r->{stage} ne $stage;
		next if defined $r->{server} && $s->{server} ne $r->{server};
		next if defined $r->{match} && $arg !~ /$r->{match}/;
		if (defined $r->{times}) {
			next if $r->{times} <= 0;
			$r->{times}--;
		}
		return $r->{action};
	}
	return 'ok';
}

# Answer at a stage: what a rule says, else USUAL; then call THEN with the
# reply that was given.
sub answer
{
	my ($self, $s, $stage, $arg, $usual, $then) = @_;

	$self->act($s, $self->action($s, $stage, $arg), $usual, $then // sub { });
}

sub act
{
	my ($self, $s, $action, $usual, $then) = @_;

	if ($action eq 'ok') {
		$self->say($s, "$usual\r\n");
		$then->($usual);
	} elsif ($action eq 'close' || $action eq 'reset') {
		$self->drop($s, $action eq 'reset');
	} elsif ($action eq 'hang') {
		$s->{waiting} = 1;
	} elsif ($action eq 'garbage') {
		$self->say($s, "\x00\xff this is no reply\r\n");
	} elsif ($action eq 'split') {
		$self->trickle($s, "$usual\r\n", sub { $then->($usual); });
	} elsif ($action =~ /^delay ([\d.]+)(?:, *(.*))?$/s) {
		my ($wait, $next) = ($1, $2 // 'ok');
		$self->later($s, $wait,
		    sub { $self->act($s, $next, $usual, $then); });
	} else {
		$self->say($s, "$action\r\n");
		$then->($action);
	}
}

sub later
{
	my ($self, $s, $wait, $then) = @_;

	$s->{waiting} = 1;
	$s->{wake} = time() + $wait;
	$s->{then} = $then;
}

sub trickle
{
	my ($self, $s, $text, $then) = @_;

	return if $s->{gone};
	return $then->() if $text eq '';
	$self->say($s, substr $text, 0, 1, '');
	$self->later($s, 0.005, sub { $self->trickle($s, $text, $then); });
}

sub say
{
	my ($self, $s, $text) = @_;
	my $done = 0;

	return if $s->{gone};
	while ($done < length $text) {
		my $n = syswrite $s->{sock}, $text, length($text) - $done, $done;
		return $self->drop($s) unless $n;
		$done += $n;
	}
}

1;
