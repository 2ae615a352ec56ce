# SPDX-License-Identifier: ISC
#
# Bench::Postfix - the distribution's Postfix, unpacked, with its defaults
# but for what an own place and the load demand.
package Bench::Postfix;

use strict;
use warnings;
use File::Path qw(make_path remove_tree);

use Postern::Peers;
use Postern::Util qw(:all);

sub name { return 'postfix'; }

sub program { return Postern::Peers::unpacked() . '/usr/lib/postfix/sbin'; }

sub available { return -x program() . '/master'; }

sub version
{
	my ($status, $out) = run(Postern::Peers::command('postconf'), '-dh',
	    'mail_version', { env => Postern::Peers::environment() });

	chomp $out;
	return "Postfix $out";
}

# new(work, road, sink => 'host:port')
sub new
{
	my ($class, %opt) = @_;
	my $self = bless { %opt, dir => "$opt{work}/postfix",
	    port => free_port('127.0.0.1') }, $class;
	my $dir = $self->{dir};

	remove_tree($dir);
	make_path(map { "$dir/$_" } qw(etc spool data log mail));
	$self->make_queue;
	chown 64101, 64101, "$dir/data";
	chown 64103, 64103, "$dir/mail";
	$self->write_config;
	return $self;
}

sub make_queue
{
	my ($self) = @_;
	my $spool = "$self->{dir}/spool";
	my ($owner, $drop) = (64101, 64102);

	for my $d (qw(active bounce corrupt defer deferred flush hold
	    incoming private saved trace)) {
		mkdir "$spool/$d", 0700;
		chown $owner, -1, "$spool/$d";
	}
	mkdir "$spool/$_" for qw(maildrop public pid);
	chown $owner, $drop, "$spool/maildrop", "$spool/public";
	chmod 01730, "$spool/maildrop";
	chmod 0710, "$spool/public";
}

sub write_config
{
	my ($self) = @_;
	my $dir = $self->{dir};
	my $lib = program();
	my $relay = $self->{road} eq 'relay';
	my ($sink_host, $sink_port) = split /:/, $self->{sink} // ':';

	spew("$dir/etc/main.cf", <<"END");
compatibility_level = 3.6
queue_directory = $dir/spool
data_directory = $dir/data
daemon_directory = $lib
command_directory = @{[ Postern::Peers::unpacked() ]}/usr/sbin
shlib_directory = no
meta_directory = $dir/etc
mail_owner = bench-owner
setgid_group = bench-drop
maillog_file = $dir/log/maillog
maillog_file_prefixes = $dir
myhostname = bench.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
virtual_mailbox_domains = @{[ $relay ? '' : 'test.example' ]}
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = static:user/
virtual_uid_maps = static:64103
virtual_gid_maps = static:64103
relayhost = @{[ $relay ? "[$sink_host]:$sink_port" : '' ]}
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH=@{[
    Postern::Peers::environment()->{LD_LIBRARY_PATH} ]}
export_environment = TZ LANG MAIL_CONFIG LD_LIBRARY_PATH
END
	spew("$dir/etc/master.cf", <<"END");
127.0.0.1:$self->{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END
}

sub start
{
	my ($self) = @_;
	my $dir = $self->{dir};

	$self->{pid} = spawn(program() . '/master', '-c', "$dir/etc",
	    { env => { %{ Postern::Peers::environment() },
		MAIL_CONFIG => "$dir/etc" }, stdout => "$dir/log/out" });
	wait_until(sub {
		my $c = Postern::SMTP->new('127.0.0.1', $self->{port},
		    timeout => 2);
		$c && $c->banner->{code} == 220;
	}, 20) or die "Postfix does not start:\n" .
	    (slurp("$dir/log/out", 1) // '') .
	    (slurp("$dir/log/maillog", 1) // '');
}

sub port { return $_[0]{port}; }
sub maildir { return "$_[0]{dir}/mail/user/new"; }
sub rcpt { return 'user@test.example'; }
sub log { return "$_[0]{dir}/log/maillog"; }
sub main_pid { return $_[0]{pid}; }
sub pids { return ($_[0]{pid}, descendants($_[0]{pid})); }

sub stop
{
	my ($self) = @_;
	my @all = grep { defined } map { identity($_) } $self->pids;

	kill 'TERM', $self->{pid};
	wait_until(sub { waitpid $self->{pid}, POSIX::WNOHANG();
	    !pid_alive($self->{pid}) }, 10);
	kill_and_wait(\@all);
	forget($self->{pid});
}

1;
