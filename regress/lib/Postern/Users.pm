# SPDX-License-Identifier: ISC
#
# Postern::Users - users of the system for one test alone.
#
#	use Postern::Users qw(alice bob);       # before anything else
#	Postern::Users::home('alice');
#	Postern::Users::id('alice');
#	Postern::Users::as('alice', 'id', '-u') # a command line, as the user
#
# The test runs again in a mount namespace of its own, where /etc/passwd and
# /etc/group are copies with these users added, and where /var/mail is empty.
# Nothing outside changes.  Needs root on Linux; elsewhere the test file is
# skipped.
package Postern::Users;

use strict;
use warnings;
use Carp qw(croak);
use File::Temp ();

use Postern::Util qw(:all);

my (%id, $dir);

sub import
{
	my ($class, @names) = @_;

	return if $^C; # perl -c wants to know nothing but how it reads
	skip_unless($> == 0 && $^O eq 'linux' &&
	    run(qw(unshare -m true)) eq '0',
	    'users for a test need root on Linux, and mount namespaces');
	# Not those of sandbox_uid_base: mail has no rights of components.
	my $uid = 62000 + $$ % 500 * 4;
	if (!defined $ENV{POSTERN_USERS}) {
		enter($uid, @names);
		croak "unshare: $!";
	}
	($dir, $uid) = split /,/, delete $ENV{POSTERN_USERS};
	Postern::Util::guard('dir', $dir);
	@id{@names} = map { $uid + $_ } 0 .. $#names;
}

# Make the files, and begin again where they are those of the system.
sub enter
{
	my ($uid, @names) = @_;

	# Not temp_dir(): the guardian would remove it at exec.
	$dir = File::Temp::tempdir('postern.users.XXXXXX', DIR => '/tmp');
	chmod 0755, $dir;
	mkdir "$dir/$_", 0755 for qw(home mail);
	chmod 01777, "$dir/mail";
	my $passwd = slurp('/etc/passwd');
	my $group = slurp('/etc/group');
	for my $name (@names) {
		my $home = "$dir/home/$name";

		$passwd .= "$name:x:$uid:$uid:\u$name Example:$home:/bin/sh\n";
		$group .= "$name:x:$uid:\n";
		mkdir $home, 0755;
		chown $uid, $uid, $home;
		$uid++;
	}
	spew("$dir/passwd", $passwd);
	spew("$dir/group", $group);
	$ENV{POSTERN_USERS} = join ',', $dir, $uid - @names;
	exec 'unshare', '-m', '--propagation', 'private', 'sh', '-c',
	    'mount --bind "$0/passwd" /etc/passwd && ' .
	    'mount --bind "$0/group" /etc/group && ' .
	    'mount --bind "$0/mail" /var/mail && exec "$@"',
	    $dir, $^X, $0, @ARGV;
}

sub home { return "$dir/home/$_[0]"; }
sub id { return $id{$_[0]}; }
sub mbox { return "/var/mail/$_[0]"; }

# A command as the user, with nothing that is root's.
sub as
{
	my ($name, @cmd) = @_;

	return ('setpriv', "--reuid=$id{$name}", "--regid=$id{$name}",
	    '--clear-groups', '--inh-caps=-all', '--', @cmd);
}

# A file of the user's.
sub write_file
{
	my ($name, $file, @text) = @_;

	spew(home($name) . "/$file", @text);
	chown $id{$name}, $id{$name}, home($name) . "/$file";
	chmod 0644, home($name) . "/$file";
}

1;
