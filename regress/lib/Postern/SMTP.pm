# SPDX-License-Identifier: ISC
#
# Postern::SMTP - an SMTP or LMTP client that sends exactly the bytes it is
# told to, and waits for replies with a deadline.
#
#	my $c = Postern::SMTP->new($addr, $port);       # connects, reads banner
#	$c->cmd('EHLO client.example')->{code};         # one command, its reply
#	$c->raw("MAIL FROM:<a\@b>\r\nRCPT TO:<c\@d>\r\n"); # exact bytes
#	$c->reply; $c->reply;
#	my $r = $c->message(from => .., to => [..], data => ..);
#
# A reply is { code, enhanced, lines => [texts], text, raw }.  When there is none
# it is { code => 0, text => 'eof' | 'timeout' | 'garbage: ...' }, so that a test
# can always print what it got.
package Postern::SMTP;

use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY SHUT_WR);
use Time::HiRes qw(time);

sub new
{
	my ($class, $addr, $port, %opt) = @_;
	my $self = bless { in => '', timeout => $opt{timeout} // 10 }, $class;

	if ($addr =~ m{^/}) {
		$self->{sock} = IO::Socket::UNIX->new(Peer => $addr);
	} else {
		$self->{sock} = IO::Socket::IP->new(PeerHost => $addr,
		    PeerPort => $port, Type => IO::Socket::SOCK_STREAM(),
		    Timeout => $self->{timeout},
		    $opt{local} ? (LocalHost => $opt{local}) : ());
	}
	return undef unless $self->{sock};
	binmode $self->{sock};
	setsockopt $self->{sock}, IPPROTO_TCP, TCP_NODELAY, 1
	    unless $addr =~ m{^/};
	$self->{banner} = $self->reply unless $opt{no_banner};
	return $self;
}

sub sock { return $_[0]{sock}; }
sub banner { return $_[0]{banner}; }

# Write all of it, or return the number of bytes that went out before the
# peer closed or the deadline passed.
sub raw
{
	my ($self, $bytes) = @_;
	my $done = 0;
	my $end = time() + $self->{timeout};
	my $select = IO::Select->new($self->{sock});

	local $SIG{PIPE} = 'IGNORE';
	$self->{sock}->blocking(0);
	while ($done < length $bytes) {
		my $left = $end - time();
		last if $left <= 0 || !$select->can_write($left);
		my $n = syswrite $self->{sock}, $bytes,
		    length($bytes) - $done, $done;
		if (!defined $n) {
			next if $!{EAGAIN} || $!{EINTR};
			last;
		}
		$done += $n;
	}
	$self->{sock}->blocking(1);
	return $done;
}

# A line and CRLF.
sub line { return $_[0]->raw("$_[1]\r\n"); }

# Read more; 'ok', 'eof' or 'timeout'.
sub fill
{
	my ($self, $end) = @_;
	my $left = $end - time();

	return 'timeout' if $left <= 0;
	return 'timeout' unless
	    IO::Select->new($self->{sock})->can_read($left);
	my $n = sysread $self->{sock}, $self->{in}, 65536, length $self->{in};
	return 'eof' if !defined $n || $n == 0;
	return 'ok';
}

sub no_reply
{
	my ($why, @lines) = @_;

	return { code => 0, enhanced => '', text => $why, raw => '',
	    lines => [@lines] };
}

sub reply
{
	my ($self, $timeout) = @_;
	my $end = time() + ($timeout // $self->{timeout});
	my (@lines, $code);
	my $raw = '';

	while (1) {
		while ($self->{in} =~ s/^([^\n]*)\n//) {
			my $line = $1;
			$raw .= "$line\n";
			$line =~ s/\r$// or
			    return no_reply("garbage: no CR: $line");
			$line =~ /^(\d\d\d)(?:([ -])(.*))?$/s or
			    return no_reply("garbage: $line");
			my ($c, $sep, $text) = ($1, $2 // ' ', $3 // '');
			return no_reply("garbage: $code then $c")
			    if defined $code && $code ne $c;
			$code = $c;
			push @lines, $text;
			return made($code, $raw, @lines) if $sep eq ' ';
		}
		my $got = $self->fill($end);
		return no_reply($got, @lines) if $got ne 'ok';
	}
}

sub made
{
	my ($code, $raw, @lines) = @_;
	my ($enhanced) = $lines[-1] =~ /^([245]\.\d{1,3}\.\d{1,3})(?: |$)/;

	return { code => $code + 0, enhanced => $enhanced // '',
	    lines => [@lines], text => join("\n", @lines), raw => $raw };
}

sub cmd
{
	my ($self, $line, $timeout) = @_;

	$self->line($line);
	return $self->reply($timeout);
}

# The peer says nothing for SECONDS.
sub quiet
{
	my ($self, $seconds) = @_;

	return 0 if length $self->{in};
	return !IO::Select->new($self->{sock})->can_read($seconds);
}

# The peer closes within SECONDS; what it still says is thrown away.
sub closed
{
	my ($self, $seconds) = @_;
	my $end = time() + ($seconds // $self->{timeout});

	while (1) {
		$self->{in} = '';
		my $got = $self->fill($end);
		return 1 if $got eq 'eof';
		return 0 if $got eq 'timeout';
	}
}

# EHLO (or LHLO), and the extensions as { NAME => arguments }.
sub ehlo
{
	my ($self, $name, $verb) = @_;
	my $r = $self->cmd(($verb // 'EHLO') . ' ' . ($name // 'client.example'));
	my %ext;

	for my $line (@{ $r->{lines} }[1 .. $#{ $r->{lines} }]) {
		my ($key, $arg) = split ' ', $line, 2;
		$ext{uc $key} = $arg // '' if defined $key;
	}
	$self->{ext} = \%ext;
	return $r;
}

sub ext { return $_[0]{ext}; }

# Text as it goes over the wire: CRLF line ends, dots doubled, end of data.
sub dotted
{
	my ($text) = @_;

	$text =~ s/\r?\n/\r\n/g;
	$text .= "\r\n" if length $text && $text !~ /\n\z/;
	$text =~ s/^\./../mg;
	return "$text.\r\n";
}

# message(from, to => [..], data, mail_args, rcpt_args): one transaction up to the last
# reply.  Returns that reply with {stage} mail, rcpt, data or eod, and
# {rcpts}, the replies to RCPT.  RSET follows when not all went well.
sub message
{
	my ($self, %m) = @_;
	my @to = ref $m{to} ? @{ $m{to} } : ($m{to});
	my $data = $m{data} // "Subject: test\n\nA test.\n";
	my ($r, @rcpts);

	$r = $self->cmd("MAIL FROM:<" . ($m{from} // 'sender@client.example') .
	    '>' . ($m{mail_args} ? " $m{mail_args}" : ''));
	return $self->undone($r, 'mail', \@rcpts) unless $r->{code} == 250;
	for my $to (@to) {
		push @rcpts, $self->cmd("RCPT TO:<$to>" .
		    ($m{rcpt_args} ? " $m{rcpt_args}" : ''));
	}
	my ($bad) = grep { $_->{code} != 250 } @rcpts;
	return $self->undone($bad, 'rcpt', \@rcpts)
	    if $bad && !grep { $_->{code} == 250 } @rcpts;
	$r = $self->cmd('DATA');
	return $self->undone($r, 'data', \@rcpts) unless $r->{code} == 354;
	$self->raw($m{exact} ? $data : dotted($data));
	$r = $self->reply($m{timeout});
	$r->{stage} = 'eod';
	$r->{rcpts} = \@rcpts;
	($r->{id}) = $r->{text} =~ /queued as (\S+)/;
	return $r;
}

sub undone
{
	my ($self, $r, $stage, $rcpts) = @_;
	my %copy = (%$r, stage => $stage, rcpts => $rcpts);

	$self->cmd('RSET') if $r->{code} && $r->{code} != 421;
	return \%copy;
}

sub quit
{
	my ($self) = @_;
	my $r = $self->cmd('QUIT');

	$self->close;
	return $r;
}

# Our half is done talking; the peer may still answer.
sub half_close { shutdown $_[0]{sock}, SHUT_WR; }

sub close
{
	my ($self) = @_;

	close $self->{sock} if $self->{sock};
	delete $self->{sock};
}

# Gone without a word: a reset instead of an orderly end.
sub reset
{
	my ($self) = @_;

	setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
	$self->close;
}

# send_mail($addr, $port, from, to, data, ...): a connection of its own.
sub send_mail
{
	my ($addr, $port, %m) = @_;
	my $c = Postern::SMTP->new($addr, $port, %m) or
	    return no_reply("connect: $!");

	return { %{ $c->banner }, stage => 'banner' }
	    if $c->banner->{code} != 220;
	my $r = $c->ehlo($m{helo});
	return { %$r, stage => 'ehlo' } if $r->{code} != 250;
	$r = $c->message(%m);
	$c->quit;
	return $r;
}

1;
