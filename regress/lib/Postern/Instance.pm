# SPDX-License-Identifier: ISC
#
# Postern::Instance - a mail system of a test's own: a folder with etc,
# spool, data, log and mail, on a loopback address and port of its own.  It
# is stopped, killed and removed at the end, however the test ends.
#
#	my $pi = Postern::Instance->new(
#	    main => { virtual_mailbox_domains => 'test.example' },
#	    master => ['smtp unix - - y - - smtp -o smtp_helo_timeout=3s'],
#	    ipv6 => 1,                  # 0: does not listen on ::1
#	    services => 1);             # 0: no SMTP listeners
#	$pi->start;                     # dies with the log when it fails
#	$pi->smtp->ehlo;                # a client, connected
#	$pi->send(to => 'user@test.example');   # one message, the last reply
#	$pi->wait_log(qr/status=sent/);
#	$pi->mail('user');              # delivered messages, as texts
#	$pi->queue;                     # queued messages, from mailctl
#	$pi->stop;
#
# Unless told otherwise, test.example is a virtual domain in which every
# address has a Maildir, test.example's neighbours are found nowhere (no
# DNS), and 127.0.0.0/8 and ::1 may relay.
package Postern::Instance;

use strict;
use warnings;
use Carp qw(croak);
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

use Postern::SMTP ();
use Postern::Util qw(:all);

# The walls an ordinary user cannot have are waived by name.
my $waive;

sub waive
{
	return $waive if defined $waive;
	my @w;

	push @w, 'uid' if $> != 0;
	if ($^O eq 'linux') {
		my @try = $> == 0 ? qw(unshare -m true) : qw(unshare -Ur true);
		push @w, qw(namespaces root bounds securebits) if run(@try) ne '0';
	}
	return $waive = join ' ', @w;
}

# Skip the test file when there is no server to test.
sub need
{
	skip_unless(-x build_dir() . '/bin/mailctl',
	    'build/bin/mailctl is not built');
}

sub new
{
	my ($class, %opt) = @_;
	my $self = bless { %opt, seen => 0 }, $class;

	$self->{dir} //= temp_dir($opt{name} // 'pi');
	$self->{token} = new_token();
	$self->{address} //= free_address();
	$self->{port} //= free_port($self->{address});
	$self->{port6} //= free_port('::1') if ($opt{ipv6} // 1) && have_ipv6();
	mkdir "$self->{dir}/$_", 0755 for qw(etc spool data log mail);
	# As root, mail belongs to somebody who is nobody else here.
	$self->{uid} //= $> == 0 ? 64000 + $$ % 1000 : $>;
	$self->{gid} //= $> == 0 ? $self->{uid} : (split ' ', $))[0];
	chown $self->{uid}, $self->{gid}, "$self->{dir}/mail" if $> == 0;
	$self->write_main;
	$self->write_master;
	return $self;
}

sub dir { return $_[0]{dir}; }
sub etc { return "$_[0]{dir}/etc"; }
sub spool { return "$_[0]{dir}/spool"; }
sub address { return $_[0]{address}; }
sub port { return $_[0]{port}; }
sub where { return "$_[0]{address}:$_[0]{port}"; }

# --- configuration ----------------------------------------------------------

sub default_main
{
	my ($self) = @_;
	my $dir = $self->{dir};
	my $owner = $> == 0 ? 'root' : (getpwuid $>)[0] // $>;

	return (
	    myhostname => 'mx.test.example',
	    mydestination => '',
	    queue_directory => "$dir/spool",
	    data_directory => "$dir/data",
	    maillog_file => "$dir/log/maillog",
	    maillog_file_prefixes => '/',
	    mail_owner => $owner,
	    mynetworks => '127.0.0.0/8 [::1]/128',
	    alias_maps => '',
	    alias_database => '',
	    virtual_mailbox_domains => 'test.example',
	    virtual_mailbox_base => "$dir/mail",
	    virtual_mailbox_maps => 'texthash:vmailbox',
	    virtual_uid_maps => "static:$self->{uid}",
	    virtual_gid_maps => "static:$self->{gid}",
	    virtual_minimum_uid => 1,
	    waive() ne '' ? (sandbox_waive => waive()) : ());
}

