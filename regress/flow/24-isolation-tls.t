#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# All of 20-tls.t with a process for each session: certificates are put into a
# context that the image made, when a client says STARTTLS.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

$ENV{POSTERN_ISOLATION} = 'connection';
exec $^X, dirname(abs_path(__FILE__)) . '/20-tls.t' or die "perl: $!";
