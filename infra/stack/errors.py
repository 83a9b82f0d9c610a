"""What can go wrong with the servers.

StackError            the message says which server, what was found, what was expected and what to do
├── MissingProgramError   a program, a Java or a system account is not there
├── FetchError            an artifact could not be fetched, or is not the pinned one
├── StartError            a server ended or did not answer in time; carries the end of its log
└── NotReadyError         a server does not answer yet; `up` asks again until its time is over
"""

from __future__ import annotations


class StackError(RuntimeError):
    """The servers cannot do what was asked."""


class MissingProgramError(StackError):
    """Something that must be installed is not."""


class FetchError(StackError):
    """An artifact could not be fetched, or its SHA-256 is not the pinned one."""


class StartError(StackError):
    """A server ended while it started, or did not answer in time."""


class NotReadyError(StackError):
    """A server does not answer (yet)."""
