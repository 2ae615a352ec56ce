# SPDX-License-Identifier: ISC
#
# Postern::Trial - messages that are hard to carry, and what of a delivered
# message is the sender's.
#
#	my @t = Postern::Trial::messages('swaks');  # [name, wire, stored] ...
#	Postern::Trial::tag($wire, 'swaks.dots')    # with its X-Trial header
#	my ($trace, $rest) = Postern::Trial::split_trace($delivered);
#	my %by = Postern::Trial::by_tag($pi->mail('user'));
#
# A wire text has CRLF line ends and no doubled dots; the stored one is what
# a mailbox must hold after the lines that Postern puts before it.
package Postern::Trial;

use strict;
use warnings;

# A header that nothing needs to be added to or changed in.
sub header
{
	my ($tag) = @_;

	return join "\r\n", "X-Trial: $tag",
	    'From: A Sender <sender@client.example>',
	    'To: user@test.example',
	    'Date: Thu, 1 Jan 2026 00:00:00 +0000',
	    "Message-Id: <$tag\@client.example>",
	    'Subject: trial', '', '';
}

# name => body, as it is on the wire before dots are doubled.  Text clients
# may be given those of plain() only.
my @plain = (
	empty => '',
	line => "one line\r\n",
	dots => ".\r\n..\r\n...\r\n. \r\n.x\r\nx.\r\n.\r\n",
	stuffed => "..\r\n.\r\n.x\r\nx\r\n",
	blank => "\r\n\r\n  \r\n\t\r\n\r\n",
	from => "From here on\r\n>From there\r\n From\r\n",
	edges => join("\r\n", map { 'x' x $_ } 997 .. 1001, 2046 .. 2050) .
	    "\r\n",
	long => ('0123456789' x 10000) . "\r\nafter\r\n",
	spaces => "trailing   \r\n\tleading\r\n   \r\n",
	fold => "Header: like\r\n\tthis\r\n",
	separators => "--\r\n-- \r\n----\r\n",
	many => join('', map { "line $_\r\n" } 1 .. 5000),
);
my @binary = (
	eight => join('', map { chr } 128 .. 255) . "\r\n",
	utf8 => "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa7\r\n",
	nul => "a\0b\0\0c\r\n\0\r\n",
	control => join('', map { chr } 1 .. 9, 11, 12, 14 .. 31, 127) .
	    "\r\n",
	cr => "a\rb\r\rc\r\n\r\rd\r\n",
	longcr => ('x' x 3000 . "\r") x 4 . "\r\n",
	nolf => "y" x 65536 . "\0" . "z" x 65536 . "\r\n",
);

sub made
{
	my ($who, @cases) = @_;
	my @made;

	while (my ($name, $body) = splice @cases, 0, 2) {
		my $wire = header("$who.$name") . $body;
		push @made, [$name, $wire, stored($wire)];
	}
	return @made;
}

sub plain { return made($_[0], @plain); }
sub messages { return made($_[0], @plain, @binary); }

# What is on the wire, as it lies in a mailbox.
sub stored
{
	my ($wire) = @_;

	return $wire =~ s/\r\n/\n/gr;
}

# Dots doubled, and the end.
sub dotted
{
	my ($wire) = @_;

	return $wire =~ s/^\./../mgr . ".\r\n";
}

# The lines of delivery and one Received header, and the rest.
sub split_trace
{
	my ($text) = @_;

	return ($1, $2) if $text =~ /\A((?:(?:Return-Path|X-Original-To|
	    Delivered-To):[ ][^\n]*\n)*Received:[^\n]*\n(?:[ \t][^\n]*\n)*)
	    (.*)\z/xs;
	return ('', $text);
}

# X-Trial => text, for messages with that header; a second one of the same
# name is kept under "name again".
sub by_tag
{
	my %by;

	for my $text (@_) {
		my ($tag) = $text =~ /^X-Trial: (\S+)$/m or next;
		$tag .= ' again' while exists $by{$tag};
		$by{$tag} = $text;
	}
	return %by;
}

# A short account of where two texts part, for a failed test.
sub difference
{
	my ($got, $want) = @_;
	my $n = 0;
	my $shown = sub {
		my $s = substr $_[0], $n > 20 ? $n - 20 : 0, 60;
		return $s =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
	};

	return 'nothing there' unless defined $got;
	$n++ while $n < length $got && $n < length $want &&
	    substr($got, $n, 1) eq substr($want, $n, 1);
	return sprintf "lengths %d and %d, they part at %d:\ngot  %s\nwant %s",
	    length $got, length $want, $n, $shown->($got), $shown->($want);
}

1;
