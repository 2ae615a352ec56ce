# SPDX-License-Identifier: ISC
#
# Postern::DNS - a real name server (nsd) on a loopback port for one test,
# a resolver small enough to check it with, and servers that misbehave.
#
#	my $dns = Postern::DNS->start(zones => { 'example.' => [
#	    'a   IN A 127.0.0.1',
#	    '@   IN MX 10 a',
#	] });
#	$dns->server;                   # [127.0.0.1]:5301, for dns_servers
#	$dns->set('example.', [...]);   # other records, served on return
#	$dns->query('a.example', 'A');  # { rcode, answers => [[type, ttl, data]] }
#	(broken => ['bad.example'] is a zone that answers SERVFAIL)
#	Postern::DNS->bad('silent');    # also servfail, refused, garbage,
#	                                # truncated, nxdomain
package Postern::DNS;

use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::IP;
use POSIX qw(_exit);
use Socket qw(AF_INET6 inet_ntop inet_ntoa SOMAXCONN);
use Time::HiRes qw(time sleep);

use Postern::Peers ();
use Postern::Util qw(:all);

my %type = (A => 1, NS => 2, CNAME => 5, SOA => 6, PTR => 12, MX => 15,
    TXT => 16, AAAA => 28, TLSA => 52, ANY => 255);
my %type_name = reverse %type;
my @rcode = qw(NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED);

sub available { return scalar Postern::Peers::command('nsd'); }

