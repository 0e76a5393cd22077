// Package files writes files atomically, locks them and reports free disk space.
//
// A file is written under a temporary name in the same directory and renamed when it is whole:
// readers find the old file or the whole new one, never a part of it, also after a power failure.
//
// Locks are advisory: they exclude only processes that ask for one. A lock ends when the file is
// closed or the process exits, however it exits.
package files