# main => { name => value } on top of the defaults; undef takes one out.
sub write_main
{
	my ($self) = @_;
	my %main = ($self->default_main, %{ $self->{main} // {} });

	spew($self->etc . '/main.cf',
	    map { "$_ = $main{$_}\n" } grep { defined $main{$_} }
	    sort keys %main);
	return if -e $self->etc . '/vmailbox';
	$self->mailboxes('user', 'other');
}

# Which users of test.example have a Maildir.
sub mailboxes
{
	my ($self, @users) = @_;

	spew($self->etc . '/vmailbox',
	    map { "$_\@test.example $_/\n" } @users);
}

# Change parameters; a reload (or start) makes them so.
sub set
{
	my ($self, %change) = @_;

	$self->{main} = { %{ $self->{main} // {} }, %change };
	$self->write_main;
	return $self;
}

# A file in the configuration folder, for tables.
sub file
{
	my ($self, $name, @text) = @_;

	spew($self->etc . "/$name", @text);
	return $self->etc . "/$name";
}

# The sample master.cf with our listeners instead of port 25; lines of
# master => [...] replace those of the same name and type.
sub write_master
{
	my ($self) = @_;
	my @own = @{ $self->{master} // [] };
	my $sample = top() . '/etc/master.cf';
	my $opts = join '', map { " -o $_" } @{ $self->{smtpd_options} // [] };
	my %replaced = ('smtp inet' => 1);

	if ($self->{services} // 1) {
		unshift @own, "[::1]:$self->{port6} inet n - y - - smtpd$opts"
		    if defined $self->{port6};
		unshift @own, $self->where . " inet n - y - - smtpd$opts";
	}
	$replaced{join ' ', (split ' ', $_)[0, 1]} = 1 for @own;
	my ($skip, @kept);
	for my $line (-e $sample ? lines_of($sample) : ()) {
		$skip = $replaced{join ' ', (split ' ', $line)[0, 1]}
		    if $line =~ /^\S+\s+\S/;
		push @kept, $line if $line =~ /^[^#]/ && !$skip;
	}
	spew($self->etc . '/master.cf', map { "$_\n" } @own, @kept);
}

# --- commands ---------------------------------------------------------------

# Run a command of ours on this instance: (status, output, errors).
sub cmd
{
	my ($self, $name, @args) = @_;
	my $opt = ref $args[-1] eq 'HASH' ? pop @args : {};
	my ($k, $v) = split /=/, $self->{token}, 2;

	# A name in capitals is the environment's word on the instance.
	return run(build_dir() . "/bin/$name", @args, { timeout => 60, %$opt,
	    env => { $k => $v, MAIL_CONFIG => $self->etc,
		%{ $opt->{env} // {} } } });
}

sub mailctl
{
	my ($self, @args) = @_;

	return $self->cmd('mailctl', '-c', $self->etc, @args);
}

# Data from a subcommand that knows --json.
sub json
{
	my ($self, @args) = @_;
	my ($status, $out, $err) = $self->mailctl(@args, '--json');
	my $data = eval { JSON::PP->new->utf8->decode($out) };

	croak "mailctl @args: $status $err" if !defined $data;
	return $data;
}

sub queue { return $_[0]->json('queue', 'list'); }

# Wait until nothing is queued.
sub wait_empty
{
	my ($self, $seconds) = @_;

	return wait_until(sub {
		my ($status, $out) = $self->cmd('postqueue', '-j');
		return $status eq '0' && $out eq '';
	}, $seconds // 15);
}

# --- life -------------------------------------------------------------------

sub try_start
{
	my ($self, @args) = @_;

	return $self->mailctl('start', @args);
}

sub start
{
	my ($self, @args) = @_;
	my ($status, $out, $err) = $self->try_start(@args);

	return $self if $status eq '0';
	croak "mailctl start: status $status\n$out$err" .
	    join "\n", 'Log:', $self->log, '';
}

sub reload
{
	my ($self) = @_;
	my ($status, $out, $err) = $self->mailctl('reload');

	croak "mailctl reload: $status\n$out$err" if $status ne '0';
	return $self;
}

# Stop; returns the number of processes that were left, which ought to be 0.
sub stop
{
	my ($self) = @_;
	my @before = grep { defined } map { identity($_) } $self->pids;
	my ($status, $out, $err) = $self->mailctl('stop');
	my @left = grep { pid_alive($_) } @before;

	kill_and_wait([@left]) if @left;
	return scalar @left;
}

# The first process of the instance, from its pid file.
sub main_pid
{
	my ($self) = @_;

	for my $file (glob $self->spool . '/pid/master.pid') {
		my ($pid) = (slurp($file, 1) // '') =~ /(\d+)/;
		return $pid if defined $pid && pid_alive($pid);
	}
	return undef;
}

# All of its processes.
sub pids
{
	my ($self) = @_;
	my %pid = map { $_ => 1 } pids_with_token($self->{token});
	my $main = $self->main_pid;

	if (defined $main) {
		$pid{$_} = 1 for $main, descendants($main);
	}
	my @pids = sort { $a <=> $b } keys %pid;
	return @pids;
}

# What `mailctl status` says of the components; nothing when it says nothing.
sub processes
{
	my ($self) = @_;
	my $said = eval { $self->json('status') } // {};

	return @{ ($said->{status} // {})->{processes} // [] };
}

# The processes of a component, by the name of the program or its title.
sub component
{
	my ($self, $name) = @_;

	return grep {
		my $cmd = slurp("/proc/$_/cmdline", 1) // '';
		my $comm = slurp("/proc/$_/comm", 1) // '';
		chomp $comm;
		$comm eq $name || $cmd =~ m{^(?:\S*/)?\Q$name\E(?:[\0: ]|$)};
	} $self->pids;
}

# SIGKILL to everything at once: what a crash of the machine would leave.
sub kill_hard
{
	my ($self) = @_;

	return kill_and_wait([$self->pids]);
}

# --- mail in ----------------------------------------------------------------

# A client, with the banner read; undef when it does not connect.
sub smtp
{
	my ($self, %opt) = @_;
	my $v6 = delete $opt{ipv6};

	return Postern::SMTP->new($v6 ? ('::1', $self->{port6}) :
	    ($self->{address}, $self->{port}), %opt);
}

# One message in a connection of its own: the last reply.
sub send
{
	my ($self, %m) = @_;

	return Postern::SMTP::send_mail($self->{address}, $self->{port},
	    to => 'user@test.example', %m);
}

# --- mail out, logs ---------------------------------------------------------

# The files in new/ of a user's Maildir.
sub mail_files
{
	my ($self, $user) = @_;
	my @files;

	opendir my $dh, "$self->{dir}/mail/$user/new" or return ();
	@files = map { "$self->{dir}/mail/$user/new/$_" }
	    sort grep { !/^\./ } readdir $dh;
	return @files;
}

sub mail { return map { slurp($_) } $_[0]->mail_files($_[1]); }

# Wait for COUNT messages of a user; returns those that are there.
sub wait_mail
{
	my ($self, $user, $count, $seconds) = @_;

	wait_until(sub {
		my @files = $self->mail_files($user);
		return @files >= ($count // 1);
	}, $seconds // 15);
	return $self->mail($user);
}

sub log_file { return "$_[0]{dir}/log/maillog"; }
sub log { return lines_of($_[0]->log_file); }

sub grep_log
{
	my ($self, $pattern) = @_;

	return grep { /$pattern/ } $self->log;
}

# Wait for a line; returns it, or undef.
sub wait_log
{
	my ($self, $pattern, $seconds, $count) = @_;
	my @found;

	wait_until(sub {
		@found = $self->grep_log($pattern);
		return @found >= ($count // 1);
	}, $seconds // 10);
	return @found >= ($count // 1) ? $found[-1] : undef;
}

1;