sub start
{
	my ($class, %opt) = @_;
	my $addr = $opt{address} // '127.0.0.1';
	my $self = bless { address => $addr, serial => 1, zones => {},
	    dir => temp_dir('dns'),
	    port => $opt{port} // free_port($addr) }, $class;

	$self->{zones}{ name($_) } = $opt{zones}{$_}
	    for keys %{ $opt{zones} // {} };
	# Zones that are ours but cannot be read: SERVFAIL.
	$self->{broken} = [map { name($_) } @{ $opt{broken} // [] }];
	croak 'Postern::DNS: no zones' unless %{ $self->{zones} };
	$self->write_zone($_) for keys %{ $self->{zones} };
	$self->write_conf;
	$self->boot;
	return $self;
}

# A name with its final dot.
sub name { return $_[0] =~ /\.$/ ? lc $_[0] : lc "$_[0]."; }

sub zone_file
{
	my ($self, $zone) = @_;

	return "$self->{dir}/" . ($zone eq '.' ? 'root' : $zone) . 'zone';
}

# TTL 1: a test that changes a record does not want to wait.
sub write_zone
{
	my ($self, $zone) = @_;
	my $ttl = $self->{ttl} // 1;

	spew($self->zone_file($zone) . '.new', "\$ORIGIN $zone\n\$TTL $ttl\n",
	    "\@ IN SOA ns.test. hostmaster.test. $self->{serial} 60 60 60 1\n",
	    "\@ IN NS ns.test.\n",
	    map { "$_\n" } @{ $self->{zones}{$zone} });
	rename $self->zone_file($zone) . '.new', $self->zone_file($zone) or
	    croak "rename: $!";
}

sub write_conf
{
	my ($self) = @_;
	my $dir = $self->{dir};

	spew("$dir/nsd.conf", <<"END", map { <<"ZONE" }
server:
	ip-address: $self->{address}\@$self->{port}
	server-count: 1
	username: ""
	chroot: ""
	zonesdir: "$dir"
	database: ""
	pidfile: "$dir/nsd.pid"
	xfrdfile: "$dir/xfrd.state"
	zonelistfile: "$dir/zone.list"
	xfrdir: "$dir"
	logfile: "$dir/nsd.log"
	hide-version: yes
	rrl-ratelimit: 0
remote-control:
	control-enable: no
END
zone:
	name: "$_"
	zonefile: "@{[ $self->zone_file($_) ]}"
ZONE
	    sort(keys %{ $self->{zones} }), @{ $self->{broken} });
}

sub boot
{
	my ($self) = @_;
	my @nsd = Postern::Peers::command('nsd') or croak 'nsd: not found';

	$self->{pid} = spawn(@nsd, '-d', '-c', "$self->{dir}/nsd.conf",
	    { env => Postern::Peers::environment(),
	      stdout => "$self->{dir}/nsd.out" });
	$self->served or croak "nsd does not answer:\n" .
	    (slurp("$self->{dir}/nsd.log", 1) // '') .
	    (slurp("$self->{dir}/nsd.out", 1) // '');
}

# Every zone is served with the serial number we wrote last.
sub served
{
	my ($self) = @_;

	return wait_until(sub {
		for my $zone (keys %{ $self->{zones} }) {
			my $r = $self->query($zone, 'SOA', timeout => 0.5);
			my ($soa) = grep { $_->[0] eq 'SOA' }
			    @{ $r->{answers} };
			return 0 unless $soa;
			return 0 unless (split ' ', $soa->[2])[2] ==
			    $self->{serial};
		}
		return 1;
	}, 10);
}

# Replace the records of a zone (a new zone too), and wait till served.
sub set
{
	my ($self, $zone, $records) = @_;
	my $new = !$self->{zones}{ name($zone) };

	$self->{zones}{ name($zone) } = $records;
	$self->{serial}++;
	$self->write_zone($_) for keys %{ $self->{zones} };
	if ($new) {
		# Without a control socket nsd learns of a zone at start.
		$self->write_conf;
		$self->stop;
		$self->boot;
		return;
	}
	# nsd compares the file's time, in whole seconds on some systems:
	# make it differ.
	my $then = time() + $self->{serial};
	utime $then, $then, $self->zone_file($_) for keys %{ $self->{zones} };
	kill 'HUP', $self->{pid};
	$self->served or croak "nsd does not serve the new $zone:\n" .
	    slurp("$self->{dir}/nsd.log");
}

sub add
{
	my ($self, $zone, @records) = @_;

	$self->set($zone, [@{ $self->{zones}{ name($zone) } // [] }, @records]);
}

sub server { return "[$_[0]{address}]:$_[0]{port}"; }
sub address { return $_[0]{address}; }
sub port { return $_[0]{port}; }

# Suspend and go on: a name server that has stopped answering.
sub pause { kill 'STOP', $_[0]{pid}, descendants($_[0]{pid}); }
sub resume { kill 'CONT', $_[0]{pid}, descendants($_[0]{pid}); }

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill_and_wait([$self->{pid}, descendants($self->{pid})]);
	forget($self->{pid});
	delete $self->{pid};
}

# --- a small resolver -------------------------------------------------------

sub query
{
	my ($self, $name, $type, %opt) = @_;
	my $id = int rand 65536;
	my $sock = IO::Socket::IP->new(PeerHost => $self->{address},
	    PeerPort => $self->{port}, Proto => 'udp',
	    Type => IO::Socket::SOCK_DGRAM()) or croak "udp: $!";
	my $q = pack('n6', $id, 0x0100, 1, 0, 0, 0) . wire_name($name) .
	    pack 'nn', $type{$type} // $type, 1;

	send $sock, $q, 0;
	IO::Select->new($sock)->can_read($opt{timeout} // 2) or
	    return { rcode => 'timeout', answers => [] };
	defined recv $sock, my $packet, 65535, 0 or
	    return { rcode => "error: $!", answers => [] };
	return parse($packet);
}

sub wire_name
{
	my ($name) = @_;

	return join('', map { pack 'C/a*', $_ } grep { length }
	    split /\./, $name) . "\0";
}

sub parse
{
	my ($p) = @_;
	return { rcode => 'garbage', answers => [] } if length $p < 12;
	my ($id, $flags, $qd, $an) = unpack 'n4', $p;
	my $at = 12;
	my @answers;

	for (1 .. $qd) {
		(undef, $at) = read_name($p, $at);
		return { rcode => 'garbage', answers => [] } if !defined $at;
		$at += 4;
	}
	for (1 .. $an) {
		(my $owner, $at) = read_name($p, $at);
		return { rcode => 'garbage', answers => [] }
		    if !defined $at || $at + 10 > length $p;
		my ($type, undef, $ttl, $len) = unpack 'nnNn',
		    substr $p, $at, 10;
		$at += 10;
		push @answers, [$type_name{$type} // $type, $ttl,
		    rdata($p, $at, $len, $type_name{$type} // ''), $owner];
		$at += $len;
	}
	return { rcode => $rcode[$flags & 15] // ($flags & 15),
	    answers => \@answers, truncated => $flags & 0x0200 ? 1 : 0 };
}

sub read_name
{
	my ($p, $at) = @_;
	my (@labels, $end);

	for (1 .. 130) {
		return ('', undef) if $at >= length $p;
		my $n = ord substr $p, $at, 1;
		if ($n == 0) {
			$end //= $at + 1;
			last;
		}
		if ($n >= 0xc0) {
			$end //= $at + 2;
			$at = unpack('n', substr $p, $at, 2) & 0x3fff;
			next;
		}
		push @labels, substr $p, $at + 1, $n;
		$at += $n + 1;
	}
	return (join('.', @labels) . '.', $end);
}

sub rdata
{
	my ($p, $at, $len, $type) = @_;
	my $d = substr $p, $at, $len;

	return inet_ntoa($d) if $type eq 'A';
	return inet_ntop(AF_INET6, $d) if $type eq 'AAAA';
	return unpack('n', $d) . ' ' . (read_name($p, $at + 2))[0]
	    if $type eq 'MX';
	return (read_name($p, $at))[0] if $type =~ /^(?:NS|CNAME|PTR)$/;
	return join '', unpack '(C/a)*', $d if $type eq 'TXT';
	if ($type eq 'SOA') {
		(my $mname, $at) = read_name($p, $at);
		(my $rname, $at) = read_name($p, $at);
		return join ' ', $mname, $rname, unpack 'N5', substr $p, $at;
	}
	return unpack 'H*', $d;
}

# --- servers that misbehave -------------------------------------------------

# bad(KIND): an object with server(), address(), port(), queries(), stop().
sub bad
{
	my ($class, $kind, %opt) = @_;
	my $addr = $opt{address} // '127.0.0.1';
	my $port = free_port($addr);
	my $self = bless { address => $addr, port => $port,
	    count => temp_dir('dns') . '/count' }, $class;
	my @common = (LocalHost => $addr, LocalPort => $port, ReuseAddr => 1);
	my $udp = IO::Socket::IP->new(@common, Proto => 'udp',
	    Type => IO::Socket::SOCK_DGRAM()) or croak "udp: $!";
	my $tcp = IO::Socket::IP->new(@common, Listen => SOMAXCONN,
	    Type => IO::Socket::SOCK_STREAM()) or croak "tcp: $!";

	spew($self->{count}, '');
	my $pid = fork() // croak "fork: $!";
	if ($pid == 0) {
		in_child();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		bad_loop($self, $kind, $udp, $tcp);
		_exit(0);
	}
	guard_pid($pid);
	$self->{pid} = $pid;
	return $self;
}

sub bad_loop
{
	my ($self, $kind, $udp, $tcp) = @_;
	my $select = IO::Select->new($udp, $tcp);
	my @held;       # connections that hear nothing

	open my $count, '>>', $self->{count};
	while (my @ready = $select->can_read) {
		for my $fh (@ready) {
			if ($fh == $tcp) {
				push @held, $tcp->accept;
				next;
			}
			my $from = recv $udp, my $q, 65535, 0;
			next unless defined $from && length $q >= 12;
			syswrite $count, '.';
			my $answer = bad_answer($kind, $q);
			send $udp, $answer, 0, $from if defined $answer;
		}
	}
}

sub bad_answer
{
	my ($kind, $q) = @_;
	my $id = substr $q, 0, 2;
	my $question = substr $q, 12;

	# What follows the question (EDNS) is not repeated.
	my (undef, $end) = read_name($q, 12);
	$question = substr $q, 12, $end + 4 - 12;
	return undef if $kind eq 'silent';
	return $id . "\xff" x 40 if $kind eq 'garbage';
	my %flags = (servfail => 0x8182, refused => 0x8185, nxdomain => 0x8183,
	    truncated => 0x8380);
	my $flags = $flags{$kind} // croak "no such kind: $kind";
	return $id . pack('n5', $flags, 1, 0, 0, 0) . $question;
}

sub queries { return length slurp($_[0]{count}); }

1;
