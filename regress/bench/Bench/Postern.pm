# SPDX-License-Identifier: ISC
#
# Bench::Postern - our side, with every wall up and default settings.
package Bench::Postern;

use strict;
use warnings;
use File::Path qw(make_path remove_tree);

use Postern::Instance;
use Postern::Util qw(:all);

sub name { return 'postern'; }

sub available { return -x build_dir() . '/bin/mailctl'; }

# What differs from the defaults.
sub settings { return (); }

sub version { return 'Postern ' . (lines_of(top() . '/VERSION'))[0]; }

sub new
{
	my ($class, %opt) = @_;
	my $self = bless { %opt, dir => "$opt{work}/postern" }, $class;
	my $relay = $opt{road} eq 'relay';
	my ($sink_host, $sink_port) = split /:/, $opt{sink} // ':';

	remove_tree($self->{dir});
	make_path($self->{dir});
	$self->{pi} = Postern::Instance->new(dir => $self->{dir},
	    address => '127.0.0.1', uid => 64103, gid => 64103, main => {
	    myhostname => 'bench.example',
	    virtual_mailbox_domains => $relay ? '' : 'test.example',
	    virtual_mailbox_maps => 'static:user/',
	    relayhost => $relay ? "[$sink_host]:$sink_port" : '',
	    $class->settings,
	});
	return $self;
}

sub start { $_[0]{pi}->start; }
sub port { return $_[0]{pi}->port; }
sub maildir { return "$_[0]{dir}/mail/user/new"; }
sub rcpt { return 'user@test.example'; }
sub log { return $_[0]{pi}->log_file; }
sub main_pid { return $_[0]{pi}->main_pid; }
sub pids { return $_[0]{pi}->pids; }
sub stop { $_[0]{pi}->stop; }

# The same with a process for each connection.
package Bench::PosternApart;

our @ISA = ('Bench::Postern');

sub name { return 'apart'; }
sub settings { return (smtpd_isolation => 'connection'); }

1;
